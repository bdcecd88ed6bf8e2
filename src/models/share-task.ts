/** Starts one task for all who ask while it runs. Whoever aborts leaves it to the others; the last one's leaving ends it. */
export function shareTask<Value>(
  start: (signal: AbortSignal) => Promise<Value>,
): (signal?: AbortSignal) => Promise<Value> {
  let shared: SharedTask<Value> | undefined;
  const begin = (): SharedTask<Value> => {
    const controller = new AbortController();
    const task = { outcome: start(controller.signal), controller, waiting: 0 };
    const end = (): void => {
      if (shared === task) shared = undefined;
    };
    task.outcome.then(end, end);
    return task;
  };
  return async (signal) => {
    signal?.throwIfAborted();
    const task = (shared ??= begin());
    task.waiting += 1;
    try {
      return await untilAborted(task.outcome, signal);
    } finally {
      task.waiting -= 1;
      if (task.waiting === 0 && shared === task) {
        shared = undefined;
        task.controller.abort(signal?.reason);
      }
    }
  };
}

interface SharedTask<Value> {
  outcome: Promise<Value>;
  controller: AbortController;
  /** How many wait for the outcome. */
  waiting: number;
}

async function untilAborted<Value>(outcome: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return outcome;
  let stop = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([outcome, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
