import { AgentError } from "../core/errors.ts";
import { messageText } from "../core/message.ts";
import type {
  Model,
  ModelEvent,
  ModelInfo,
  ModelProfile,
  ModelReply,
  ModelRequest,
  ServerKind,
} from "../core/model.ts";
import { createRedactor, type Redactor } from "../core/redact.ts";
import type { ServerUrl } from "./base-url.ts";
import { parseBaseUrl } from "./base-url.ts";
import { describeModel, toUnknownModel } from "./describe.ts";
import { exchange, ServerRefusal } from "./exchange.ts";
import { findRefusedField, isUnknownModel, toAgentError } from "./failure.ts";
import type { JsonAnswer } from "./fetch-json.ts";
import { fetchJson } from "./fetch-json.ts";
import { listOf } from "./identify.ts";
import { isContextOverflow } from "./overflow.ts";
import type { ProfileRule } from "./profile.ts";
import { findProfile, PROFILES } from "./profile.ts";
import type { ReplyReaderOptions } from "./reply-reader.ts";
import type { CallForce } from "./forced-call.ts";
import { chooseForce } from "./forced-call.ts";
import { toRequestBody } from "./request-body.ts";
import type { OptionalField } from "./request-fields.ts";
import { createRetryPolicy, sleep } from "./retry.ts";
import { shareTask } from "./share-task.ts";
import { createSlotOwner, emptiesSlots, readSlots, type SlotState } from "./slots.ts";
import type { Transport } from "./transport.ts";
import { ConnectionFailure } from "./transport.ts";
import { toUnavailable } from "./unavailable.ts";

export interface ChatModelOptions {
  /** The model's name on the server; without one, the first that is loaded there. */
  id?: string | undefined;
  /** With or without `/v1`; see `parseBaseUrl`. */
  baseUrl: string;
  /** Sent as `Authorization: Bearer`, to this server only. */
  apiKey?: string | undefined;
  transport: Transport;
  /** Makes ids for calls that came without one; default 9 random letters and digits, which every template accepts. */
  newId?: () => string;
  /** Default `PROFILES`. */
  profiles?: readonly ProfileRule[];
  /** Adds what is known besides the server's word: kept findings, the user's own settings. Asked at each `describe` and request. */
  refine?: (info: ModelInfo) => ModelInfo;
  /** Longest wait for the next byte of a server; default 560 s. There is no limit on the whole. */
  silenceMs?: number;
  /** How often a failed request is sent again before the first part of a reply; default 4. */
  maxRetries?: number;
  /** Longest wait for a server that is loading its model; default 10 min. */
  loadingMs?: number;
}

/** `describe` cannot say that it waits; past this the first request does, which can. */
const DESCRIBE_LOADING_MS = 60_000;

/** Longest wait for an answer to a small question. */
const ASK_MS = 1_500;

/** Only these take `id_slot`. */
const SLOT_SERVERS: readonly ServerKind[] = ["llama-server", "lmagent"];

const DEFAULTS = { silenceMs: 560_000, maxRetries: 4, loadingMs: 600_000 };

/** A model behind `/v1/chat/completions`. Throws `AgentError` `config_invalid` for a base URL or a key that is none. */
export function createChatModel(options: ChatModelOptions): Model {
  return new ChatModel(options);
}

class ChatModel implements Model {
  readonly #options: ChatModelOptions & typeof DEFAULTS;
  readonly #server: ServerUrl;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #redactor: Redactor;
  /** Fields that this server has refused; they are not sent again. */
  readonly #refused = new Set<OptionalField>();
  /** Ways to force a call that this server refused, or took and did not follow. */
  readonly #failedForces = new Set<CallForce>();
  /** The screen, the loop and the first request ask at about the same time. */
  readonly #describing = shareTask((signal) => this.#describe(signal));
  readonly #slots = createSlotOwner(() => this.#askSlots());
  /** To keep to a slot would lose what the server has read. */
  #emptiesSlots = false;
  #info: ModelInfo | undefined;
  /** What is known is final; until then the server is asked again. */
  #settled = false;

  constructor(options: ChatModelOptions) {
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.#options = { ...DEFAULTS, ...given } as ChatModelOptions & typeof DEFAULTS;
    this.#server = parseBaseUrl(options.baseUrl);
    this.#headers = toAuthorization(options.apiKey);
    this.#redactor = createRedactor(options.apiKey === undefined ? [] : [options.apiKey]);
  }

  get id(): string {
    return this.#info?.id ?? this.#options.id ?? "";
  }

