/** Finds the running model server of this user or starts one, and keeps it alive while it is used. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { open, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join, resolve } from "node:path";
import { AgentError } from "../../core/errors.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { openLease } from "./lease.ts";
import type { Lease } from "./lease.ts";
import type { LoadSettings } from "../plan/model-file.ts";
import { prepareHome, readRunFile, runFilePath } from "./run-file.ts";
import type { RunFile } from "./run-file.ts";
import { withStartLock } from "./start-lock.ts";
import { storageFailed } from "../storage-failed.ts";

const START_TIMEOUT_MS = 20_000;
const LOG_LIMIT_BYTES = 1_000_000;

export interface AcquireOptions extends LoadSettings {
  /** LMAGENT_HOME. */
  home: string;
  /** Package version: a server of another version is not used. */
  version: string;
  /** Absolute paths of the built `server/main.js` and `engine/child.js`. */
  entries: { server: string; engineChild: string };
  /** How long the server outlives its last lease; default 2000. */
  graceMs?: number;
  /** The environment the server runs with. */
  env: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal;
}

/** What the server process gets, as JSON in its first argument. */
export interface ServerSettings extends LoadSettings {
  home: string;
  version: string;
  engineChild: string;
  graceMs: number;
}

/** What the server process says once, over its IPC channel. */
export type ServerReport =
  | { type: "listening"; run: RunFile }
  | { type: "failed"; message: string; code: string };

export interface AcquiredEngine {
  /** With `/v1`. */
  baseUrl: string;
  apiKey: string;
  modelId: string;
  /** Process id of the server. */
  pid: number;
  /** True when this call started the server. */
  started: boolean;
  /** Gives the server up; it stops when nobody else uses it. */
  release(): void;
}

/**
 * Returns as soon as the server listens, while the model still loads: requests wait for it.
 * Throws `AgentError` `engine_failed` or `storage_failed`, and the signal's reason on abort.
 */
export async function acquireEngine(given: AcquireOptions): Promise<AcquiredEngine> {
  given.signal?.throwIfAborted();
  // The server runs in another folder.
  const options = { ...given, home: resolve(given.home), modelPath: resolve(given.modelPath) };
  const path = runFilePath(options.home, options);
  const running = await joinRunning(path);
  if (running !== undefined) return running;
  await prepareHome(options.home);
  return withStartLock(`${path}.lock`, { signal: options.signal }, async () => {
    // Another agent may have started it while we waited for the lock.
    const joined = await joinRunning(path);
    if (joined !== undefined) return joined;
    await rm(path, { force: true });
    return startServer(options);
  });
}

/** The lease is the check as well: only the server that wrote the file accepts its key. */
async function joinRunning(path: string): Promise<AcquiredEngine | undefined> {
  const run = await readRunFile(path);
  if (run === undefined) return undefined;
  const lease = await openLease(run);
  return lease === undefined ? undefined : toAcquired(run, { lease, started: false });
}

async function startServer(options: AcquireOptions): Promise<AcquiredEngine> {
  options.signal?.throwIfAborted();
  const logPath = join(options.home, "logs", "engine.log");
  const child = await spawnServer(options, logPath);
  try {
    const run = await waitForReport(child, { logPath, signal: options.signal });
    const lease = await openLease(run);
    if (lease === undefined)
      throw new AgentError(
        "engine_failed",
        `The model server stopped right after its start. See \`${logPath}\`.`,
        { data: { path: logPath } },
      );
    return toAcquired(run, { lease, started: true });
  } catch (thrown) {
    child.kill("SIGTERM");
    throw thrown;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

async function spawnServer(options: AcquireOptions, logPath: string): Promise<ChildProcess> {
  const { home, version, entries, graceMs = 2_000, modelPath, threads } = options;
  const settings: ServerSettings = {
    home,
    version,
    engineChild: entries.engineChild,
    graceMs,
    modelPath,
    ...(threads === undefined ? {} : { threads }),
  };
  const log = await openLog(logPath);
  try {
    return spawn(process.execPath, [entries.server, JSON.stringify(settings)], {
      detached: true,
      stdio: ["ignore", log.fd, log.fd, "ipc"],
      env: { ...options.env },
      cwd: home,
    });
  } finally {
    await log.close();
  }
}

/** One that has grown too large is begun anew. */
async function openLog(path: string): Promise<FileHandle> {
  try {
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    return await open(path, size > LOG_LIMIT_BYTES ? "w" : "a", 0o600);
  } catch (cause) {
    throw storageFailed(path, cause);
  }
}

function waitForReport(
  child: ChildProcess,
  { logPath, signal }: { logPath: string; signal: AbortSignal | undefined },
): Promise<RunFile> {
  const failed = (why: string, cause?: unknown): AgentError =>
    new AgentError("engine_failed", `The model server could not be started: ${why}. See \`${logPath}\`.`, {
      cause,
      data: { path: logPath },
    });
  return new Promise((resolve, reject) => {
    const settled = (settle: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    const onAbort = (): void => settled(() => reject(signal?.reason as Error));
    const timer = setTimeout(
      () => settled(() => reject(failed(`it did not answer within ${START_TIMEOUT_MS / 1000} s`))),
      START_TIMEOUT_MS,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    child.once("error", (error) => settled(() => reject(failed(error.message, error))));
    child.once("exit", (code, name) =>
      settled(() => reject(failed(`it ended with ${name ?? `code ${code}`}`))),
    );
    child.once("message", (report: ServerReport) =>
      settled(() =>
        report.type === "listening"
          ? resolve(report.run)
          : reject(new AgentError(report.code as ErrorCode, report.message)),
      ),
    );
    // It may have come while the process was made, and then there is no event.
    if (signal?.aborted === true) onAbort();
  });
}

function toAcquired(
  { port, pid, apiKey, modelId }: RunFile,
  { lease, started }: { lease: Lease; started: boolean },
): AcquiredEngine {
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    apiKey,
    modelId,
    pid,
    started,
    release: () => lease.close(),
  };
}
