/** Turns messages that arrive by callback into a stream that can be iterated once. */
export interface Mailbox<Item> {
  put(item: Item): void;
  /** Items that are here already still come out first. */
  fail(error: unknown): void;
  messages(): AsyncGenerator<Item, void, void>;
}

export function createMailbox<Item>(): Mailbox<Item> {
  let items: Item[] = [];
  let failure: { error: unknown } | undefined;
  let wake: (() => void) | undefined;

  return {
    put: (item) => {
      items.push(item);
      wake?.();
    },
    fail: (error) => {
      failure ??= { error };
      wake?.();
    },
    messages: async function* messages() {
      for (;;) {
        const ready = items;
        items = [];
        yield* ready;
        if (items.length > 0) continue;
        if (failure !== undefined) throw failure.error;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
