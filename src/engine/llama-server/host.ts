/** A `llama-server` of this machine, started for one model. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, constants, statSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { delimiter, join, resolve } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import { readStart } from "../../processes/proc-files.ts";
import { spawnWatcher } from "../../processes/spawn-watcher.ts";
import { engineFailed, failureReason } from "../engine-failure.ts";
import type { LoadOptions } from "../protocol.ts";
import { toServerArguments, toServerEnvironment } from "./arguments.ts";
import { createLogTail } from "./log-tail.ts";
import { waitUntilReady } from "./ready.ts";
import type { RunningServer, ServerSource } from "./source.ts";

const NAME = process.platform === "win32" ? "llama-server.exe" : "llama-server";
/** Large models are read from slow disks. */
const READY_MS = 600_000;
/** Another program may take the port in between. */
const ATTEMPTS = 3;

export interface FindLlamaServerOptions {
  /** Where the user says that it is. */
  configured?: string | undefined;
  /** The user's `PATH`. */
  searchPath?: string | undefined;
}

export type FoundLlamaServer = { found: true; path: string } | { found: false; reason: string };

/** What the user has configured counts alone, so that no other version is taken in its place. */
export function findLlamaServer({ configured, searchPath = "" }: FindLlamaServerOptions): FoundLlamaServer {
  if (configured !== undefined && configured !== "") {
    if (isProgram(configured)) return { found: true, path: resolve(configured) };
    return { found: false, reason: `\`${configured}\` is no program that can be run` };
  }
  // A relative entry would mean another program in another folder.
  const folders = searchPath
    .split(delimiter)
    .filter((folder) => folder.startsWith("/") || /^[A-Za-z]:/.test(folder));
  const path = folders.map((folder) => join(folder, NAME)).find(isProgram);
  return path === undefined ? { found: false, reason: `no \`${NAME}\` in PATH` } : { found: true, path };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

export interface HostServerOptions {
  /** Absolute path of the program. */
  path: string;
  load: LoadOptions;
  /** Of the server: where it finds its libraries, which GPU it may see. */
  environment: Readonly<Record<string, string | undefined>>;
  /** How long it may take to load the model; default 10 min. */
  readyMs?: number;
}

export function createHostSource(options: HostServerOptions): ServerSource {
  const { load, readyMs = READY_MS } = options;
  const start = async (signal: AbortSignal, attempt = 1): Promise<RunningServer> => {
    const started = launch(options, await findFreePort());
    try {
      await waitUntilReady({ ...started.ready, deadlineMs: readyMs, signal });
      return started.toRunning();
    } catch (thrown) {
      await started.stop();
      signal.throwIfAborted();
      if (attempt < ATTEMPTS && /couldn't bind|address already in use/i.test(errorMessage(thrown)))
        return start(signal, attempt + 1);
      throw failureReason(thrown) === undefined ? thrown : withPath(thrown, load.modelPath);
    }
  };
  return { backend: "host", start };
}

function withPath(thrown: unknown, path: string): Error {
  const message = `The model \`${path}\` could not be loaded: ${errorMessage(thrown)}`;
  return engineFailed("load_failed", message, { path });
}

interface Launched {
  ready: { baseUrl: string; apiKey: string; ended: Promise<string>; tail: () => string };
  stop: () => Promise<void>;
  toRunning: () => RunningServer;
}

function launch({ path, load, environment }: HostServerOptions, port: number): Launched {
  const startedAt = performance.now();
  const apiKey = randomBytes(24).toString("hex");
  const tail = createLogTail();
  const { modelPath, projectorPath } = load;
  const place = {
    host: "127.0.0.1",
    port,
    modelPath,
    ...(projectorPath === undefined ? {} : { projectorPath }),
  };
  // First, so that there is no moment in which our death would leave the server behind.
  const watch = createGroupWatch();
  const child = spawn(path, toServerArguments(load, place), {
    cwd: "/",
    env: { ...environment, ...toServerEnvironment(load, { apiKey }) },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (child.pid !== undefined) watch.tell(child.pid);
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => tail.push(text));
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) =>
      resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
    );
  }).finally(watch.stop);
  const baseUrl = `http://127.0.0.1:${port}`;
  const stop = (): Promise<void> => endGroup(child, ended);
  return {
    ready: { baseUrl, apiKey, ended, tail: tail.read },
    stop,
    toRunning: () => ({
      baseUrl,
      apiKey,
      ...(child.pid === undefined ? {} : { pid: child.pid }),
      loadMs: Math.round(performance.now() - startedAt),
      ended,
      stop,
    }),
  };
}

/** Nothing in it needs saving, and when it is busy it takes long to end by itself. */
async function endGroup({ pid }: ChildProcess, ended: Promise<string>): Promise<void> {
  if (pid === undefined) return;
  killGroup(pid);
  await ended;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Ends the group when its input ends, which happens when we do, however. A number that is another process by now has another start. */
const WATCH_SCRIPT = `
read -r pid started || exit 0
while read -r _; do :; done
if [ -n "$started" ]; then
  now=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 20)
  [ "$now" = "$started" ] || exit 0
fi
kill -s KILL -- "-$pid" 2>/dev/null`;

function createGroupWatch(): { tell: (pid: number) => void; stop: () => void } {
  const watcher = spawnWatcher(WATCH_SCRIPT);
  return {
    tell: (pid) => void watcher.stdin?.write(`${pid} ${readStart(pid)}\n`),
    stop: () => void watcher.kill("SIGKILL"),
  };
}

/** A port of the loopback interface that nobody uses just now. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
