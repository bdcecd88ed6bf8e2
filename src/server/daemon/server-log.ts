/**
 * The daemon's log: `LMAGENT_HOME/logs/server.jsonl`, a JSON object a line. At its limit the file becomes `server.jsonl.1`, what was
 * that `.2`, and a new one is begun.
 */
import { appendFileSync, chmodSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../../core/errors.ts";

/** `server`: requests and the server itself; `model`: loads and ends; `runtime`: what llama.cpp says. */
export const LOG_SOURCES = ["server", "model", "runtime"] as const;
export type LogSource = (typeof LOG_SOURCES)[number];
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogEntry {
  /** ISO 8601. */
  time: string;
  level: LogLevel;
  source: LogSource;
  message: string;
  [field: string]: unknown;
}

export interface ServerLog {
  write(entry: Omit<LogEntry, "time" | "level"> & { level?: LogLevel }): void;
}

export interface ServerLogOptions {
  now: () => Date;
  /** Bytes at which the file is rotated; default 10 MB. */
  limitBytes?: number;
  /** Also gets every entry. */
  onEntry?: (entry: LogEntry) => void;
}

const LIMIT_BYTES = 10_000_000;
const KEPT = 3;

export function serverLogPath(home: string): string {
  return join(home, "logs", "server.jsonl");
}

/** A log that cannot be written must not end the server, so failures are dropped. The folder must be there. */
export function createServerLog(
  path: string,
  { now, limitBytes = LIMIT_BYTES, onEntry = () => {} }: ServerLogOptions,
): ServerLog {
  let bytes = sizeOf(path);
  return {
    write: ({ level = "info", ...rest }) => {
      const entry = { time: now().toISOString(), level, ...rest } as LogEntry;
      onEntry(entry);
      const line = `${JSON.stringify(entry)}\n`;
      try {
        if (bytes > 0 && bytes + line.length > limitBytes) {
          rotate(path);
          bytes = 0;
        }
        appendFileSync(path, line, { mode: 0o600 });
        if (bytes === 0) chmodSync(path, 0o600);
        bytes += Buffer.byteLength(line);
      } catch {
        // A full disk: the next entry may fit again.
      }
    },
  };
}

function rotate(path: string): void {
  rmSync(`${path}.${KEPT}`, { force: true });
  for (let number = KEPT - 1; number >= 1; number -= 1)
    moveIfThere(`${path}.${number}`, `${path}.${number + 1}`);
  moveIfThere(path, `${path}.1`);
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") throw thrown;
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
