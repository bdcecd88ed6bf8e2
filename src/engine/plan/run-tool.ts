/** Runs a small program of the system and takes what it writes. */
import { execFile } from "node:child_process";
import type { ChildProcess } from "node:child_process";

/** `undefined` when there is no such program, or when it failed, wrote too much or took too long. */
export type ToolRunner = (program: string, args: readonly string[]) => Promise<string | undefined>;

const TIMEOUT_MS = 3_000;
const LIMIT_BYTES = 65_536;

/** The time limit holds also where the program has started others that keep its output open. */
export function createToolRunner({ timeoutMs = TIMEOUT_MS }: { timeoutMs?: number } = {}): ToolRunner {
  return (program, args) =>
    new Promise((resolve) => {
      let child: ChildProcess | undefined;
      const timer = setTimeout(() => {
        child?.kill("SIGKILL");
        child?.stdout?.destroy();
        child?.stderr?.destroy();
        child?.unref();
        resolve(undefined);
      }, timeoutMs);
      const settle = (output: string | undefined): void => {
        clearTimeout(timer);
        resolve(output);
      };
      try {
        const options = { maxBuffer: LIMIT_BYTES, killSignal: "SIGKILL", windowsHide: true } as const;
        child = execFile(program, [...args], options, (error, stdout) =>
          settle(error === null ? stdout : undefined),
        );
      } catch {
        // Some systems throw for what cannot be started, others tell the callback.
        settle(undefined);
      }
    });
}
