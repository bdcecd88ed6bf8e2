/** Puts a message together while it is generated, and says what happens to it in the events of Anthropic's stream. */
import { unreachable } from "../../core/events.ts";
import { parseObject } from "../../core/json-object.ts";
import type { ChatEvent, FinishReason } from "../chat/chat.ts";
import type { ReplyPart } from "../chat/reply-parser.ts";
import { sealText } from "../chat/sealed-text.ts";
import { NO_USAGE } from "../chat/usage.ts";
import type { Usage } from "../chat/usage.ts";
import type { ThinkingDisplay } from "./body.ts";

export interface MessageEvent {
  type: string;
  [field: string]: unknown;
}

type Fields = Record<string, unknown>;

export interface MessageWriterOptions {
  id: string;
  model: string;
  thinking: ThinkingDisplay;
}

type BlockKind = "text" | "thinking" | "tool_use";

export class MessageWriter {
  readonly #options: MessageWriterOptions;
  readonly #blocks: Fields[] = [];
  #open: { kind: BlockKind; text: string } | undefined;

  constructor(options: MessageWriterOptions) {
    this.#options = options;
  }

  start({ promptTokens, cachedTokens }: { promptTokens: number; cachedTokens: number }): MessageEvent[] {
    const usage = toUsage({ ...NO_USAGE, promptTokens, cachedTokens });
    return [{ type: "message_start", message: this.#message({ usage }) }, PING];
  }

  push(part: ReplyPart): MessageEvent[] {
    switch (part.type) {
      case "content":
        return [...this.#ensure("text"), this.#delta(part.text, { type: "text_delta", text: part.text })];
      case "reasoning":
        return this.#addThinking(part.text);
      case "call_started":
        return [...this.#close(), ...this.#openCall(part)];
      case "call_arguments":
        if (this.#open?.kind !== "tool_use") return [];
        return [this.#delta(part.text, { type: "input_json_delta", partial_json: part.text })];
      default:
        return unreachable(part);
    }
  }

  /** Ends the message. */
  finish({ reason, usage: spent, stopString }: Extract<ChatEvent, { type: "finished" }>): {
    events: MessageEvent[];
    message: Fields;
  } {
    // Clients read the first block without a look at whether there is one.
    const events = this.#blocks.length === 0 ? this.#ensure("text") : [];
    events.push(...this.#close());
    const end = {
      stop_reason: toStopReason(reason, stopString),
      stop_sequence: stopString ?? null,
      stop_details: null,
      container: null,
    };
    const usage = toUsage(spent);
    events.push({ type: "message_delta", delta: end, usage }, { type: "message_stop" });
    return { events, message: this.#message({ ...end, usage }) };
  }

  #message(fields: Fields): Fields {
    return {
      id: this.#options.id,
      type: "message",
      role: "assistant",
      model: this.#options.model,
      content: structuredClone(this.#blocks),
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      ...fields,
    };
  }

  /** Thinking that nobody asked for is left out, but counted. */
  #addThinking(text: string): MessageEvent[] {
    const { thinking } = this.#options;
    if (thinking === "none") return [];
    const opened = this.#ensure("thinking");
    if (thinking === "shown")
      return [...opened, this.#delta(text, { type: "thinking_delta", thinking: text })];
    if (this.#open !== undefined) this.#open.text += text;
    return opened;
  }

  #ensure(kind: "text" | "thinking"): MessageEvent[] {
    if (this.#open?.kind === kind) return [];
    const block =
      kind === "text" ? { type: "text", text: "" } : { type: "thinking", thinking: "", signature: "" };
    return [...this.#close(), this.#add(kind, block)];
  }

  #openCall({ id, name }: Extract<ReplyPart, { type: "call_started" }>): MessageEvent[] {
    return [this.#add("tool_use", { type: "tool_use", id, name, input: {}, caller: { type: "direct" } })];
  }

  #add(kind: BlockKind, block: Fields): MessageEvent {
    this.#blocks.push(block);
    this.#open = { kind, text: "" };
    return { type: "content_block_start", index: this.#index, content_block: structuredClone(block) };
  }

  get #index(): number {
    return this.#blocks.length - 1;
  }

  #delta(text: string, delta: Fields): MessageEvent {
    if (this.#open !== undefined) this.#open.text += text;
    return { type: "content_block_delta", index: this.#index, delta };
  }

  #close(): MessageEvent[] {
    const [open, block] = [this.#open, this.#blocks.at(-1)];
    if (open === undefined || block === undefined) return [];
    this.#open = undefined;
    const stop = { type: "content_block_stop", index: this.#index };
    if (open.kind === "text") block["text"] = open.text;
    // A call that was cut has no input that could be read.
    else if (open.kind === "tool_use") block["input"] = parseObject(open.text) ?? {};
    else return [this.#sign(block, open.text), stop];
    return [stop];
  }

  /** Where the thinking is shown, the signature has nothing to add. */
  #sign(block: Fields, text: string): MessageEvent {
    const shown = this.#options.thinking === "shown";
    block["thinking"] = shown ? text : "";
    block["signature"] = sealText(shown ? "" : text);
    return this.#delta("", { type: "signature_delta", signature: block["signature"] });
  }
}

export const PING: MessageEvent = { type: "ping" };

function toStopReason(reason: FinishReason, stopString: string | undefined): string {
  if (reason === "length") return "max_tokens";
  if (reason === "tool_calls") return "tool_use";
  return stopString === undefined ? "end_turn" : "stop_sequence";
}

/** `input_tokens` are those that had to be read; the others come from the cache. */
function toUsage({ promptTokens, cachedTokens, completionTokens, reasoningTokens }: Usage): Fields {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
    output_tokens_details: { thinking_tokens: reasoningTokens },
    server_tool_use: null,
    service_tier: "standard",
  };
}
