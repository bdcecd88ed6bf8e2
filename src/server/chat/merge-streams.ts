/**
 * Several streams as one, each event with the number of its stream, in the order in which they come. `atOnce`: so many run at a time;
 * a stream begins when it is asked for its first event.
 */
export async function* mergeStreams<Value>(
  streams: readonly AsyncIterable<Value>[],
  { atOnce = streams.length }: { atOnce?: number } = {},
): AsyncGenerator<{ index: number; value: Value }, void, void> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const next = async (index: number): Promise<{ index: number; result: IteratorResult<Value> }> => ({
    index,
    result: await (iterators[index] as AsyncIterator<Value>).next(),
  });
  const first = iterators.map((_, index) => index).slice(0, Math.max(1, atOnce));
  const pending = new Map(first.map((index) => [index, next(index)]));
  let begun = first.length;
  try {
    while (pending.size > 0) {
      const { index, result } = await Promise.race(pending.values());
      pending.delete(index);
      const following = result.done === true ? begun++ : index;
      if (following < iterators.length) pending.set(following, next(following));
      if (result.done !== true) yield { index, value: result.value };
    }
  } finally {
    for (const one of pending.values()) one.catch(() => undefined);
    // They end by themselves as soon as whoever runs them aborts; waiting here would wait for what they are doing just now.
    for (const iterator of iterators) void iterator.return?.().catch(() => undefined);
  }
}

/** Several answers to one request: when `run` ends, for whatever reason, those that still run end too. */
export async function withAnswers<Result>(
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const abort = new AbortController();
  try {
    return await run(AbortSignal.any([signal, abort.signal]));
  } finally {
    abort.abort();
  }
}
