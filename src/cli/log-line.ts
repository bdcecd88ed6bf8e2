import type { LogEntry } from "../server/daemon/server-log.ts";
import { toTerminalLine } from "../tui/terminal-text.ts";

/** The last four are in the words of a request already. */
const SHOWN = new Set(["time", "level", "source", "message", "method", "path", "status", "ms"]);

/** One entry as a line for people: time, level where it is unusual, source, words, and the rest as `name=value`. */
export function formatLogEntry(entry: LogEntry): string {
  const { time, level, source, message } = entry;
  const rest = Object.entries(entry)
    .filter(([name]) => !SHOWN.has(name))
    .map(([name, value]) => ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("");
  const rank = level === "info" ? "" : `${level.toUpperCase()} `;
  return toTerminalLine(`${time} ${rank}${source}: ${message}${rest}`);
}
