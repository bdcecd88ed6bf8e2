import type { SandboxResult } from "../../core/sandbox.ts";
import type { SandboxContainer } from "./container.ts";

/** How long everything in a container may take to end once it was told to. */
const END_MS = 3_000;

type Stopped = NonNullable<SandboxResult["stopped"]>;

export interface Guard extends Disposable {
  /** Why the command was ended by us. */
  stopped(): Stopped | undefined;
  /** Once everything has been ended: whether the container is still there. `undefined` when nothing was to be ended. */
  killed(): Promise<boolean> | undefined;
  /** Rejects when the command cannot be ended. */
  readonly failed: Promise<never>;
}

/**
 * Ends a command at its time limit, at an abort, and when the kernel has ended one of its processes because of memory: what is left
 * of such a command is of no use.
 */
export function guardCommand(
  container: SandboxContainer,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal | undefined },
): Guard {
  let why: Stopped | undefined;
  let killed: Promise<boolean> | undefined;
  let late: NodeJS.Timeout | undefined;
  let fail: (thrown: unknown) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const stop = (because: Stopped): void => {
    if (why !== undefined) return;
    why = because;
    // The first process ends all others. Should it not, the whole container goes.
    killed = container.killAll();
    killed.catch(fail);
    late = setTimeout(() => void container.remove(), END_MS);
  };
  const onAbort = (): void => stop("aborted");
  const timer = setTimeout(stop, timeoutMs, "timeout");
  const unlisten = container.events.listen(({ type }) => {
    if (type === "memory") stop("memory");
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return {
    stopped: () => why,
    killed: () => killed,
    failed,
    [Symbol.dispose]() {
      clearTimeout(timer);
      clearTimeout(late);
      unlisten();
      signal?.removeEventListener("abort", onAbort);
    },
  };
}
