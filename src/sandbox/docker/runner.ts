/**
 * A shell that stays in the container and runs one command after the other, told to over its input. A process of its own for each
 * command would cost many times as much.
 */
import { readStart } from "../../processes/proc-files.ts";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Socket } from "node:net";
import type { SandboxContainer } from "./container.ts";
import { createDemultiplexer, type OutputStream } from "../../docker/demultiplexer.ts";
import { createMarkerScanner, type MarkerScanner } from "./end-marker.ts";
import { WORK_MS } from "../../docker/engine.ts";
import type { ExecEnd, ExecRequest, Executor } from "./executor.ts";
import { BEGUN, ENDED, NO_FOLDER, READY, toGreeting, toRunnerLine } from "./scripts.ts";

/** How long the runner may take to say that it has taken a command. */
const TAKE_MS = 5_000;
/** How often its process is looked at while a command runs. The engine reports its end up to two seconds late. */
const LOOK_MS = 100;

/** What is run at the moment. */
interface Job {
  secret: string;
  deadlineMs: number;
  onOutput: ExecRequest["onOutput"];
  /** Called with what follows the secret in a line of the runner's. */
  onLine: (line: string, stream: OutputStream) => void;
  /** The runner is gone. */
  onGone: () => void;
  onFailure: (thrown: unknown) => void;
}

/**
 * `undefined` when the engine does not hand the connection over, as some that imitate Docker do not. Throws `AgentError`
 * `sandbox_unavailable`.
 */
export async function openRunner(container: SandboxContainer, shell: string): Promise<Executor | undefined> {
  const { engine, handle } = container;
  const exec = await engine.ask({ to: "prepare for commands" }, () =>
    handle.exec({ Cmd: [shell, "-s"], AttachStdin: true, AttachStdout: true, AttachStderr: true }),
  );
  const stream = await engine.ask({ to: "connect to commands", deadlineMs: WORK_MS }, () =>
    exec.start({ hijack: true, stdin: true }),
  );
  stream.on("error", () => {});
  if (!(stream instanceof Socket)) {
    stream.destroy();
    return undefined;
  }
  const runner = new Runner(container, { socket: stream, execId: exec.id });
  await runner.greet();
  const inspected = await engine.ask({ to: "describe a command" }, () => exec.inspect());
  runner.watchProcess(inspected.Pid);
  return runner;
}

class Runner implements Executor {
  readonly #container: SandboxContainer;
  readonly #socket: Socket;
  readonly #stopListening: () => void;
  #job: Job | undefined;
  #scanners: Record<OutputStream, MarkerScanner> | undefined;
  #gone = false;
  #takeTimer: NodeJS.Timeout | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  /** Its number inside. */
  #ownPid = "";
  /** Its number here and its start, where this machine shows them. */
  #process: { pid: number; started: string } | undefined;

  constructor(container: SandboxContainer, { socket, execId }: { socket: Socket; execId: string }) {
    this.#container = container;
    this.#socket = socket;
    const push = createDemultiplexer(
      (bytes, stream) => this.#take(bytes, stream),
      () => container.engine.fail("sent output in a form that is not its own"),
    );
    socket.on("data", (chunk: Buffer) => {
      try {
        push(chunk);
      } catch (thrown) {
        this.#job?.onFailure(thrown);
        this.close();
      }
    });
    socket.on("close", () => this.#end());
    socket.on("end", () => this.#end());
    this.#stopListening = container.events.listen((event) => {
      if (event.type === "ended" || (event.type === "command_ended" && event.execId === execId)) this.close();
    });
  }

