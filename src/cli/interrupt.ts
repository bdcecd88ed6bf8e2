import { EXIT_INTERRUPTED } from "./exit-code.ts";

export interface Interrupt {
  signal: AbortSignal;
  dispose(): void;
}

/** The first Ctrl-C (or SIGTERM, or a closed terminal) stops the run in order; the second leaves at once. */
export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.on(name, stop);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of signals) process.off(name, stop);
    },
  };
}
