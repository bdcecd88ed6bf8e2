import type { OutputStream } from "../../docker/demultiplexer.ts";

/** One command, in the terms of the container. */
export interface ExecRequest {
  program: readonly string[];
  /** Absolute folder inside. */
  cwd: string;
  environment: Readonly<Record<string, string>>;
  onOutput?: ((chunk: Uint8Array, stream: OutputStream) => void) | undefined;
}

export type ExecEnd =
  | {
      type: "ended";
      exitCode: number;
      /** Processes that the kernel ended because of the memory limit. */
      memoryKills: number;
      /** Processes that could not be started because of the limit on their number. */
      refusedProcesses: number;
      /** Something is left that the next command would find, so that this container is used no more. */
      left: boolean;
    }
  | { type: "no_folder" }
  /** Whatever ran the command has ended before it could tell how the command did. */
  | { type: "died" };

/** A way to run commands in a container, one after the other. */
export interface Executor {
  /** False once it has ended; then a new one is needed. */
  isUsable(): boolean;
  /** Leaves no process behind, unless it died. Throws `AgentError` `sandbox_unavailable`. */
  exec(request: ExecRequest): Promise<ExecEnd>;
  close(): void;
}
