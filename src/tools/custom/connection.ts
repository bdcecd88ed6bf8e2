/** One process that runs one custom tool, from its start to its end. */
import { randomUUID } from "node:crypto";
import { StringDecoder } from "node:string_decoder";
import type { Sandbox, SandboxProcess, SandboxResult } from "../../core/sandbox.ts";
import { createFrames } from "./frames.ts";
import { HOST_SCRIPT } from "./host-script.ts";

/** The text of a tool. What was looked at and hashed is what runs, so no path is handed on. */
export interface ToolSource {
  /** `weather`. */
  name: string;
  /** `weather.mjs`, for messages. */
  file: string;
  text: string;
}

/** Bytes of an answer in JSON; a line has some room beside it. */
export const MAX_ANSWER_BYTES = 1_000_000;
const MAX_LINE_BYTES = MAX_ANSWER_BYTES + 4_096;
/** What may be written while nobody waits for an answer: listening to more would keep the agent busy for nothing. */
const MAX_IDLE_BYTES = 4_000_000;
/** Of what the tool wrote last, to say why it ended. */
const MAX_LAST_WORDS = 2_000;

export type HostAnswer = { ok: true; output: string } | { ok: false; error: string };

export interface Connection extends AsyncDisposable {
  /** What the tool says about itself; it may be anything. */
  readonly ready: Promise<{ ok: true; declaration: unknown } | { ok: false; error: string }>;
  /** False once it has ended, or is about to. */
  alive(): boolean;
  /** One call at a time. An answer with any other number is no answer. */
  call(args: unknown): Promise<HostAnswer>;
}

export interface ConnectOptions {
  sandbox: Sandbox;
  signal?: AbortSignal;
  /** What the tool writes besides its answers. */
  onOutput: (bytes: Uint8Array) => void;
}

/** Throws like `Sandbox.start`. */
export async function connect(source: ToolSource, options: ConnectOptions): Promise<Connection> {
  const connection = new ProcessConnection(options);
  await connection.start(source, options.signal);
  return connection;
}

type Answer = Record<string, unknown>;

class ProcessConnection implements Connection {
  readonly #nonce = `${randomUUID()} `;
  readonly #sandbox: Sandbox;
  readonly #onOutput: (bytes: Uint8Array) => void;
  readonly #lastWords = createLastWords();
  #child: SandboxProcess | undefined;
  /** Takes answers while somebody waits for one. */
  #pending: ((answer: Answer) => void) | undefined;
  /** Why it ended. */
  #ended: string | undefined;
  #calls = 0;
  #idleBytes = 0;
  ready!: Connection["ready"];

  constructor({ sandbox, onOutput }: ConnectOptions) {
    this.#sandbox = sandbox;
    this.#onOutput = onOutput;
  }

  async start({ file, text }: ToolSource, signal: AbortSignal | undefined): Promise<void> {
    const hear = (bytes: Uint8Array): void => {
      this.#lastWords.add(bytes);
      this.#onOutput(bytes);
    };
    const frames = createFrames({
      nonce: this.#nonce,
      maxLineBytes: MAX_LINE_BYTES,
      onFrame: (value) => {
        if (isRecord(value)) this.#hear(value);
      },
      onNoise: hear,
    });
    this.#child = await this.#sandbox.start(["node", "--input-type=module", "-e", HOST_SCRIPT], {
      ...(signal === undefined ? {} : { signal }),
      onOutput: (chunk, stream) => {
        this.#countIdle(chunk.length);
        if (stream === "stdout") frames.push(chunk);
        else hear(chunk);
      },
    });
    void this.#child.ended.then((result) => {
      this.#ended ??= describeEnd(result, { sandbox: this.#sandbox, said: this.#lastWords.text() });
      this.#pending?.(END);
    });
    this.ready = this.#load({ nonce: this.#nonce, file, source: text, maxBytes: MAX_ANSWER_BYTES });
  }

  alive(): boolean {
    return this.#ended === undefined;
  }

  async call(args: unknown): Promise<HostAnswer> {
    const id = (this.#calls += 1);
    const isAnswer = (answer: Answer): boolean => answer["id"] === id || answer["fatal"] === true;
    const answer = await this.#ask({ id, args }, isAnswer);
    if (answer === END) return { ok: false, error: this.#why() };
    if (typeof answer["output"] === "string") return { ok: true, output: answer["output"] };
    return { ok: false, error: toErrorText(answer["error"]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended ??= "it was stopped";
    await this.#child?.[Symbol.asyncDispose]();
  }

  #countIdle(bytes: number): void {
    this.#idleBytes = this.#pending === undefined ? this.#idleBytes + bytes : 0;
    if (this.#idleBytes <= MAX_IDLE_BYTES || this.#ended !== undefined) return;
    this.#ended = "it went on writing between calls and was stopped";
    void this.#child?.[Symbol.asyncDispose]();
  }

  #hear(answer: Answer): void {
    // It says so before it ends: with some backends the end itself takes a while to be known.
    if (answer["fatal"] === true) this.#ended ??= "it ended after an error that nobody caught";
    this.#pending?.(answer);
  }

  async #load(start: Answer): ReturnType<() => Connection["ready"]> {
    const answer = await this.#ask(start, ({ type }) => type === "ready" || type === "failed");
    if (answer["type"] === "ready") return { ok: true, declaration: answer };
    return { ok: false, error: answer === END ? this.#why() : toErrorText(answer["error"]) };
  }

  /** The first acceptable answer, or `END`: the end of the process is an answer to everything. */
  #ask(message: Answer, isAnswer: (answer: Answer) => boolean): Promise<Answer> {
    return new Promise((resolve) => {
      const take = (answer: Answer): void => {
        if (answer !== END && !isAnswer(answer)) return;
        this.#pending = undefined;
        resolve(answer);
      };
      this.#pending = take;
      if (this.#ended !== undefined) take(END);
      else void this.#child?.write(Buffer.from(`${JSON.stringify(message)}\n`));
    });
  }

  #why(): string {
    return this.#ended ?? "its process ended";
  }
}

const END: Answer = {};

function isRecord(value: unknown): value is Answer {
  return typeof value === "object" && value !== null;
}

function toErrorText(error: unknown): string {
  return typeof error === "string" ? error.slice(0, 2_000) : "it answered something that is no answer";
}

interface EndContext {
  sandbox: Sandbox;
  said: string;
}

function describeEnd({ exitCode, signal, stopped }: SandboxResult, { sandbox, said }: EndContext): string {
  // What `sh` and bubblewrap say of a program that is not there.
  if (exitCode === 127 || /execvp node: No such file/.test(said))
    return `\`node\` is not installed where commands run (${sandbox.backend}); custom tools need Node 20 or newer there`;
  if (stopped === "memory") return "it used too much memory";
  if (stopped === "processes") return "it started too many processes";
  if (stopped !== undefined) return "it was stopped";
  const last = said.trim().split("\n").at(-1)?.slice(0, 300) ?? "";
  const code = `it ended its process (${signal ?? `exit code ${exitCode}`})`;
  return last === "" ? code : `${code}: ${last}`;
}

function createLastWords(): { add(bytes: Uint8Array): void; text(): string } {
  const decoder = new StringDecoder("utf8");
  let text = "";
  return {
    add(bytes) {
      text = (text + decoder.write(Buffer.from(bytes.subarray(-MAX_LAST_WORDS)))).slice(-MAX_LAST_WORDS);
    },
    text: () => text,
  };
}
