/** What a user sees of a download: one line that changes on a terminal, a line now and then anywhere else, or a line of JSON for each event. */
import type { DownloadEvent, FetchedModel } from "../engine/download/fetch-model.ts";
import { formatBytes, formatCounted, formatWait } from "../tui/format.ts";
import { toTerminalJson, toTerminalLine } from "../tui/terminal-text.ts";

export interface DownloadView {
  show(event: DownloadEvent): void;
  finish(model: FetchedModel): void;
  /** Stopped by the user; `again` is the command that goes on. */
  stop(again: string): void;
  /** Takes away the line that changes. */
  clear(): void;
}

interface Output {
  write(text: string): unknown;
}

export interface DownloadViewOptions {
  stdout: Output;
  stderr: Output & { isTTY?: boolean };
  json: boolean;
  /** Milliseconds. */
  now?: () => number;
}

/** Where nobody watches, a line that often is enough to see that it goes on. */
const LINE_EVERY_MS = 10_000;
const ERASE_LINE = "\r\u001b[2K";

export function createDownloadView(options: DownloadViewOptions): DownloadView {
  return options.json ? createJsonView(options) : createTextView(options);
}

function createJsonView({ stdout }: DownloadViewOptions): DownloadView {
  const write = (line: object): void => void stdout.write(`${toTerminalJson(line, 0)}\n`);
  return {
    show: write,
    finish: ({ path, result }) => write({ type: "done", path, result }),
    stop: () => write({ type: "stopped" }),
    clear: () => {},
  };
}

function createTextView({ stdout, stderr, now = Date.now }: DownloadViewOptions): DownloadView {
  const isTerminal = stderr.isTTY === true;
  let shownAt = now();
  let last = "";
  const clear = (): void => {
    if (isTerminal && last !== "") stderr.write(ERASE_LINE);
  };
  const say = (line: string): void => {
    clear();
    last = "";
    stderr.write(`${toTerminalLine(line)}\n`);
  };
  const showProgress = (line: string): void => {
    if (isTerminal) stderr.write(`${ERASE_LINE}${line}`);
    else if (now() - shownAt >= LINE_EVERY_MS) {
      shownAt = now();
      stderr.write(`${line}\n`);
    }
    last = line;
  };
  return {
    show: (event) => {
      if (event.type === "progress") showProgress(formatProgress(event));
      else {
        const line = toLine(event);
        if (line !== undefined) say(line);
      }
    },
    finish: ({ path, result }) => {
      clear();
      if (result === "already_there") stderr.write("It is there already.\n");
      stdout.write(`${toTerminalLine(path)}\n`);
    },
    stop: (again) => {
      const at = last;
      say(`Stopped${at === "" ? "" : ` at ${at}`}. What is there is kept; \`${again}\` goes on from there.`);
    },
    clear,
  };
}

/** `42 % · 1.2 GB of 2.8 GB · 34.5 MB/s · 48 s left`. */
export function formatProgress(event: Extract<DownloadEvent, { type: "progress" }>): string {
  const { downloadedBytes, totalBytes, bytesPerSecond, secondsLeft } = event;
  const share = totalBytes ? [`${Math.floor((100 * downloadedBytes) / totalBytes)} %`] : [];
  const size = totalBytes === undefined ? "" : ` of ${formatBytes(totalBytes)}`;
  const rate = bytesPerSecond === undefined ? [] : [`${formatBytes(Math.round(bytesPerSecond))}/s`];
  const left =
    secondsLeft === undefined || secondsLeft === 0 ? [] : [`${formatWait(secondsLeft * 1000)} left`];
  return [...share, `${formatBytes(downloadedBytes)}${size}`, ...rate, ...left].join(" · ");
}

function toLine(event: Exclude<DownloadEvent, { type: "progress" }>): string | undefined {
  switch (event.type) {
    case "resolved": {
      const { files, totalBytes } = event;
      const size = totalBytes === undefined ? "" : `, ${formatBytes(totalBytes)}`;
      return `${formatCounted(files.length, "file")}${size}: ${files.map(({ path }) => toName(path)).join(", ")}`;
    }
    case "waiting": {
      const who = event.pid === undefined ? "Another process" : `Another process (${event.pid})`;
      return `${who} fetches ${toName(event.path)} already; waiting for it.`;
    }
    case "retry":
      return `${event.why} Trying again in ${formatWait(event.waitMs)}.`;
    case "restarted":
      return `${toName(event.path)} is fetched anew: ${event.why}.`;
    case "verifying":
      return `Checking the SHA-256 of ${toName(event.path)}.`;
    default:
      return undefined;
  }
}

function toName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}
