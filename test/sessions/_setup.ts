import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { onTestFinished } from "vitest";
import type { Session, SessionState, SessionStore } from "../../src/core/session.ts";
import { createJsonlSessionStore } from "../../src/sessions/index.ts";

/** A second passes with every look at it. */
export function createClock(): () => number {
  let now = Date.parse("2026-02-20T14:35:12Z");
  return () => (now += 1000);
}

export function createIds(): () => string {
  let count = 0;
  return () => `id-${(count += 1).toString(36).padStart(6, "0")}`;
}

export interface Place {
  workspace: string;
  /** Where the session files are. */
  folder: string;
  store: SessionStore;
  file(id: string): string;
  names(): Promise<string[]>;
  /** Opens and closes it again when the test ends. */
  open(id: string): Promise<Session>;
  /** What there is to go on from. */
  state(id: string): Promise<SessionState>;
}

/** An empty workspace, removed when the test ends. */
export async function createPlace({ makeFolder = makePrivate } = {}): Promise<Place> {
  const workspace = await mkdtemp(join(tmpdir(), "lmagent-sessions-"));
  onTestFinished(() => rm(workspace, { recursive: true, force: true }));
  const folder = join(workspace, ".lmagent", "sessions");
  const store = createJsonlSessionStore({
    folder,
    makeFolder: () => makeFolder(folder),
    workspace,
    now: createClock(),
    newId: createIds(),
    version: "0.0.0",
  });
  return {
    workspace,
    folder,
    store,
    file: (id) => join(folder, `${id}.jsonl`),
    names: async () => (await readdir(folder)).sort(),
    open: async (id) => {
      const session = await store.open(id);
      onTestFinished(() => session[Symbol.asyncDispose]());
      return session;
    },
    state: async (id) => {
      const session = await store.open(id);
      await session[Symbol.asyncDispose]();
      return session.state;
    },
  };
}

async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** Bundles `_writer.ts` into the folder and returns the path of the program. */
export async function bundleWriter(folder: string): Promise<string> {
  const outfile = join(folder, "writer.mjs");
  const entry = join(import.meta.dirname, "_writer.ts");
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "error",
  });
  return outfile;
}

interface Report {
  opened?: string;
  interrupted?: string[];
  stored?: number;
  failed?: string;
  message?: string;
  data?: Record<string, unknown>;
}

export interface Writer {
  child: ChildProcess;
  /** All that it reported so far. */
  reports: Report[];
  /** Resolves with the first report, opened or failed. */
  first: Promise<Report>;
  /** Resolves when it has ended and every report has arrived. */
  ended: Promise<void>;
}

/** Runs the writer; it is killed when the test ends. `shell` is put before the command, such as `ulimit -f 8;`. */
export function startWriter(program: string, args: readonly string[], { shell = "" } = {}): Writer {
  const stdio = ["pipe", "pipe", "inherit"] as const;
  const child = spawn("sh", ["-c", `${shell} exec "$0" "$@"`, process.execPath, program, ...args], {
    stdio: [...stdio],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const reports: Report[] = [];
  const lines = createInterface({ input: child.stdout });
  const first = new Promise<Report>((resolve, reject) => {
    lines.once("line", (line) => resolve(JSON.parse(line) as Report));
    lines.once("close", () => reject(new Error("The writer ended without a report.")));
  });
  first.catch(() => undefined);
  lines.on("line", (line) => reports.push(JSON.parse(line) as Report));
  const ended = new Promise<void>((resolve) => {
    let open = 2;
    const close = () => (open -= 1) === 0 && resolve();
    lines.once("close", close);
    child.once("exit", close);
  });
  return { child, reports, first, ended };
}
