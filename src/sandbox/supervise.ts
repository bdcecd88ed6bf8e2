/**
 * One child process from start to end: its output is passed on, its time and memory are watched, and an abort ends it. How its
 * whole tree is found and killed differs by backend and comes in with the plan.
 */
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { SandboxBackend, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { inheritedDescriptors } from "./inherited-descriptors.ts";
import type { OutputPipes } from "./output-pipes.ts";
import { watchTree } from "./watch-tree.ts";

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
  /** Texts the child reads from descriptors 4, 5 and so on; with them it may write a report to descriptor 3. */
  inputs?: readonly string[];
  timeoutMs: number;
  memoryMb: number;
  maxProcesses?: number | undefined;
  members: (pid: number) => readonly number[];
  /** Ends the whole tree while its first process is there. Called again until that has ended. */
  kill: (pid: number) => void;
  /** Ends what is left when the first process is gone. */
  sweep: (pid: number, report: string) => Promise<void>;
}

export interface ChildEnd extends SandboxResult {
  /** What the child wrote to descriptor 3. */
  report: string;
}

/** Throws `AgentError` `sandbox_unavailable` when the child cannot be started. */
export async function supervise(plan: ChildPlan, options: SandboxRunOptions): Promise<ChildEnd> {
  const started = performance.now();
  if (options.signal?.aborted)
    return { exitCode: 137, signal: "SIGKILL", stopped: "aborted", durationMs: 0, report: "" };
  const { child, streams, release } = await start(plan);
  const pid = child.pid!;
  const report: Buffer[] = [];
  listen(streams, options.onOutput);
  (child.stdio[3] as Readable | null)?.on("data", (chunk: Buffer) => report.push(chunk));
  const guard = guardChild(plan, pid, options.signal);
  const closed = Promise.all([once(child, "close"), ...streams.map((stream) => once(stream, "close"))]);
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  guard.release();
  await plan.sweep(pid, toText(report));
  await drained(closed);
  release();
  return {
    exitCode: code ?? 128 + (constants.signals[signal!] ?? 0),
    ...(signal === null ? {} : { signal }),
    ...guard.stopped(),
    durationMs: performance.now() - started,
    report: toText(report),
  };
}

function listen([stdout, stderr]: OutputStreams, onOutput: SandboxRunOptions["onOutput"]): void {
  stdout.on("data", (chunk: Buffer) => onOutput?.(chunk, "stdout"));
  stderr.on("data", (chunk: Buffer) => onOutput?.(chunk, "stderr"));
}

type OutputStreams = readonly [Readable, Readable];

interface StartedChild {
  child: ChildProcess;
  streams: OutputStreams;
  /** Closes whatever is still open of the child's. */
  release: () => void;
}

async function start(plan: ChildPlan): Promise<StartedChild> {
  const pair = await plan.outputs.take(plan.user);
  const nowhere = openSync("/dev/null", "r");
  let child: ChildProcess | undefined;
  const release = (): void => {
    const atEnd = pair?.readers.every((reader) => reader.readableEnded) ?? false;
    for (const stream of [...(child?.stdio ?? []), ...(pair?.readers ?? [])]) stream?.destroy();
    pair?.release(atEnd);
  };
  try {
    child = await spawnChild(plan, toStdio(plan, { nowhere, writers: pair?.writers ?? ["pipe", "pipe"] }));
    return { child, streams: pair?.readers ?? [child.stdout!, child.stderr!], release };
  } catch (thrown) {
    release();
    const why = `\`${plan.argv[0]}\` could not be started: ${errorMessage(thrown)}.`;
    throw new AgentError("sandbox_unavailable", why, { cause: thrown, data: { backend: plan.backend } });
  } finally {
    closeSync(nowhere);
    pair?.handOver();
  }
}

async function spawnChild(plan: ChildPlan, stdio: StdioOptions): Promise<ChildProcess> {
  const [program, ...rest] = plan.argv as [string, ...string[]];
  const { env, cwd, user } = plan;
  const child = spawn(program, rest, { env, cwd, ...user, detached: true, stdio });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  for (const [index, text] of (plan.inputs ?? []).entries()) feed(child.stdio[index + 4] as Writable, text);
  return child;
}

interface Descriptors {
  nowhere: number;
  writers: readonly ["pipe" | number, "pipe" | number];
}

function toStdio({ inputs }: ChildPlan, { nowhere, writers }: Descriptors): StdioOptions {
  const stdio: ("ignore" | "pipe" | number)[] = ["ignore", ...writers];
  for (const descriptor of inheritedDescriptors()) stdio[descriptor] = nowhere;
  if (inputs) stdio[3] = "pipe";
  for (const index of (inputs ?? []).keys()) stdio[index + 4] = "pipe";
  return Array.from(stdio, (each) => each ?? "ignore");
}

function feed(input: Writable, text: string): void {
  // A child that dies before it has read everything is noticed by its end.
  input.on("error", () => {});
  input.end(text);
}

function guardChild(plan: ChildPlan, pid: number, signal: AbortSignal | undefined) {
  let why: NonNullable<SandboxResult["stopped"]> | undefined;
  let killing: NodeJS.Timeout | undefined;
  const stop = (because: NonNullable<SandboxResult["stopped"]>): void => {
    why ??= because;
    plan.kill(pid);
    killing ??= setInterval(() => plan.kill(pid), KILL_AGAIN_MS);
  };
  const onAbort = (): void => stop("aborted");
  const timer = setTimeout(stop, plan.timeoutMs, "timeout");
  const unwatch = watchTree({
    members: () => plan.members(pid),
    memoryBytes: plan.memoryMb * 1_024 * 1_024,
    processes: plan.maxProcesses,
    onExceeded: stop,
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  return {
    stopped: () => (why === undefined ? {} : { stopped: why }),
    release: () => {
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
