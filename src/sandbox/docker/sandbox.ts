import { randomBytes } from "node:crypto";
import { AgentError } from "../../core/errors.ts";
import {
  SANDBOX_LIMITS,
  SANDBOX_ROOT,
  type Sandbox,
  type SandboxNetwork,
  type SandboxProcess,
  type SandboxResult,
  type SandboxRunOptions,
} from "../../core/sandbox.ts";
import { toCleanEnvironment } from "../environment.ts";
import { runGuarded, startGuarded, withWarnings } from "../git-guard.ts";
import { MAX_PROCESSES, toProgram, toRunLimits } from "../run-limits.ts";
import { openWorkspaceRoot, toWorkingFolder, type WorkspaceRoot } from "../workspace-root.ts";
import type { ExecEnd, ExecRequest } from "./executor.ts";
import { guardCommand } from "./guard.ts";
import { SANDBOX_IMAGE } from "./image.ts";
import { startService } from "./service.ts";
import { createQueue } from "./queue.ts";
import { Workplace, type Place } from "./workplace.ts";

export interface DockerSandboxOptions {
  /** Absolute path of the workspace on the host. */
  workspaceRoot: string;
  /** Of the engine, as `findDockerSocket` gives it. */
  socketPath: string;
  /** Name of the image; default `SANDBOX_IMAGE`. */
  image?: string;
  /** Default `none`. */
  network?: SandboxNetwork;
}

const KILLED = 137;

/**
 * Commands in a hardened container, one after the other. Nothing is asked of Docker before the first of them. Throws `AgentError`
 * `workspace_invalid`.
 */
export function createDockerSandbox(options: DockerSandboxOptions): Sandbox {
  return new DockerSandbox(options);
}

class DockerSandbox implements Sandbox {
  readonly backend = "docker";
  readonly isolated = true;
  readonly network: SandboxNetwork;
  readonly #root: WorkspaceRoot;
  readonly #workplace: Workplace;
  readonly #queue = createQueue();
  readonly #closing = new AbortController();
  readonly #services = new Set<AsyncDisposable>();

  constructor({ workspaceRoot, socketPath, image = SANDBOX_IMAGE, network = "none" }: DockerSandboxOptions) {
    this.network = network;
    this.#root = openWorkspaceRoot(workspaceRoot);
    this.#workplace = new Workplace({ root: this.#root, socketPath, image, network });
  }

  async prepare(): Promise<void> {
    await this.#workplace.connect();
  }

  async run(command: string | readonly string[], options: SandboxRunOptions = {}): Promise<SandboxResult> {
    const request = this.#toRequest(toProgram(command), options);
    const signal = AbortSignal.any([this.#closing.signal, ...(options.signal ? [options.signal] : [])]);
    const leave = await this.#queue.enter(signal);
    const started = performance.now();
    if (leave === undefined) return toAborted(started);
    try {
      return await runGuarded(this.#root.path, ({ repositories }) =>
        this.#runNow(request, { ...options, signal, started, repositories }),
      );
    } finally {
      leave();
    }
  }

  async start(
    command: readonly string[],
    options: Omit<SandboxRunOptions, "timeoutMs"> = {},
  ): Promise<SandboxProcess> {
    const request = this.#toRequest(toProgram(command), options);
    const { memoryMb } = toRunLimits(options);
    this.#throwIfClosed();
    const { image } = await this.#workplace.connect();
    const slot = randomBytes(6).toString("hex");
    const { signal } = options;
    const service = await startGuarded(this.#root.path, async ({ repositories, finish }) => {
      const container = await this.#workplace.openApart({ slot, memoryMb, repositories });
      return startService(container, { ...request, signal, finish, shell: image.shell });
    });
    this.#services.add(service);
    void service.ended.then(() => this.#services.delete(service));
    if (this.#closing.signal.aborted) await service[Symbol.asyncDispose]();
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#services].map((service) => service[Symbol.asyncDispose]()));
    // After what runs now, which has been told to end.
    const leave = await this.#queue.enter();
    await this.#workplace.leave();
    leave?.();
  }

  #throwIfClosed(): void {
    if (!this.#closing.signal.aborted) return;
    throw new AgentError("sandbox_unavailable", "The sandbox has been closed; open another.", {
      data: { backend: "docker" },
    });
  }

  #toRequest(program: readonly string[], { cwd, env, onOutput }: SandboxRunOptions): ExecRequest {
    this.#root.check();
    checkEnvironment(env);
    const folder = toWorkingFolder(this.#root.path, cwd);
    return {
      program,
      cwd: folder === "." ? SANDBOX_ROOT : `${SANDBOX_ROOT}/${folder}`,
      environment: toCleanEnvironment({
        home: "/tmp",
        toolchains: [],
        network: this.network,
        added: env,
      }),
      onOutput,
    };
  }

  async #runNow(
    request: ExecRequest,
    options: SandboxRunOptions & { signal: AbortSignal; started: number; repositories: readonly string[] },
  ): Promise<SandboxResult> {
    const { timeoutMs, memoryMb } = toRunLimits(options);
    const place = await this.#workplace.enter(options.repositories);
    if (options.signal.aborted) return toAborted(options.started);
    await this.#setMemory(place, memoryMb);
    using guard = guardCommand(place.container, { timeoutMs, signal: options.signal });
    const end = await Promise.race([place.executor.exec(request), guard.failed]).catch((thrown: unknown) => {
      this.#abandon();
      throw thrown;
    });
    // It may have ended by itself just then; its runner has not.
    if (guard.stopped() !== undefined) place.executor.close();
    const isThere = await this.#endRest(place, { end, killed: guard.killed() });
    const stopped = guard.stopped() ?? (end.type === "ended" && end.memoryKills > 0 ? "memory" : undefined);
    await this.#tidy(place, {
      isThere,
      isClean: stopped !== "memory" && !(end.type === "ended" && end.left),
    });
    if (end.type === "no_folder") throw toMissingFolder(request.cwd);
    const durationMs = performance.now() - options.started;
    const result = { ...toCode(end, stopped), ...(stopped === undefined ? {} : { stopped }), durationMs };
    return withWarnings(result, toWarnings(end));
  }

