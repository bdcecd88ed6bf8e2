/** How a scripted server sees a prompt: as text in one order, counted in tokens, of which its slots hold what they read last. */

/** What is read of a chat request; everything else in it does not reach a prompt. */
export interface ChatBody {
  messages?: readonly WireMessage[];
  tools?: readonly unknown[];
  tool_choice?: unknown;
  max_tokens?: number;
  max_completion_tokens?: number;
  id_slot?: number;
  return_progress?: boolean;
}

export interface WireMessage {
  role: string;
  content?: unknown;
  reasoning_content?: string;
  tool_calls?: readonly { function: { name: string; arguments: string } }[];
}

const REPLY_OPENING = "<|im_start|>assistant\n";

/** The whole prompt, as a chat template of today writes it: tools, then the messages in their order, then the opening of the reply. */
export function renderPrompt({ tools = [], messages = [] }: ChatBody): string {
  const offered = tools.length === 0 ? "" : `<tools>\n${tools.map(toLine).join("")}</tools>\n`;
  return `${offered}${messages.map(renderMessage).join("")}${REPLY_OPENING}`;
}

export function renderMessage(message: WireMessage): string {
  return `<|im_start|>${message.role}\n${renderBody(message)}`;
}

/** What a model writes after the opening: the same text that its message has in later prompts. */
export function renderBody({ content, reasoning_content, tool_calls = [] }: WireMessage): string {
  const thinking = reasoning_content ? `<think>${reasoning_content}</think>` : "";
  const words = typeof content === "string" ? content : content ? JSON.stringify(content) : "";
  const calls = tool_calls.map(
    (call) => `<tool_call>${call.function.name} ${call.function.arguments}</tool_call>`,
  );
  return `${thinking}${words}${calls.join("")}<|im_end|>\n`;
}

function toLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

export interface PromptCacheOptions {
  /** Default 4. */
  bytesPerToken?: number;
  /** Default 1. */
  slots?: number;
}

export interface PromptReading {
  promptTokens: number;
  /** Of these, held by the slot already. */
  cachedTokens: number;
  slot: number;
}

export interface PromptCache {
  toTokens(text: string): number;
  /** Reads a prompt into the slot that was asked for, or the one that holds most of it; the slot keeps all of it. */
  read(prompt: string, slot?: number): PromptReading;
  /** What was generated after the prompt that this slot read last; it stays in the slot too. */
  write(slot: number, text: string): void;
  /** Tokens that each slot holds, by its number. */
  held(): readonly number[];
}

/** Perfect: whatever a slot holds from the first byte on is never read again. */
export function createPromptCache({ bytesPerToken = 4, slots = 1 }: PromptCacheOptions = {}): PromptCache {
  const held = Array.from({ length: slots }, () => "");
  /** Least recently used first. */
  let order = held.map((_text, slot) => slot);
  const toTokens = (text: string): number => Math.ceil(Buffer.byteLength(text) / bytesPerToken);
  const choose = (prompt: string): number => {
    const scored = order.map((slot) => ({ slot, common: commonLength(held[slot] ?? "", prompt) }));
    const best = scored.reduce((one, other) => (other.common > one.common ? other : one));
    // A beginning that all conversations share is no reason to give up one for another.
    return best.common * 2 >= (held[best.slot] ?? "").length ? best.slot : (order[0] ?? 0);
  };
  return {
    toTokens,
    read(prompt, asked) {
      const slot = asked !== undefined && asked >= 0 && asked < slots ? asked : choose(prompt);
      const common = prompt.slice(0, commonLength(held[slot] ?? "", prompt));
      held[slot] = prompt;
      order = [...order.filter((one) => one !== slot), slot];
      const promptTokens = toTokens(prompt);
      const cachedTokens = Math.floor(Buffer.byteLength(common) / bytesPerToken);
      return { promptTokens, cachedTokens: Math.min(cachedTokens, promptTokens), slot };
    },
    write(slot, text) {
      held[slot] += text;
    },
    held: () => held.map(toTokens),
  };
}

function commonLength(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let length = 0;
  while (length < most && one.charCodeAt(length) === other.charCodeAt(length)) length += 1;
  return length;
}
