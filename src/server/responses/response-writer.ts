/** Puts a response together while it is generated, and says what happens to it in the events of OpenAI's stream. */
import type { TokenLogprob } from "../../engine/protocol.ts";
import { unreachable } from "../../core/events.ts";
import { parseObject } from "../../core/json-object.ts";
import type { ChatEvent } from "../chat/chat.ts";
import type { ApiError } from "../http/errors.ts";
import { sealText } from "../chat/sealed-text.ts";
import type { ReplyPart } from "../chat/reply-parser.ts";
import type { ToolIdentity } from "./tools.ts";

/** One event of the stream, without its number. */
export interface ResponseEvent {
  type: string;
  sequence_number: number;
  [field: string]: unknown;
}

type Fields = Record<string, unknown>;

export interface ResponseWriterOptions {
  /** What the response says whatever comes: its id, the model, what is repeated of the request. */
  head: Readonly<Fields>;
  /** A new id that begins like this. */
  newId: (prefix: string) => string;
  now: () => Date;
  identities: ReadonlyMap<string, ToolIdentity>;
  asSummary: boolean;
  sealed: boolean;
}

type ItemKind = "message" | "reasoning" | "call";

interface OpenItem {
  kind: ItemKind;
  outputIndex: number;
  item: Fields;
  text: string;
  logprobs: unknown[];
  /** Of a call that takes bare text. */
  custom: boolean;
}

export class ResponseWriter {
  readonly #options: ResponseWriterOptions;
  readonly #output: Fields[] = [];
  #sequence = 0;
  #open: OpenItem | undefined;

  constructor(options: ResponseWriterOptions) {
    this.#options = options;
  }

  get output(): readonly Fields[] {
    return this.#output;
  }

  start(): ResponseEvent[] {
    const response = this.#response("in_progress");
    return [this.#event("response.created", { response }), this.#event("response.in_progress", { response })];
  }

  push({ part, logprobs }: Extract<ChatEvent, { type: "part" }>): ResponseEvent[] {
    switch (part.type) {
      case "content":
        return [...this.#ensure("message"), this.#addText(part.text, (logprobs ?? []).map(toLogprob))];
      case "reasoning":
        return [...this.#ensure("reasoning"), this.#addThinking(part.text)];
      case "call_started":
        return this.#startCall(part);
      case "call_arguments":
        return this.#addArguments(part.text);
      default:
        return unreachable(part);
    }
  }

  /** Ends the response; the last event holds all of it. */
  finish({ reason, usage }: Extract<ChatEvent, { type: "finished" }>): {
    events: ResponseEvent[];
    response: Fields;
  } {
    const status = reason === "length" ? "incomplete" : "completed";
    // Clients read the first item without a look at whether there is one.
    const events = this.#output.length === 0 ? this.#ensure("message") : [];
    events.push(...this.#close(status));
    const response = this.#response(status, {
      ...(status === "incomplete" ? { incomplete_details: { reason: "max_output_tokens" } } : {}),
      usage: {
        input_tokens: usage.promptTokens,
        input_tokens_details: { cached_tokens: usage.cachedTokens },
        output_tokens: usage.completionTokens,
        output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
        total_tokens: usage.totalTokens,
      },
    });
    return { events: [...events, this.#event(`response.${status}`, { response })], response };
  }

  /** The `error` event has its fields twice: OpenAI documents them flat and sends them nested. */
  fail({ message, type, param, code }: ApiError): ResponseEvent[] {
    const error = { type, code: code ?? "server_error", message, param };
    const failed = { code: toErrorCode(error.code), message };
    return [
      // Clients take nothing before it.
      ...(this.#sequence === 0 ? this.start() : []),
      this.#event("error", { code: error.code, message, param, error }),
      this.#event("response.failed", { response: this.#response("failed", { error: failed }) }),
    ];
  }

  #event(type: string, fields: Fields): ResponseEvent {
    return { type, sequence_number: this.#sequence++, ...fields };
  }

  #response(status: string, fields: Fields = {}): Fields {
    const done = status === "completed" ? Math.floor(this.#options.now().getTime() / 1000) : null;
    return {
      ...this.#options.head,
      status,
      completed_at: done,
      error: null,
      incomplete_details: null,
      output: structuredClone(this.#output),
      usage: null,
      ...fields,
    };
  }

  /** An open item of this kind. */
  #ensure(kind: "message" | "reasoning"): ResponseEvent[] {
    if (this.#open?.kind === kind) return [];
    const closed = this.#close("completed");
    return [...closed, ...(kind === "message" ? this.#openMessage() : this.#openReasoning())];
  }

  #openMessage(): ResponseEvent[] {
    const id = this.#options.newId("msg_");
    const item = { id, type: "message", status: "in_progress", role: "assistant", content: [] };
    const part = { type: "output_text", text: "", annotations: [], logprobs: [] };
    return [
      this.#add("message", item),
      this.#itemEvent("response.content_part.added", { content_index: 0, part }),
    ];
  }

  #openReasoning(): ResponseEvent[] {
    const item: Fields = {
      id: this.#options.newId("rs_"),
      type: "reasoning",
      status: "in_progress",
      summary: [],
    };
    if (this.#options.asSummary) {
      const part = { type: "summary_text", text: "" };
      return [
        this.#add("reasoning", item),
        this.#itemEvent("response.reasoning_summary_part.added", { summary_index: 0, part }),
      ];
    }
    const part = { type: "reasoning_text", text: "" };
    return [
      this.#add("reasoning", { ...item, content: [] }),
      this.#itemEvent("response.content_part.added", { content_index: 0, part }),
    ];
  }

  #startCall({ id, name }: Extract<ReplyPart, { type: "call_started" }>): ResponseEvent[] {
    const closed = this.#close("completed");
    const identity = this.#options.identities.get(name) ?? { type: "function" as const, name };
    const custom = identity.type === "custom";
    const item = {
      id: this.#options.newId(custom ? "ctc_" : "fc_"),
      type: custom ? "custom_tool_call" : "function_call",
      status: "in_progress",
      call_id: id,
      name: identity.name,
      ...(identity.namespace === undefined ? {} : { namespace: identity.namespace }),
      ...(custom ? { input: "" } : { arguments: "" }),
    };
    return [...closed, this.#add("call", item, { custom })];
  }

  #addText(delta: string, logprobs: unknown[]): ResponseEvent {
    this.#grow(delta, logprobs);
    return this.#itemEvent("response.output_text.delta", { content_index: 0, delta, logprobs });
  }

  #addThinking(delta: string): ResponseEvent {
    this.#grow(delta);
    return this.#options.asSummary
      ? this.#itemEvent("response.reasoning_summary_text.delta", { summary_index: 0, delta })
      : this.#itemEvent("response.reasoning_text.delta", { content_index: 0, delta });
  }

  /** Bare text is known only when the JSON around it is whole. */
  #addArguments(delta: string): ResponseEvent[] {
    if (this.#open?.kind !== "call") return [];
    this.#grow(delta);
    return this.#open.custom ? [] : [this.#itemEvent("response.function_call_arguments.delta", { delta })];
  }

  #grow(delta: string, logprobs: readonly unknown[] = []): void {
    if (this.#open === undefined) return;
    this.#open.text += delta;
    this.#open.logprobs.push(...logprobs);
  }

  #add(kind: ItemKind, item: Fields, { custom = false }: { custom?: boolean } = {}): ResponseEvent {
    const outputIndex = this.#output.length;
    this.#output.push(item);
    this.#open = { kind, outputIndex, item, text: "", logprobs: [], custom };
    return this.#event("response.output_item.added", {
      output_index: outputIndex,
      item: structuredClone(item),
    });
  }

  #itemEvent(type: string, fields: Fields): ResponseEvent {
    const { item, outputIndex } = this.#open as OpenItem;
    return this.#event(type, { item_id: item["id"], output_index: outputIndex, ...fields });
  }

