/**
 * One child process from start to end: its output is passed on, its time and memory are watched, and an abort ends it. How its
 * whole tree is found and killed differs by backend and comes in with the plan.
 */
import { once } from "node:events";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import type { SandboxBackend, SandboxProcess, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { startChild, type StartedChild } from "./start-child.ts";
import type { OutputPipes } from "./output-pipes.ts";
import { watchTree, type Verdict } from "./watch-tree.ts";

/** How long output may still come after the end of everything that could write it. */
const DRAIN_MS = 500;

/** Between attempts to end a tree: processes may be made while others are ended. */
const KILL_AGAIN_MS = 5;

export interface ChildPlan {
  backend: SandboxBackend;
  argv: readonly string[];
  env: Record<string, string>;
  cwd: string;
  user: { uid?: number; gid?: number };
  outputs: OutputPipes;
  /** Text the child reads from descriptor 4; with it the child may write a report to descriptor 3. */
  input?: string;
  /** Given to the child as descriptors 5 and up. */
  descriptors?: readonly number[];
  /** Called once, when the child has its own descriptors or could not be started. */
  onStarted?: () => void;
  /** Called when the child is there and before it can read its input. */
  onSpawn?: (pid: number) => Promise<void> | void;
  /** `undefined`: none. */
  timeoutMs?: number | undefined;
  memoryMb: number;
  maxProcesses?: number | undefined;
  members: (pid: number, most: number) => readonly number[];
  /** What the system itself found wrong; asked from time to time and in the end. */
  verdict?: () => Verdict | undefined;
  /** Ends the whole tree while its first process is there. Called again until that has ended. */
  kill: (pid: number) => void;
  /** Everything that can hold the output ends with the first process, so the end of the output is worth waiting for. */
  endsTogether?: boolean;
  /** Ends what is left when the first process is gone. */
  sweep: (pid: number, report: string) => Promise<void>;
}

export interface ChildEnd extends SandboxResult {
  /** What the child wrote to descriptor 3. */
  report: string;
}

/** The end of what was aborted before its start. */
export const ABORTED: ChildEnd = {
  exitCode: 137,
  signal: "SIGKILL",
  stopped: "aborted",
  durationMs: 0,
  report: "",
};

/** Throws `AgentError` `sandbox_unavailable` when the child cannot be started. */
export async function supervise(plan: ChildPlan, options: SandboxRunOptions): Promise<ChildEnd> {
  if (options.signal?.aborted) {
    plan.onStarted?.();
    return ABORTED;
  }
  const running = follow(plan, await startChild(plan, "ignore"), options);
  return running.ended;
}

/**
 * A child that stays: spoken to through its input, ended by `[Symbol.asyncDispose]`. `finish` turns the way it ended into a result.
 * Throws like `supervise`.
 */
export async function superviseProgram(
  plan: ChildPlan,
  options: Omit<SandboxRunOptions, "timeoutMs">,
  finish: (end: ChildEnd) => SandboxResult,
): Promise<SandboxProcess> {
  const started = await startChild(plan, "pipe");
  const { ended, stop } = follow(plan, started, options);
  const input = started.child.stdin!;
  // What it does not read is told by `write`.
  input.on("error", () => {});
  const result = ended.then(finish);
  return {
    write: (bytes) =>
      new Promise((resolve) => {
        if (!input.writable) resolve(false);
        else input.write(bytes, (error) => resolve(error === null || error === undefined));
      }),
    endInput: () => void input.end(),
    ended: result,
    async [Symbol.asyncDispose]() {
      stop("aborted");
      await ended;
    },
  };
}

/** The end as a result for others. */
export function withoutReport({ report: _report, ...end }: ChildEnd): SandboxResult {
  return end;
}

export interface Followed {
  ended: Promise<ChildEnd>;
  stop: (because: NonNullable<SandboxResult["stopped"]>) => void;
}

/** Watches a child from now on. */
export function follow(plan: ChildPlan, started: StartedChild, options: SandboxRunOptions): Followed {
  const { child, streams } = started;
  const report: Buffer[] = [];
  const [stdout, stderr] = streams;
  stdout.on("data", (chunk: Buffer) => options.onOutput?.(chunk, "stdout"));
  stderr.on("data", (chunk: Buffer) => options.onOutput?.(chunk, "stderr"));
  (child.stdio[3] as Readable | null)?.on("data", (chunk: Buffer) => report.push(chunk));
  const guard = guardChild(plan, child.pid!, options.signal);
  return { ended: toEnd(plan, started, { report, guard }), stop: guard.stop };
}

interface Observed {
  report: Buffer[];
  guard: ReturnType<typeof guardChild>;
}

async function toEnd(
  plan: ChildPlan,
  { child, streams, release, startedMs }: StartedChild,
  { report, guard }: Observed,
): Promise<ChildEnd> {
  const closed = Promise.all([once(child, "close"), ...streams.map((stream) => once(stream, "close"))]);
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  guard.release();
  child.stdin?.destroy();
  if (plan.endsTogether) await drained(closed);
  await plan.sweep(child.pid!, toText(report));
  await drained(closed);
  release();
  return {
    exitCode: code ?? 128 + (constants.signals[signal!] ?? 0),
    ...(signal === null ? {} : { signal }),
    ...guard.stopped(),
    durationMs: performance.now() - startedMs,
    report: toText(report),
  };
}

function guardChild(plan: ChildPlan, pid: number, signal: AbortSignal | undefined) {
  let why: NonNullable<SandboxResult["stopped"]> | undefined;
  let killing: NodeJS.Timeout | undefined;
  let isOver = false;
  const stop = (because: NonNullable<SandboxResult["stopped"]>): void => {
    if (isOver) return;
    why ??= because;
    plan.kill(pid);
    killing ??= setInterval(() => plan.kill(pid), KILL_AGAIN_MS);
  };
  const onAbort = (): void => stop("aborted");
  const timer = plan.timeoutMs === undefined ? undefined : setTimeout(stop, plan.timeoutMs, "timeout");
  const unwatch = watchTree({
    members: (most) => plan.members(pid, most),
    memoryBytes: plan.memoryMb * 1_024 * 1_024,
    processes: plan.maxProcesses,
    verdict: plan.verdict,
    onExceeded: stop,
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return {
    stop,
    stopped: () => (why === undefined ? {} : { stopped: why }),
    release: () => {
      isOver = true;
      why ??= plan.verdict?.();
      clearTimeout(timer);
      clearInterval(killing);
      unwatch();
      signal?.removeEventListener("abort", onAbort);
    },
  };
}

/** Waits for the rest of the output; a process that escaped with our pipe in its hands cannot hold the result up. */
async function drained(closed: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS);
  });
  await Promise.race([closed, late]);
  clearTimeout(timer);
}

function toText(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString();
}
