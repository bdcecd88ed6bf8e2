/**
 * A custom tool's process over many calls: started when it is first needed, kept, and started again after it ended. Calls go one after
 * another, so that ending the process for one that hangs takes no other call with it.
 */
import type { Sandbox } from "../../core/sandbox.ts";
import { connect, type Connection, type HostAnswer, type ToolSource } from "./connection.ts";

const LOAD_MS = 10_000;
/** Before a start after the second failure in a row; twice as long after each further one. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;

export interface HostCall {
  /** From the start of the call itself; setting the tool up has a limit of its own. */
  timeoutMs: number;
  signal: AbortSignal;
  onOutput: (bytes: Uint8Array) => void;
}

export interface ToolHost extends AsyncDisposable {
  /** What the tool says about itself. */
  declare(options: Pick<HostCall, "signal">): Promise<LoadOutcome>;
  /** Throws like `Sandbox.start`; whatever the tool does is an answer. */
  call(args: unknown, options: HostCall): Promise<HostAnswer>;
}

type LoadOutcome = Awaited<Connection["ready"]>;

export interface ToolHostOptions {
  sandbox: Sandbox;
  /** Most time from the start of the process to the end of the tool's own set-up; default 10,000. */
  loadMs?: number;
}

export function createToolHost(source: ToolSource, options: ToolHostOptions): ToolHost {
  return new Host(source, options);
}

class Host implements ToolHost {
  readonly #source: ToolSource;
  readonly #sandbox: Sandbox;
  readonly #loadMs: number;
  #connection: Connection | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #onOutput: (bytes: Uint8Array) => void = () => {};
  /** Failures since the last call that the tool answered. */
  #failures = 0;
  #disposed = false;

  constructor(source: ToolSource, { sandbox, loadMs = LOAD_MS }: ToolHostOptions) {
    this.#source = source;
    this.#sandbox = sandbox;
    this.#loadMs = loadMs;
  }

  declare({ signal }: Pick<HostCall, "signal">): Promise<LoadOutcome> {
    return this.#inTurn(async () => (await this.#open(signal)).outcome);
  }

  call(args: unknown, { timeoutMs, signal, onOutput }: HostCall): Promise<HostAnswer> {
    return this.#inTurn(async () => {
      this.#onOutput = onOutput;
      try {
        const { connection, outcome } = await this.#open(signal);
        if (!outcome.ok) return outcome;
        const late = `it took longer than ${timeoutMs / 1_000} s and was stopped`;
        const answer = await withLimit(connection.call(args), { timeoutMs, signal, late });
        return await this.#close(connection, answer);
      } finally {
        this.#onOutput = () => {};
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.[Symbol.asyncDispose]();
  }

  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #open(signal: AbortSignal): Promise<{ connection: Connection; outcome: LoadOutcome }> {
    const open = this.#connection;
    if (open?.alive()) return { connection: open, outcome: await open.ready };
    await this.#drop();
    await pause(toPauseMs(this.#failures), signal);
    if (this.#disposed) throw new DOMException("The agent is closing.", "AbortError");
    const connection = await connect(this.#source, {
      sandbox: this.#sandbox,
      onOutput: (bytes) => this.#onOutput(bytes),
    });
    this.#connection = connection;
    const timeoutMs = this.#loadMs;
    const late = `setting it up took longer than ${timeoutMs / 1_000} s`;
    const outcome = await withLimit(connection.ready, { timeoutMs, signal, late });
    if ("stopped" in outcome || !outcome.ok) await this.#fail(outcome);
    return { connection, outcome };
  }

  /** After an answer: the process stays while it can be relied on. */
  async #close(connection: Connection, answer: HostAnswer | Stopped): Promise<HostAnswer> {
    if ("stopped" in answer || !connection.alive()) await this.#fail(answer);
    else this.#failures = 0;
    return answer;
  }

  async #fail(outcome: object): Promise<void> {
    // Whoever interrupts a call does not make the tool a bad one.
    if (!("stopped" in outcome && outcome.stopped === "aborted")) this.#failures += 1;
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.[Symbol.asyncDispose]();
  }
}

/** The first failure may be an accident; after that a tool that breaks at once must not keep the machine busy. */
function toPauseMs(failures: number): number {
  return failures < 2 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 2));
}

interface Stopped {
  ok: false;
  error: string;
  stopped: "timeout" | "aborted";
}

interface Limit {
  timeoutMs: number;
  signal: AbortSignal;
  /** What to say after that time. */
  late: string;
}

/** The answer, or what to say when it did not come in time. */
async function withLimit<Answer>(
  answer: Promise<Answer>,
  { timeoutMs, signal, late }: Limit,
): Promise<Answer | Stopped> {
  let settle: (stopped: Stopped) => void = () => {};
  const stopped = new Promise<Stopped>((resolve) => (settle = resolve));
  const onAbort = (): void => settle({ ok: false, error: "it was interrupted", stopped: "aborted" });
  const timer = setTimeout(() => settle({ ok: false, error: late, stopped: "timeout" }), timeoutMs);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([answer, stopped]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (durationMs === 0) return;
  await withLimit(new Promise<never>(() => {}), { timeoutMs: durationMs, signal, late: "" });
  signal.throwIfAborted();
}