  isUsable(): boolean {
    return !this.#gone && this.#isSame();
  }

  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  /** Teaches the shell its work, has it clear away what an earlier one may have left, and waits until that is done. */
  async greet(): Promise<void> {
    const secret = randomBytes(16).toString("hex");
    const { engine } = this.#container;
    const failed = (): Error => engine.fail("could not start a shell in the container");
    await new Promise<void>((resolve, reject) => {
      const onLine = (line: string): void => {
        const [word, left, pid] = line.split(" ");
        if (word !== READY) return;
        this.#ownPid = pid ?? "";
        if (left === "0") resolve();
        else reject(engine.fail("has a container that cannot be cleaned"));
      };
      this.#begin({
        secret,
        deadlineMs: WORK_MS,
        onOutput: undefined,
        onLine,
        onGone: () => reject(failed()),
        onFailure: reject,
      });
      this.#socket.write(toGreeting(secret));
    }).finally(() => this.#finish());
  }

  /** `pid`: the runner's process as the engine's machine numbers it. Of use only when that is this machine. */
  watchProcess(pid: unknown): void {
    if (typeof pid !== "number" || pid <= 0 || readInnerPid(pid) !== this.#ownPid) return;
    const started = readStart(pid);
    if (started !== "") this.#process = { pid, started };
  }

  async exec(request: ExecRequest): Promise<ExecEnd> {
    const secret = randomBytes(16).toString("hex");
    try {
      return await new Promise<ExecEnd>((resolve, reject) => {
        const answers = createAnswerReader(resolve);
        this.#begin({
          secret,
          deadlineMs: TAKE_MS,
          onOutput: request.onOutput,
          onLine: (line, stream) => {
            answers(line, stream, this.#isSame());
            clearTimeout(this.#takeTimer);
          },
          onGone: () => resolve({ type: "died" }),
          onFailure: reject,
        });
        this.#socket.write(toRunnerLine({ ...request, secret }));
      });
    } finally {
      this.#finish();
    }
  }

  #begin(job: Job): void {
    this.#job = job;
    const scan = (stream: OutputStream): MarkerScanner =>
      createMarkerScanner(job.secret, {
        onBytes: (bytes) => job.onOutput?.(bytes, stream),
        onLine: (line) => job.onLine(line.trim(), stream),
      });
    this.#scanners = { stdout: scan("stdout"), stderr: scan("stderr") };
    this.#socket.ref();
    this.#lookTimer = setInterval(() => this.#isSame() || this.close(), LOOK_MS);
    if (this.#gone) return job.onGone();
    this.#takeTimer = setTimeout(() => {
      const { engine } = this.#container;
      job.onFailure(engine.fail(`did not pass a command on within ${job.deadlineMs / 1_000} s`));
      this.close();
    }, job.deadlineMs);
  }

  #finish(): void {
    clearTimeout(this.#takeTimer);
    clearInterval(this.#lookTimer);
    this.#job = undefined;
    this.#scanners = undefined;
    this.#socket.unref();
  }

  /** What comes between two commands belongs to none. */
  #take(bytes: Uint8Array, stream: OutputStream): void {
    this.#scanners?.[stream].push(bytes);
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#stopListening();
    for (const stream of ["stdout", "stderr"] as const) this.#scanners?.[stream].end();
    this.#job?.onGone();
  }

  /** Whether the process that was greeted is still there. True where that cannot be seen: then the engine reports its end. */
  #isSame(): boolean {
    return this.#process === undefined || readStart(this.#process.pid) === this.#process.started;
  }
}

/** Waits for the last line on both streams, so that all output before it has come. */
function createAnswerReader(
  resolve: (end: ExecEnd) => void,
): (line: string, stream: OutputStream, isTrusted: boolean) => void {
  const last: Partial<Record<OutputStream, string[]>> = {};
  return (line, stream, isTrusted) => {
    const [word, ...numbers] = line.split(" ");
    if (word === BEGUN) return;
    last[stream] = [String(word), ...numbers];
    if (last.stdout === undefined || last.stderr === undefined) return;
    resolve(isTrusted ? toEnd(last.stdout) : { type: "died" });
  };
}

function toEnd([word, ...numbers]: string[]): ExecEnd {
  if (word === NO_FOLDER) return { type: "no_folder" };
  const [exitCode, memoryKills, refusedProcesses, left] = numbers.map(Number);
  if (word !== ENDED || !Number.isInteger(exitCode)) return { type: "died" };
  return {
    type: "ended",
    exitCode: exitCode!,
    memoryKills: memoryKills ?? 0,
    refusedProcesses: refusedProcesses ?? 0,
    left: left !== 0,
  };
}

/** The last number of `NSpid` in proc_pid_status(5): that of the innermost namespace. */
function readInnerPid(pid: number): string | undefined {
  try {
    return /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  } catch {
    return undefined;
  }
}
