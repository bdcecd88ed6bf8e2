/** A process of its own in a container: a program that stays, or a command where no runner can be had. */
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { Exec } from "dockerode";
import type { SandboxContainer } from "./container.ts";
import { createDemultiplexer, type OutputStream } from "../../docker/demultiplexer.ts";
import { WORK_MS } from "../../docker/engine.ts";
import type { ExecEnd, ExecRequest, Executor } from "./executor.ts";
import { ONE_PROGRAM, CLEANER } from "./scripts.ts";

/** How long output may still come once the program has ended and everything else was killed. */
const DRAIN_MS = 1_000;

export interface DockerProgram {
  /** Its input; only with `hasInput`. */
  readonly input: Socket | undefined;
  /** Its exit code once it has ended and its output has come; `undefined` when it is not known how it ended. Never rejects. */
  readonly ended: Promise<number | undefined>;
}

export interface ProgramRequest extends ExecRequest {
  /** The shell of the image. */
  shell: string;
  hasInput?: boolean;
}

/** Throws `AgentError` `sandbox_unavailable`, also where input is wanted and the engine cannot hand the connection over. */
export async function startProgram(
  container: SandboxContainer,
  { program, cwd, environment, onOutput, shell, hasInput = false }: ProgramRequest,
): Promise<DockerProgram> {
  const { engine, handle } = container;
  const exec = await engine.ask({ to: "prepare a program" }, () =>
    handle.exec({
      Cmd: [shell, "-c", ONE_PROGRAM, shell, ...program],
      WorkingDir: cwd,
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      AttachStdin: hasInput,
      AttachStdout: true,
      AttachStderr: true,
    }),
  );
  const watch = watchEnd(container, exec.id);
  const stream = await engine.ask({ to: "start a program", deadlineMs: WORK_MS }, () =>
    exec.start({ hijack: hasInput, stdin: hasInput }),
  );
  stream.on("error", () => {});
  if (hasInput && !(stream instanceof Socket)) {
    stream.destroy();
    throw engine.fail("cannot connect to the input of a program");
  }
  const closed = readOutput(stream, onOutput);
  return {
    input: hasInput ? (stream as Socket) : undefined,
    ended: finish({ container, exec, stream, closed, ended: watch }),
  };
}

/** Resolves when the engine reports the end of the program or of its container. */
function watchEnd({ events }: SandboxContainer, execId: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = events.listen((event) => {
      if (event.type === "memory" || (event.type === "command_ended" && event.execId !== execId)) return;
      stop();
      resolve();
    });
  });
}

function readOutput(
  stream: Readable,
  onOutput: ((chunk: Uint8Array, stream: OutputStream) => void) | undefined,
): Promise<void> {
  const push = createDemultiplexer(
    (bytes, from) => onOutput?.(bytes, from),
    () => new Error("no output of an engine"),
  );
  return new Promise((resolve) => {
    stream.on("data", (chunk: Buffer) => {
      try {
        push(chunk);
      } catch {
        stream.destroy();
      }
    });
    stream.once("end", resolve);
    stream.once("close", resolve);
  });
}

interface Running {
  container: SandboxContainer;
  exec: Exec;
  stream: Readable;
  closed: Promise<void>;
  ended: Promise<void>;
}

/** Its children may hold its output open: they end with it. */
async function finish({ container, exec, stream, closed, ended }: Running): Promise<number | undefined> {
  await Promise.race([closed, ended]);
  await container.killAll().catch(() => false);
  await Promise.race([closed, pause(DRAIN_MS)]);
  stream.destroy();
  return readExitCode(container, exec).catch(() => undefined);
}

async function readExitCode({ engine }: SandboxContainer, exec: Exec): Promise<number | undefined> {
  const found = await engine.ask({ to: "tell how a program ended" }, () => exec.inspect());
  const code: unknown = found.ExitCode;
  return typeof code === "number" ? code : undefined;
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs).unref();
  });
}

/** For engines without a connection to hand over: processes of the engine's for each command, some 50 ms each. */
export function createProgramExecutor(container: SandboxContainer, shell: string): Executor {
  let usable = true;
  return {
    isUsable: () => usable,
    async exec(request): Promise<ExecEnd> {
      const exitCode = await (await startProgram(container, { ...request, shell })).ended;
      if (exitCode === undefined) return { type: "died" };
      const cleaning = { program: [shell, "-c", CLEANER], cwd: "/", environment: {}, shell };
      const left = await (await startProgram(container, cleaning)).ended;
      return { type: "ended", exitCode, memoryKills: 0, refusedProcesses: 0, left: left !== 0 };
    },
    close() {
      usable = false;
    },
  };
}
