/** Starts the child of a plan with exactly the descriptors that it is meant to have. */
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setPriority } from "node:os";
import type { Readable, Writable } from "node:stream";
import { AgentError, errorMessage } from "../core/errors.ts";
import { inheritedDescriptors } from "./inherited-descriptors.ts";
import type { ChildPlan } from "./supervise.ts";

export interface StartedChild {
  child: ChildProcess;
  /** Its output and its errors. */
  streams: readonly [Readable, Readable];
  /** On the clock of `performance.now`. */
  startedMs: number;
  /** Closes whatever is still open of the child's. */
  release: () => void;
}

/** Throws `AgentError` `sandbox_unavailable`. */
export async function startChild(plan: ChildPlan, input: "ignore" | "pipe"): Promise<StartedChild> {
  const startedMs = performance.now();
  const pair = await plan.outputs.take(plan.user);
  const nowhere = openSync("/dev/null", "r");
  let child: ChildProcess | undefined;
  const release = (): void => {
    const atEnd = pair?.readers.every((reader) => reader.readableEnded) ?? false;
    for (const stream of [...(child?.stdio ?? []), ...(pair?.readers ?? [])]) stream?.destroy();
    pair?.release(atEnd);
  };
  try {
    const writers = pair?.writers ?? (["pipe", "pipe"] as const);
    child = await spawnChild(plan, toStdio(plan, { nowhere, writers, input }));
    return { child, streams: pair?.readers ?? [child.stdout!, child.stderr!], startedMs, release };
  } catch (thrown) {
    release();
    const why = `\`${plan.argv[0]}\` could not be started: ${errorMessage(thrown)}.`;
    throw new AgentError("sandbox_unavailable", why, { cause: thrown, data: { backend: plan.backend } });
  } finally {
    closeSync(nowhere);
    pair?.handOver();
    plan.onStarted?.();
  }
}

async function spawnChild(plan: ChildPlan, stdio: StdioOptions): Promise<ChildProcess> {
  const [program, ...rest] = plan.argv as [string, ...string[]];
  const { env, cwd, user } = plan;
  const child = spawn(program, rest, { env, cwd, ...user, detached: true, stdio });
  if (plan.maxProcesses !== undefined) giveWay(child);
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  await plan.onSpawn?.(child.pid!);
  if (plan.input !== undefined) feed(child.stdio[4] as Writable, plan.input);
  return child;
}

/** Where the system does not limit processes we count them, and must get to run while a storm of them builds up. */
const NICENESS = 10;

function giveWay({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) setPriority(pid, NICENESS);
  } catch {
    // It has ended already.
  }
}

interface Ends {
  nowhere: number;
  writers: readonly ["pipe" | number, "pipe" | number];
  input: "ignore" | "pipe";
}

function toStdio(plan: ChildPlan, { nowhere, writers, input }: Ends): StdioOptions {
  const stdio: ("ignore" | "pipe" | number)[] = [input, ...writers];
  for (const descriptor of inheritedDescriptors()) stdio[descriptor] = nowhere;
  if (plan.input !== undefined) stdio[3] = stdio[4] = "pipe";
  for (const [index, descriptor] of (plan.descriptors ?? []).entries()) stdio[index + 5] = descriptor;
  return Array.from(stdio, (each) => each ?? "ignore");
}

function feed(input: Writable, text: string): void {
  // A child that dies before it has read everything is noticed by its end.
  input.on("error", () => {});
  input.end(text);
}
