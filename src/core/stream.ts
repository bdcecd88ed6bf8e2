/**
 * Runs tasks at once and yields what they emit as it comes. Returns their results in the order of the tasks.
 * `join` may fold an item into the one still waiting before it, so that a slow consumer does not pile up output.
 */
export async function* merge<Item, Result>(
  tasks: readonly ((emit: (item: Item) => void) => Promise<Result>)[],
  join: (waiting: Item, item: Item) => Item | undefined = () => undefined,
): AsyncGenerator<Item, Result[]> {
  const waiting: Item[] = [];
  let wake = (): void => {};
  const emit = (item: Item): void => {
    const last = waiting.at(-1);
    const joined = last === undefined ? undefined : join(last, item);
    if (joined === undefined) waiting.push(item);
    else waiting[waiting.length - 1] = joined;
    wake();
  };
  let open = tasks.length;
  const results = Promise.all(
    tasks.map(async (task) => {
      try {
        return await task(emit);
      } finally {
        open -= 1;
        wake();
      }
    }),
  );
  // Reported below by awaiting it; this only keeps an early failure from counting as unhandled.
  results.catch(() => {});
  while (open > 0 || waiting.length > 0) {
    const item = waiting.shift();
    if (item !== undefined) yield item;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
  return results;
}