  async describe({ signal }: { signal?: AbortSignal }): Promise<ModelInfo> {
    const known = this.#settled ? this.#info : undefined;
    return this.#refine(known ?? (await this.#describing(signal)));
  }

  #refine(info: ModelInfo): ModelInfo {
    return this.#options.refine?.(info) ?? info;
  }

  async #describe(signal: AbortSignal): Promise<ModelInfo> {
    const { id, transport, loadingMs, profiles = PROFILES } = this.#options;
    const { info, provisional } = await describeModel({
      id,
      server: this.#server,
      headers: this.#headers,
      transport,
      profiles,
      signal,
      loadingMs: Math.min(loadingMs, DESCRIBE_LOADING_MS),
    });
    this.#info = info;
    this.#settled = !provisional;
    return info;
  }

  async acquireSlot(
    role: string,
    { prefer, avoid, signal }: Parameters<NonNullable<Model["acquireSlot"]>>[1] = {},
  ): Promise<number | undefined> {
    const { server, slots = 0 } = await this.describe(signal === undefined ? {} : { signal });
    if (slots < 2 || !SLOT_SERVERS.includes(server)) return undefined;
    const slot = await this.#slots.acquire(role, { prefer, avoid });
    signal?.throwIfAborted();
    return this.#emptiesSlots ? undefined : slot;
  }

  async #askSlots(signal?: AbortSignal): Promise<SlotState[] | undefined> {
    // Ours may hold several models.
    const query = this.#info?.server === "lmagent" ? `?model=${encodeURIComponent(this.#info.id)}` : "";
    const answer = await this.#ask(`${this.#server.root}/slots${query}`, signal);
    const slots = "value" in answer && answer.status === 200 ? readSlots(answer.json) : undefined;
    this.#emptiesSlots ||= slots !== undefined && emptiesSlots(slots);
    return slots;
  }

  /** Somebody else's request may have emptied the slot since; the server is on this machine or near, and answers at once. */
  async #checkSlot({ slot, ...request }: ModelRequest, signal: AbortSignal): Promise<ModelRequest> {
    if (slot === undefined) return request;
    if (!this.#emptiesSlots && this.#info?.server === "llama-server") await this.#askSlots(signal);
    return this.#emptiesSlots ? request : { ...request, slot };
  }

  async *stream(wanted: ModelRequest, { signal }: { signal: AbortSignal }): AsyncGenerator<ModelEvent> {
    signal.throwIfAborted();
    const model = this.#options.id ?? (await this.describe({ signal })).id;
    const request = await this.#checkSlot(wanted, signal);
    signal.throwIfAborted();
    const policy = createRetryPolicy(this.#options);
    for (;;) {
      const force = this.#chooseForce(request, model);
      const body = this.#toBody(request, { model, force });
      try {
        yield* this.#watchForce(this.#exchange(request, { model, body, force, signal }), force);
        return;
      } catch (thrown) {
        signal.throwIfAborted();
        if (this.#dropField(thrown, body)) continue;
        const retry = policy.next(thrown);
        if (!retry) throw await this.#toError(thrown, { model, signal });
        yield { type: "retry", attempt: policy.attempts, ...retry };
        await sleep(retry.delayMs, signal);
      }
    }
  }

  #profileOf(model: string): ModelProfile {
    const { profiles = PROFILES } = this.#options;
    return this.#info === undefined ? findProfile(model, profiles) : this.#refine(this.#info).profile;
  }

  #chooseForce({ toolChoice, tools }: ModelRequest, model: string): CallForce | undefined {
    if (toolChoice !== "required" || tools.length === 0) return undefined;
    const failed = new Set(this.#failedForces);
    if (this.#refused.has("tool_choice")) failed.add("tool_choice");
    if (this.#refused.has("response_format")) failed.add("json_schema");
    const found = this.#profileOf(model).probe?.forcedCalls;
    return chooseForce({ server: this.#info?.server, found, failed });
  }

  /** A reply without a call shows that this way forces nothing here, be it whole or words up to the limit. */
  async *#watchForce(
    events: AsyncGenerator<ModelEvent>,
    force: CallForce | undefined,
  ): AsyncGenerator<ModelEvent> {
    for await (const event of events) {
      if (event.type === "finished" && force !== undefined && answersInWords(event.reply))
        this.#failedForces.add(force);
      yield event;
    }
  }

  #toBody(request: ModelRequest, { model, force }: { model: string; force: CallForce | undefined }): string {
    const profile = this.#profileOf(model);
    return toRequestBody(request, {
      model,
      server: this.#info?.server,
      temperature: request.temperature ?? profile.temperature,
      maxTokens: request.maxTokens ?? profile.maxTokens,
      force,
      refused: this.#refused,
    });
  }

  #exchange(request: ModelRequest, { model, body, force, signal }: Attempt): AsyncGenerator<ModelEvent> {
    const { transport, silenceMs, newId = randomId } = this.#options;
    const usedIds = new Set(
      request.messages.flatMap((message) =>
        message.role === "assistant" ? (message.tool_calls ?? []).map((call) => call.id) : [],
      ),
    );
    return exchange({
      url: `${this.#server.api}/chat/completions`,
      headers: { ...this.#headers, "content-type": "application/json", accept: "text/event-stream" },
      body,
      model,
      redactor: this.#redactor,
      transport,
      openReader: () =>
        openReader({
          tools: request.tools,
          usedIds,
          newId,
          sources: toSources(request),
          schemaCall: force === "json_schema",
        }),
      silenceMs,
      signal,
    });
  }

  /** A server that complains about a field that is not needed gets the request without it, from now on. */
  #dropField(thrown: unknown, body: string): boolean {
    if (!(thrown instanceof ServerRefusal) || isContextOverflowOnly(thrown)) return false;
    const field = findRefusedField(thrown.error, body);
    if (field === undefined || this.#refused.has(field)) return false;
    this.#refused.add(field);
    // The newer name is tried only where the server asks for it.
    if (field === "max_tokens" && !thrown.message.includes("max_completion_tokens")) {
      this.#refused.add("max_completion_tokens");
    }
    return true;
  }

  async #toError(
    thrown: unknown,
    { model, signal }: { model: string; signal: AbortSignal },
  ): Promise<unknown> {
    const { transport } = this.#options;
    const url = this.#server.api;
    if (ConnectionFailure.is(thrown)) return toUnavailable(thrown, { url, transport, signal });
    if (!(thrown instanceof ServerRefusal)) return thrown;
    if (!isContextOverflow(thrown.error) && isUnknownModel(thrown.error)) {
      const ids = await this.#listModels(signal);
      if (ids.length > 0 && !ids.includes(model)) return toUnknownModel(model, { url, ids });
    }
    return toAgentError(thrown.error, { url, model, hasKey: "authorization" in this.#headers });
  }

  async #listModels(signal: AbortSignal): Promise<string[]> {
    const answer = await this.#ask(`${this.#server.api}/models`, signal);
    return "value" in answer ? listOf(answer.value, "data").map((model) => String(model["id"])) : [];
  }

  #ask(url: string, signal?: AbortSignal): Promise<JsonAnswer> {
    const { transport } = this.#options;
    return fetchJson(transport, url, { headers: this.#headers, timeoutMs: ASK_MS, signal });
  }
}

function answersInWords({ calls, finish, text }: ModelReply): boolean {
  return calls.length === 0 && (finish === "stop" || (finish === "length" && text !== ""));
}

interface Attempt {
  model: string;
  body: string;
  force: CallForce | undefined;
  signal: AbortSignal;
}

/** All the forms in which calls come are loaded while the server reads the request. */
async function openReader(options: ReplyReaderOptions) {
  const { ReplyReader } = await import("./reply-reader.ts");
  return new ReplyReader(options);
}

/** What the model may quote: words of others, while a call in the system prompt is an instruction. */
function toSources({ messages }: ModelRequest): string[] {
  return messages.filter(({ role }) => role === "tool" || role === "user").map(messageText);
}

/** A key with a line end or a letter beyond ASCII cannot be a header; it is never shown. */
function toAuthorization(apiKey: string | undefined): Record<string, string> {
  const key = apiKey?.trim() ?? "";
  if (key === "") return {};
  if (/^[\x21-\x7e]+$/.test(key)) return { authorization: `Bearer ${key}` };
  throw new AgentError(
    "config_invalid",
    "The API key holds characters that a key cannot have. Check `LLM_API_KEY`.",
    {
      data: { field: "LLM_API_KEY" },
    },
  );
}

/** vLLM words "max_tokens is too large" as an overflow; without the field the request fits. */
function isContextOverflowOnly({ error }: ServerRefusal): boolean {
  return isContextOverflow(error) && !/max_(?:completion_)?tokens/.test(error.message);
}

const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return Array.from(bytes, (byte) => ID_LETTERS[byte % ID_LETTERS.length]).join("");
}