  async #setMemory(place: Place, memoryMb: number): Promise<void> {
    try {
      await place.container.setMemory(memoryMb);
    } catch (thrown) {
      this.#abandon();
      throw thrown;
    }
  }

  /** Of an engine that has failed nobody waits for the clearing up. */
  #abandon(): void {
    void this.#workplace.leave();
  }

  /** Without its runner a command may have left processes. Returns whether the container is still there. */
  async #endRest(
    { container }: Place,
    { end, killed }: { end: ExecEnd; killed: Promise<boolean> | undefined },
  ): Promise<boolean> {
    try {
      return await (killed ?? (end.type === "died" ? container.killAll() : true));
    } catch (thrown) {
      this.#abandon();
      throw thrown;
    }
  }

  /**
   * The next command finds nothing of this one. After the kernel has ended something for memory a new container is made, so that what
   * the engine still reports of it does not reach the next command.
   */
  async #tidy(
    { container }: Place,
    { isThere, isClean }: { isThere: boolean; isClean: boolean },
  ): Promise<void> {
    if (!isThere || !isClean) return this.#workplace.leave();
    try {
      await container.setMemory(SANDBOX_LIMITS.memoryMb.default);
    } catch {
      await this.#workplace.leave();
    }
  }
}

/** Throws `AgentError` `usage` for what no program can be given. */
function checkEnvironment(env: Readonly<Record<string, string>> = {}): void {
  for (const [name, value] of Object.entries(env)) {
    if (name !== "" && !/[=\0]/.test(name) && !value.includes("\0")) continue;
    throw new AgentError("usage", `The variable \`${name}\` cannot be given to a program; leave it out.`, {
      data: { name },
    });
  }
}

function toAborted(started: number): SandboxResult {
  return { exitCode: KILLED, signal: "SIGKILL", stopped: "aborted", durationMs: performance.now() - started };
}

function toCode(end: ExecEnd, stopped: SandboxResult["stopped"]): { exitCode: number; signal?: string } {
  if (end.type !== "ended") return { exitCode: KILLED, signal: "SIGKILL" };
  // Ended by us, though its shell may have told another code first.
  return { exitCode: stopped === undefined ? end.exitCode : KILLED };
}

function toWarnings(end: ExecEnd): string[] {
  if (end.type !== "ended" || end.refusedProcesses === 0) return [];
  return [`The command wanted more than ${MAX_PROCESSES} processes at a time; some could not be started.`];
}

function toMissingFolder(cwd: string): AgentError {
  const path = cwd.slice(SANDBOX_ROOT.length + 1);
  return new AgentError("file_failed", `There is no folder \`${path}\` in the workspace.`, {
    data: { path },
  });
}
