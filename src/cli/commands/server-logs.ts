/** `lmagent server logs`, and `lms log stream`. */
import { AgentError } from "../../core/errors.ts";
import { parseObject } from "../../core/json-object.ts";
import { followLog } from "../../server/daemon/follow-log.ts";
import { LOG_SOURCES, serverLogPath } from "../../server/daemon/server-log.ts";
import type { LogEntry } from "../../server/daemon/server-log.ts";
import { toTerminalLine } from "../../tui/terminal-text.ts";
import { onInterrupt } from "../interrupt.ts";
import { formatLogEntry } from "../log-line.ts";
import { findHome } from "../settings.ts";

export interface LogFlags {
  follow?: boolean;
  lines?: string;
  source?: string;
  json?: boolean;
}

export async function showLogs({ follow = false, lines, source, json = false }: LogFlags): Promise<number> {
  const { home } = findHome(process.env);
  const last = toCount(lines);
  checkSource(source);
  const interrupt = onInterrupt();
  try {
    for await (const line of followLog(serverLogPath(home), { last, follow, signal: interrupt.signal })) {
      const entry = parseObject(line) as LogEntry | undefined;
      if (source !== undefined && entry?.source !== source) continue;
      process.stdout.write(`${json ? line : toLine(line, entry)}\n`);
    }
  } finally {
    interrupt.dispose();
  }
  return 0;
}

function toLine(line: string, entry: LogEntry | undefined): string {
  return entry?.message === undefined ? toTerminalLine(line) : formatLogEntry(entry);
}

function toCount(lines: string | undefined): number {
  if (lines === undefined) return 100;
  if (/^\d{1,9}$/.test(lines)) return Number(lines);
  throw new AgentError("usage", `\`--lines\` is \`${lines}\`, but must be a whole number.`, {
    data: { flag: "lines" },
  });
}

function checkSource(source: string | undefined): void {
  if (source === undefined || LOG_SOURCES.some((one) => one === source)) return;
  throw new AgentError(
    "usage",
    `\`--source\` is \`${source}\`, but must be one of ${LOG_SOURCES.join(", ")}.`,
    {
      data: { flag: "source" },
    },
  );
}