  #close(status: "completed" | "incomplete"): ResponseEvent[] {
    const open = this.#open;
    if (open === undefined) return [];
    const events = this.#closeText(open);
    open.item["status"] = status;
    if (open.kind === "reasoning" && this.#options.sealed)
      open.item["encrypted_content"] = sealText(open.text);
    const { outputIndex, item } = open;
    events.push(
      this.#event("response.output_item.done", { output_index: outputIndex, item: structuredClone(item) }),
    );
    this.#open = undefined;
    return events;
  }

  #closeText({ kind, item, text, logprobs, custom }: OpenItem): ResponseEvent[] {
    if (kind === "call") return custom ? this.#closeCustom(item, text) : this.#closeFunction(item, text);
    if (kind === "message") {
      const part = { type: "output_text", text, annotations: [], logprobs };
      item["content"] = [part];
      return [
        this.#itemEvent("response.output_text.done", { content_index: 0, text, logprobs }),
        this.#itemEvent("response.content_part.done", { content_index: 0, part }),
      ];
    }
    if (this.#options.asSummary) {
      const part = { type: "summary_text", text };
      item["summary"] = [part];
      return [
        this.#itemEvent("response.reasoning_summary_text.done", { summary_index: 0, text }),
        this.#itemEvent("response.reasoning_summary_part.done", { summary_index: 0, part }),
      ];
    }
    const part = { type: "reasoning_text", text };
    item["content"] = [part];
    return [
      this.#itemEvent("response.reasoning_text.done", { content_index: 0, text }),
      this.#itemEvent("response.content_part.done", { content_index: 0, part }),
    ];
  }

  #closeFunction(item: Fields, text: string): ResponseEvent[] {
    item["arguments"] = text;
    return [
      this.#itemEvent("response.function_call_arguments.done", { name: item["name"], arguments: text }),
    ];
  }

  #closeCustom(item: Fields, text: string): ResponseEvent[] {
    const wrapped = parseObject(text)?.["input"];
    const input = typeof wrapped === "string" ? wrapped : text;
    item["input"] = input;
    return [
      this.#itemEvent("response.custom_tool_call_input.delta", { delta: input }),
      this.#itemEvent("response.custom_tool_call_input.done", { input }),
    ];
  }
}

function toLogprob({ top, ...chance }: TokenLogprob): unknown {
  return { ...chance, top_logprobs: top };
}

/** OpenAI has few codes for responses that failed; Codex looks for two of them. */
function toErrorCode(code: string): string {
  if (code === "queue_full") return "rate_limit_exceeded";
  return code === "context_length_exceeded" ? code : "server_error";
}
