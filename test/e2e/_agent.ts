import { execFile, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { AgentEvent } from "../../src/core/events.ts";
import type { Message } from "../../src/core/message.ts";
import type { ScriptedServer } from "../../src/testing/index.ts";

export const BIN = resolve(import.meta.dirname, "../../dist/bin/lmagent.js");

export interface AgentRun {
  code: number;
  stdout: string;
  stderr: string;
  /** The events of a `--json` run. */
  events: AgentEvent[];
}

export interface Place extends Disposable {
  workspace: string;
  home: string;
}

/** A fresh workspace and settings folder, gone afterwards. */
export function createPlace(): Place {
  const root = mkdtempSync(join(tmpdir(), "lmagent-e2e-"));
  const place = { workspace: join(root, "work"), home: join(root, "home") };
  mkdirSync(place.workspace);
  return { ...place, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }) };
}

interface RunOptions {
  place: Place;
  url?: string;
  env?: Record<string, string>;
  stdin?: string;
  timeoutMs?: number;
}

function toEnvironment({ place, url, env }: RunOptions): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: join(place.home, ".."),
    LMAGENT_HOME: place.home,
    WORKSPACE: place.workspace,
    ...(url === undefined ? {} : { LLM_URL: url }),
    ...env,
  };
}

/** Runs the command line to its end. */
export async function runAgent(args: readonly string[], options: RunOptions): Promise<AgentRun> {
  const child = spawnAgent(args, options);
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin?.end(options.stdin ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 25_000);
  const code = await new Promise<number>((done) => child.on("close", (exitCode) => done(exitCode ?? -1)));
  clearTimeout(timer);
  return { code, stdout, stderr, events: parseEvents(stdout) };
}

export function spawnAgent(args: readonly string[], options: RunOptions): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], {
    cwd: options.place.workspace,
    env: toEnvironment(options),
    stdio: ["pipe", "pipe", "pipe"],
  });
}

function parseEvents(stdout: string): AgentEvent[] {
  return stdout
    .split("\n")
    .filter((line) => line.startsWith('{"type":'))
    .map((line) => JSON.parse(line) as AgentEvent);
}

export function lastEvent({
  events,
  stdout,
  stderr,
}: AgentRun): Extract<AgentEvent, { type: "run_finished" }> {
  const event = events.at(-1);
  if (event?.type !== "run_finished") throw new Error(`the run did not finish:\n${stdout}\n${stderr}`);
  return event;
}

interface ChatBody {
  messages: Message[];
  tools: unknown[];
}

/** The body of the chat request with this number, counted from 0. */
export function chatBody(server: ScriptedServer, index: number): ChatBody {
  const chat = server.chats[index];
  if (chat === undefined) throw new Error(`only ${server.chats.length} chat requests came`);
  return chat.json as ChatBody;
}

/** Whether a program is there; a test that needs it is skipped without, and fails in CI. */
export async function hasProgram(name: string): Promise<boolean> {
  const found = await new Promise<boolean>((done) =>
    execFile("sh", ["-c", `command -v ${name}`], (error) => done(error === null)),
  );
  if (found) return true;
  if (process.env["CI"] === "true")
    throw new Error(`\`${name}\` is missing, and in CI nothing may be skipped.`);
  process.stderr.write(`skipped: \`${name}\` is not installed\n`);
  return false;
}
