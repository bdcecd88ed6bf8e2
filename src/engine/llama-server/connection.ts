/** HTTP to one `llama-server`: JSON answers and streams of frames, given up when nothing comes for too long. */
import { Agent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import { errorMessage } from "../../core/errors.ts";
import { engineFailed } from "../engine-failure.ts";
import { refusalToError } from "./refusal.ts";

/** More than any answer but a list of embeddings has; a server that sends more is none. */
const MAX_ANSWER_CHARACTERS = 256 * 1024 * 1024;
const MAX_FRAME_CHARACTERS = 8 * 1024 * 1024;

export interface ConnectionOptions {
  /** Without `/v1`: `http://127.0.0.1:8080`. */
  baseUrl: string;
  apiKey?: string;
  /** How long the server may send nothing at all, in ms; it sends a sign of life every few seconds while it computes. */
  silenceMs: number;
}

export interface AskOptions {
  /** Absent: `GET`. */
  body?: object;
  signal: AbortSignal;
}

export interface Connection {
  readonly baseUrl: string;
  /** Status and JSON, whatever they are. Throws the signal's reason, and `engine_failed` `crashed` when there is no answer. */
  ask(path: string, options: AskOptions): Promise<Answer>;
  /** The JSON of a success. Throws also what the server refuses; see `refusalToError`. */
  get(path: string, options: AskOptions): Promise<unknown>;
  /** The JSON of each frame. Ending the iteration closes the connection, which makes the server stop. Throws like `get`. */
  stream(path: string, options: AskOptions): AsyncGenerator<unknown, void, void>;
  close(): void;
}

export interface Answer {
  status: number;
  json: unknown;
}

export function createConnection(options: ConnectionOptions): Connection {
  return new HttpConnection(options);
}

class HttpConnection implements Connection {
  readonly baseUrl: string;
  readonly #options: ConnectionOptions;
  // Kept connections save little on this machine, and one that the server is just closing would look like its death.
  readonly #agent: Agent;

  constructor(options: ConnectionOptions) {
    this.baseUrl = options.baseUrl;
    this.#options = options;
    this.#agent = isTls(options.baseUrl)
      ? new TlsAgent({ keepAlive: false })
      : new Agent({ keepAlive: false });
  }

  async ask(path: string, options: AskOptions): Promise<Answer> {
    const response = await this.#open(path, options);
    try {
      return {
        status: response.message.statusCode ?? 0,
        json: await this.#readJson(response, options.signal),
      };
    } finally {
      response.asked.destroy();
    }
  }

  async get(path: string, options: AskOptions): Promise<unknown> {
    const { status, json } = await this.ask(path, options);
    if (status === 200) return json;
    throw refusalToError(this.baseUrl, status, json);
  }

  async *stream(path: string, options: AskOptions): AsyncGenerator<unknown, void, void> {
    const response = await this.#open(path, options);
    const { statusCode = 0 } = response.message;
    try {
      if (statusCode !== 200)
        throw refusalToError(this.baseUrl, statusCode, await this.#readJson(response, options.signal));
      yield* toFrames(this.#read(response, options.signal), (why) => this.#lost(why));
    } finally {
      response.asked.destroy();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  #lost(why: string): Error {
    const { baseUrl } = this;
    return engineFailed("crashed", `The llama-server at \`${baseUrl}\` ${why}.`, { url: baseUrl });
  }

  #open(path: string, { body, signal }: AskOptions): Promise<Response> {
    const { baseUrl, apiKey, silenceMs } = this.#options;
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const text = body === undefined ? undefined : JSON.stringify(body);
      const send = isTls(baseUrl) ? httpsRequest : httpRequest;
      const asked = send(new URL(baseUrl + path), {
        method: text === undefined ? "GET" : "POST",
        headers: toHeaders(apiKey, text),
        timeout: silenceMs,
        agent: this.#agent,
      });
      const onAbort = (): void => void asked.destroy();
      signal.addEventListener("abort", onAbort, { once: true });
      asked.once("close", () => signal.removeEventListener("abort", onAbort));
      const response: Partial<Response> = { asked };
      asked.on("timeout", () => {
        // What is here and not read yet shows that it is not the server who is slow.
        if ((response.message?.readableLength ?? 0) > 0) return;
        response.broken = `sent nothing for ${silenceMs / 1_000} s`;
        asked.destroy(new Error(response.broken));
      });
      asked.on("error", (thrown) => reject(signal.aborted ? signal.reason : this.#lost(toTrouble(thrown))));
      asked.once("response", (message) => {
        response.message = message;
        resolve(response as Response);
      });
      asked.end(text);
    });
  }

  /** The pieces of a body; what breaks it off is named. */
  async *#read(response: Response, signal: AbortSignal): AsyncGenerator<string, void, void> {
    const { message } = response;
    message.setEncoding("utf8");
    try {
      for await (const piece of message) yield piece as string;
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      throw this.#lost(response.broken ?? `broke off its answer: it ${toTrouble(thrown)}`);
    }
    // A connection that is closed in the middle may end the stream without an error.
    signal.throwIfAborted();
    if (!message.complete) throw this.#lost("broke off its answer");
  }

  async #readJson(response: Response, signal: AbortSignal): Promise<unknown> {
    let text = "";
    for await (const piece of this.#read(response, signal)) {
      text += piece;
      if (text.length > MAX_ANSWER_CHARACTERS) throw this.#lost("sends an answer without end");
    }
    return parseJson(text);
  }
}

interface Response {
  asked: ClientRequest;
  message: IncomingMessage;
  /** Why we have closed it ourselves. */
  broken?: string;
}

function isTls(baseUrl: string): boolean {
  return baseUrl.startsWith("https:");
}

function toHeaders(apiKey: string | undefined, text: string | undefined): Record<string, string | number> {
  return {
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    ...(text === undefined
      ? {}
      : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
  };
}

/** Server-sent events, of which only the data counts; an error comes as a field of that name from some versions. */
async function* toFrames(
  pieces: AsyncGenerator<string, void, void>,
  lost: (why: string) => Error,
): AsyncGenerator<unknown, void, void> {
  let rest = "";
  for await (const piece of pieces) {
    rest += piece;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_FRAME_CHARACTERS) throw lost("sends a frame without end");
    for (const line of lines) {
      const [, field, data] = /^(data|error): ?(.*?)\r?$/.exec(line) ?? [];
      if (field === undefined || data === undefined || data === "[DONE]") continue;
      const json = parseJson(data);
      yield field === "error" ? { error: json } : json;
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toTrouble(thrown: unknown): string {
  const { code } = thrown as { code?: unknown };
  if (code === "ECONNREFUSED") return "is not running";
  if (code === "ECONNRESET" || code === "EPIPE") return "has ended or closed the connection";
  return errorMessage(thrown);
}
