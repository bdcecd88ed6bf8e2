/** The contract of a place where commands run. Implementations in `src/sandbox`, one conformance suite in `src/testing`. */
export type SandboxBackend = "docker" | "bubblewrap" | "seatbelt" | "process";

/** `bridge`: commands can reach other machines. */
export type SandboxNetwork = "none" | "bridge";

/** Where commands in a sandbox with its own file system see the workspace. */
export const SANDBOX_ROOT = "/workspace";

export const SANDBOX_LIMITS = {
  timeoutMs: { default: 30_000, min: 1_000, max: 120_000 },
  memoryMb: { default: 512, min: 64, max: 2_048 },
} as const;

export interface SandboxRunOptions {
  /** Folder inside the workspace, relative to its root; default the root. */
  cwd?: string;
  /** Wall clock; clamped to `SANDBOX_LIMITS`. */
  timeoutMs?: number;
  /** Memory of the command and all its children together; clamped to `SANDBOX_LIMITS`. */
  memoryMb?: number;
  /** Added to the small clean environment; the agent's own environment is never passed on. */
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  /** Bytes as they come. Must not throw. The sandbox itself keeps nothing. */
  onOutput?: (chunk: Uint8Array, stream: "stdout" | "stderr") => void;
}

export interface SandboxResult {
  /** Exit code of the command; 128 + n when signal n ended it. */
  exitCode: number;
  /** Name of the signal that ended it, such as `SIGSEGV`. */
  signal?: string;
  /** Why we ended it; absent when it ended by itself. */
  stopped?: "timeout" | "aborted" | "memory" | "processes";
  durationMs: number;
  /** What the command did that the user should know of, such as making a file that other programs run. */
  warnings?: readonly string[];
}

/** A long-lived program inside, such as a tool server: spoken to through its input and output. */
export interface SandboxProcess extends AsyncDisposable {
  /** Hands bytes to its standard input. Resolves once they are taken, with false when it reads no more; never rejects. */
  write(bytes: Uint8Array): Promise<boolean>;
  endInput(): void;
  /** How it ended. Never rejects. Disposing ends it and all that it started, and waits for that. */
  readonly ended: Promise<SandboxResult>;
}

export interface Sandbox {
  readonly backend: SandboxBackend;
  /** False for the process group: commands can reach the whole machine as this user. */
  readonly isolated: boolean;
  /** What commands can reach; `bridge` also for the process group, which keeps nothing away. */
  readonly network: SandboxNetwork;
  /**
   * Makes `backend` and `isolated` known where they are chosen late; until then they say the weakest. Not needed before `run`.
   * Throws `AgentError` `sandbox_unavailable`.
   */
  prepare?(): Promise<void>;
  /**
   * Runs a shell line (string, through `sh -c`) or one program (argv, no shell). Returns when the command itself
   * has ended and leaves none of its processes behind. A failing, killed or timed-out command is a result.
   * Throws `AgentError` `sandbox_unavailable` when the sandbox itself cannot run, `workspace_invalid` when the workspace was
   * replaced, holds a planted `.lmagent` or cannot hold one, `path_refused` for a `cwd` outside, `file_failed` for one that is not there, and
   * `usage` for a command that no program can be given: empty, with a NUL character, or with an argument of 128 KiB.
   */
  run(command: string | readonly string[], options?: SandboxRunOptions): Promise<SandboxResult>;
  /**
   * Starts a program that stays, with the same walls and limits as a command but without a time limit, apart from every command
   * and every other such program. It ends with the sandbox at the latest. Throws like `run`.
   */
  start(command: readonly string[], options?: Omit<SandboxRunOptions, "timeoutMs">): Promise<SandboxProcess>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The backend in force as users and models are told: `bubblewrap`, `docker (network bridge)`, `process (not isolated)`. */
export function toSandboxLabel({
  backend,
  isolated,
  network,
}: Pick<Sandbox, "backend" | "isolated" | "network">): string {
  if (!isolated) return `${backend} (not isolated)`;
  return network === "none" ? backend : `${backend} (network ${network})`;
}
