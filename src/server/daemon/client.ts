/** The other side of the daemon's private port, and how a daemon is started. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { request } from "node:http";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { AgentError, errorMessage } from "../../core/errors.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { isObject, parseObject } from "../../core/json-object.ts";
import { prepareHome } from "../../engine/acquire/run-file.ts";
import { withStartLock } from "../../engine/acquire/start-lock.ts";
import { daemonRunPath, readDaemonRun } from "./run-file.ts";
import type { DaemonReport, DaemonRun, DaemonSettings, DaemonStatus } from "./settings.ts";

const START_TIMEOUT_MS = 20_000;
const STATUS_TIMEOUT_MS = 2_000;

export interface DaemonClient {
  readonly run: DaemonRun;
  /** Throws `AgentError` `server_failed` with the daemon's own words, and the signal's reason. */
  ask<Answer>(path: string, body?: object, options?: { signal?: AbortSignal }): Promise<Answer>;
}

/** The daemon of this home, if one runs. */
export async function findDaemon(home: string): Promise<DaemonClient | undefined> {
  const run = await readDaemonRun(home);
  if (run === undefined) return undefined;
  const client = toClient(run);
  try {
    // Only the daemon that wrote the file accepts its key.
    await client.ask<DaemonStatus>("/control/status", undefined, {
      signal: AbortSignal.timeout(STATUS_TIMEOUT_MS),
    });
    return client;
  } catch {
    return undefined;
  }
}

export interface StartedDaemon {
  client: DaemonClient;
  /** False: one ran already. */
  started: boolean;
}

/** Finds the daemon or starts one in the background. Throws `AgentError` `server_failed`, or what the daemon failed with. */
export async function ensureDaemon(
  settings: DaemonSettings,
  { entry, env }: { entry: string; env: Readonly<Record<string, string | undefined>> },
): Promise<StartedDaemon> {
  const running = await findDaemon(settings.home);
  if (running !== undefined) return { client: running, started: false };
  await prepareHome(settings.home);
  return withStartLock(`${daemonRunPath(settings.home)}.lock`, {}, async () => {
    const joined = await findDaemon(settings.home);
    if (joined !== undefined) return { client: joined, started: false };
    const run = await spawnDaemon(settings, { entry, env });
    return { client: toClient(run), started: true };
  });
}

async function spawnDaemon(
  settings: DaemonSettings,
  { entry, env }: { entry: string; env: Readonly<Record<string, string | undefined>> },
): Promise<DaemonRun> {
  const logPath = join(settings.home, "logs", "daemon.log");
  // What native code prints when it dies; the log proper is another file.
  const log = await open(logPath, "w", 0o600);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [entry, JSON.stringify({ daemon: settings })], {
      detached: true,
      stdio: ["ignore", log.fd, log.fd, "ipc"],
      env: { ...env },
      cwd: settings.home,
    });
  } finally {
    await log.close();
  }
  try {
    return await waitForReport(child, logPath);
  } catch (thrown) {
    child.kill("SIGTERM");
    throw thrown;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function waitForReport(child: ChildProcess, logPath: string): Promise<DaemonRun> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      const message = `The daemon could not be started: ${why}. See \`${logPath}\`.`;
      reject(new AgentError("server_failed", message, { data: { path: logPath } }));
    };
    const timer = setTimeout(
      () => fail(`it did not answer within ${START_TIMEOUT_MS / 1000} s`),
      START_TIMEOUT_MS,
    );
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code, signal) => fail(`it ended with ${signal ?? `code ${code}`}`));
    child.once("message", (report: DaemonReport) => {
      clearTimeout(timer);
      if (report.type === "running") resolve(report.run);
      else reject(new AgentError(report.code as ErrorCode, report.message));
    });
  });
}

function toClient(run: DaemonRun): DaemonClient {
  return {
    run,
    ask: async <Answer>(path: string, body?: object, { signal }: { signal?: AbortSignal } = {}) => {
      const answer = await send(run, path, {
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
      if (answer.status === 200) return JSON.parse(answer.text) as Answer;
      const error = parseObject(answer.text)?.["error"];
      const message = isObject(error) ? String(error["message"]) : answer.text.slice(0, 500);
      throw new AgentError("server_failed", message, { data: { status: answer.status } });
    },
  };
}

/** Not `fetch`: a large model may take longer to load than that waits for headers. */
function send(
  { port, key }: DaemonRun,
  path: string,
  { body, signal }: { body?: object; signal?: AbortSignal },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({
      host: "127.0.0.1",
      port,
      path,
      method: body === undefined ? "GET" : "POST",
      agent: false,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(signal === undefined ? {} : { signal }),
    });
    const fail = (error: Error): void =>
      reject(
        signal?.aborted === true
          ? (signal.reason as Error)
          : new AgentError("server_failed", `The daemon does not answer: ${errorMessage(error)}.`, {
              cause: error,
            }),
      );
    asked.on("error", fail);
    asked.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("error", fail);
      response.on("data", (piece: string) => (text += piece));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
