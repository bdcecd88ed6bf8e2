/** Chats with a model that runs in a container: the client beside `ContainerManager`. */
import { AgentError, errorMessage } from "../core/errors.ts";
import type { Message } from "../core/message.ts";
import type { Model, ModelEvent, ModelReply, ModelRequest, ToolSchema } from "../core/model.ts";
import type { ContainerManager, ContainerModel } from "../engine/containers/index.ts";
import { createChatModel } from "../models/index.ts";
import { createHttpTransport } from "../models/node/index.ts";

const SILENCE_MS = 60_000;
const RETRIES = 4;

export interface DockerLLMAdapterOptions {
  /** The container of this manager … */
  containers?: ContainerManager;
  /** … for this model, as it was given to `startModelContainer`. */
  model?: string | ContainerModel;
  /** In place of these two: the port of a container that something else has started, on 127.0.0.1. */
  port?: number;
  /** Of that container, where it wants one. */
  apiKey?: string;
  /** Longest wait for the next byte of the server, in ms; default 60,000. There is no limit on the whole. */
  silenceMs?: number;
  /** How often a failed request is sent again before the first part of a reply; default 4. */
  maxRetries?: number;
  /** Default: the server's own. */
  temperature?: number;
  /** Most tokens of a reply; default what the context leaves. */
  maxTokens?: number;
}

export interface ChatOptions {
  tools?: readonly ToolSchema[];
  toolChoice?: "required" | "none";
  temperature?: number;
  maxTokens?: number;
  signal?: AbortSignal;
}

/**
 * Every method throws `AgentError` `model_unavailable` when the container is not running or stops answering, `context_overflow` when
 * the messages do not fit, `model_rejected` and `model_protocol` for what the server refuses or garbles, and the signal's reason.
 *
 *     const containers = new ContainerManager({ socketPath, modelsFolder });
 *     await containers.startModelContainer("llama");
 *     const llm = new DockerLLMAdapter({ containers, model: "llama" });
 *     console.log(await llm.invoke("Hello"));
 */
export class DockerLLMAdapter {
  readonly #options: DockerLLMAdapterOptions;
  /** Of the container that was asked last; one that is started again has another port and key. */
  #client: { key: string; model: Model } | undefined;

  /** Throws `AgentError` `usage` when it is not said which container is meant. */
  constructor(options: DockerLLMAdapterOptions) {
    const isManaged = options.containers !== undefined && options.model !== undefined;
    if (isManaged === (options.port !== undefined)) {
      const message =
        "`DockerLLMAdapter` takes either `containers` and `model`, or the `port` of a container.";
      throw new AgentError("usage", message, { data: { field: "containers" } });
    }
    this.#options = options;
  }

  /** The text that the model answers to one message of a user. */
  async invoke(prompt: string, options: ChatOptions = {}): Promise<string> {
    return (await this.chat([{ role: "user", content: prompt }], options)).text;
  }

  /** The whole reply: text, thinking apart from it, and the calls of tools with their arguments parsed. */
  async chat(messages: readonly Message[], options: ChatOptions = {}): Promise<ModelReply> {
    for await (const event of this.events(messages, options)) {
      if (event.type !== "finished") continue;
      const { reply } = event;
      if (reply.finish !== "cut") return reply;
      const why = reply.failure ?? "the connection ended before the reply did";
      throw this.#unavailable(`The container of ${this.#describe()} broke off its reply: ${why}.`);
    }
    throw this.#unavailable(`The container of ${this.#describe()} gave no reply.`);
  }

  /** The text piece by piece. Ending the iteration makes the model stop. */
  async *stream(
    messages: string | readonly Message[],
    options: ChatOptions = {},
  ): AsyncGenerator<string, void, void> {
    const asked: readonly Message[] =
      typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
    for await (const event of this.events(asked, options)) if (event.type === "text_delta") yield event.text;
  }

  /** Everything that happens on the way: progress of reading, thinking, text, calls, retries, usage; `finished` last. */
  async *events(
    messages: readonly Message[],
    options: ChatOptions = {},
  ): AsyncGenerator<ModelEvent, void, void> {
    const signal = options.signal ?? new AbortController().signal;
    signal.throwIfAborted();
    const model = await this.#connect();
    try {
      yield* model.stream(this.#toRequest(messages, options), { signal });
    } catch (thrown) {
      signal.throwIfAborted();
      if (!AgentError.is(thrown, "model_unavailable")) throw thrown;
      throw this.#unavailable(
        `The container of ${this.#describe()} does not answer: ${errorMessage(thrown)}`,
        thrown,
      );
    }
  }

  #toRequest(
    messages: readonly Message[],
    { tools = [], toolChoice, temperature, maxTokens }: ChatOptions,
  ): ModelRequest {
    const warmth = temperature ?? this.#options.temperature;
    const most = maxTokens ?? this.#options.maxTokens;
    return {
      messages,
      tools,
      ...(warmth === undefined ? {} : { temperature: warmth }),
      ...(most === undefined ? {} : { maxTokens: most }),
      ...(toolChoice === undefined ? {} : { toolChoice }),
    };
  }

  async #connect(): Promise<Model> {
    const { baseUrl, apiKey } = await this.#find();
    const key = `${baseUrl} ${apiKey ?? ""}`;
    if (this.#client?.key !== key) {
      const { silenceMs = SILENCE_MS, maxRetries = RETRIES } = this.#options;
      const transport = createHttpTransport();
      this.#client = { key, model: createChatModel({ baseUrl, apiKey, transport, silenceMs, maxRetries }) };
    }
    return this.#client.model;
  }

  async #find(): Promise<{ baseUrl: string; apiKey?: string | undefined }> {
    const { containers, model, port, apiKey } = this.#options;
    if (containers === undefined || model === undefined)
      return { baseUrl: `http://127.0.0.1:${port}`, apiKey };
    const container = await containers.findModelContainer(model);
    if (container !== undefined) return container;
    throw this.#unavailable(
      `The container of ${this.#describe()} is not running; start it with \`startModelContainer\`.`,
    );
  }

  #describe(): string {
    const { model, port } = this.#options;
    if (model === undefined) return `port ${port}`;
    return `\`${typeof model === "string" ? model : model.name}\``;
  }

  #unavailable(message: string, cause?: unknown): AgentError {
    const { model, port } = this.#options;
    const data = { model: typeof model === "string" ? model : model?.name, port };
    return new AgentError("model_unavailable", message, { cause, data });
  }
}
