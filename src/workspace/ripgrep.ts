import { spawn } from "node:child_process";
import { StringDecoder } from "node:string_decoder";
import { AgentError } from "../core/errors.ts";

/** A line longer than this is passed on in part. */
const MAX_LINE_CHARACTERS = 16_384;
const MAX_ERROR_CHARACTERS = 4_096;

export interface RipgrepOptions {
  cwd: string;
  /** Descriptors that the program gets as 3, 4, … */
  descriptors?: readonly number[];
  /** More rules of what to leave out, in the form of `.gitignore`, for the folder that is searched. */
  ignoreRules?: string;
  deadlineMs: number;
  signal?: AbortSignal | undefined;
  /** What ends a line: a newline, or with `--null` for names, which may have newlines, a NUL. */
  lineEnd?: "\n" | "\0";
  /** Gets each line; returning false ends the search. */
  onLine: (line: string) => boolean;
}

export interface RipgrepEnd {
  /** 0 found, 1 nothing found, 2 error; `undefined` when it was stopped. */
  code?: number;
  /** Stopped by `onLine` or the deadline. */
  stopped: boolean;
  errors: string;
}

/** The binary that came with the package, never one from the user's path. */
async function findProgram(): Promise<string> {
  try {
    const { rgPath } = await import("@vscode/ripgrep");
    return rgPath;
  } catch (cause) {
    throw new AgentError(
      "file_failed",
      "cannot search: the `@vscode/ripgrep` package has no program for this machine; install it again",
      { cause },
    );
  }
}

/** Never by configuration or ignore files that it finds itself: those may be pipes, devices or links. */
const ALWAYS = ["--no-config", "--no-ignore", "--color=never", "--no-follow"];
const STANDARD_INPUT = "/dev/stdin";

/** Runs ripgrep with an empty environment and no configuration; it never follows links and ends with its caller's signal. */
export async function runRipgrep(args: readonly string[], options: RipgrepOptions): Promise<RipgrepEnd> {
  const { cwd, descriptors = [], deadlineMs, signal, onLine } = options;
  const ignoreRules = process.platform === "win32" ? "" : (options.ignoreRules ?? "");
  const rules = ignoreRules === "" ? [] : ["--ignore-file", STANDARD_INPUT];
  const path = await findProgram();
  signal?.throwIfAborted();
  const child = spawn(path, [...ALWAYS, ...rules, ...args], {
    cwd,
    env: {},
    stdio: [ignoreRules === "" ? "ignore" : "pipe", "pipe", "pipe", ...descriptors],
  });
  // It may end before it has read them.
  child.stdin?.on("error", () => {}).end(ignoreRules);
  let stopped = false;
  const stop = () => {
    stopped = true;
    child.kill("SIGKILL");
  };
  const timer = setTimeout(stop, deadlineMs);
  signal?.addEventListener("abort", stop, { once: true });
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(0, MAX_ERROR_CHARACTERS);
  });
  const feed = createLineFeed((line) => stopped || onLine(line) || stop(), options.lineEnd ?? "\n");
  child.stdout?.on("data", feed.push);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    signal?.throwIfAborted();
    if (!stopped) feed.end();
    // Killed by somebody else, or by a file that asks for more memory than there is.
    if (code === null) stopped = true;
    return { ...(code === null || stopped ? {} : { code }), stopped, errors };
  } catch (cause) {
    signal?.throwIfAborted();
    throw new AgentError("file_failed", `cannot search: ripgrep did not start (${String(cause)})`, { cause });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function createLineFeed(
  onLine: (line: string) => void,
  lineEnd: string,
): { push: (chunk: Buffer) => void; end: () => void } {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  const push = (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split(lineEnd);
    rest = (lines.pop() ?? "").slice(0, MAX_LINE_CHARACTERS);
    for (const line of lines) onLine(line);
  };
  return { push, end: () => rest !== "" && onLine(rest) };
}
