/** Several streams as one, each event with the number of its stream, in the order in which they come. */
export async function* mergeStreams<Value>(
  streams: readonly AsyncIterable<Value>[],
): AsyncGenerator<{ index: number; value: Value }, void, void> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const next = async (index: number): Promise<{ index: number; result: IteratorResult<Value> }> => ({
    index,
    result: await (iterators[index] as AsyncIterator<Value>).next(),
  });
  const pending = new Map(iterators.map((_, index) => [index, next(index)]));
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values());
      if (result.done === true) pending.delete(index);
      else {
        pending.set(index, next(index));
        yield { index, value: result.value };
      }
    }
  } finally {
    for (const one of pending.values()) one.catch(() => undefined);
    // They end by themselves as soon as whoever runs them aborts; waiting here would wait for what they are doing just now.
    for (const iterator of iterators) void iterator.return?.().catch(() => undefined);
  }
}
