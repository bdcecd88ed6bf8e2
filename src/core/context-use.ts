import { toBudgets } from "./budget.ts";
import { offeredTools, toToolSchemas } from "./context.ts";
import type { Message } from "./message.ts";
import type { ModelInfo } from "./model.ts";
import { TokenMeter } from "./token-meter.ts";
import type { Tool } from "./tool.ts";
import { newestTurnStart } from "./transcript.ts";

export const CONTEXT_PARTS = [
  "system",
  "tools",
  "user",
  "assistant",
  "notes",
  "results",
  "newest_results",
] as const;

/** `notes`: what compactions left, and words of ours. `newest_results`: of the newest turn; `results`: all before it. */
export type ContextPart = (typeof CONTEXT_PARTS)[number];

/** Where the tokens of the next request are. */
export interface ContextUse {
  /** Absent when the server does not say. */
  windowTokens?: number;
  totalTokens: number;
  /** `server`: its own count of the last request, shared out among the parts by their lengths. `estimate`: by lengths alone. */
  source: "server" | "estimate";
  /** They add up to `totalTokens`. */
  parts: Readonly<Record<ContextPart, number>>;
  /** What the window leaves; absent when it is not known. */
  freeTokens?: number;
  /** The conversation is shortened when it has so many tokens. */
  compactAt: number;
}

export interface ContextUseOptions {
  info: ModelInfo;
  messages: readonly Message[];
  /** All that there are; the profile says which are offered. */
  tools: readonly Tool[];
  meter?: TokenMeter;
  compactAt?: number | undefined;
}

export function toContextUse(options: ContextUseOptions): ContextUse {
  const { info, messages, meter = new TokenMeter(), compactAt } = options;
  const tools = toToolSchemas(offeredTools(options.tools, info.profile));
  const { tokens, source } = meter.count({ messages, tools });
  const toolTokens = meter.toFixedTokens({ messages: [], tools });
  const budgets = toBudgets({
    info,
    fixedTokens: meter.toFixedTokens({ messages, tools }),
    bytesPerToken: meter.bytesPerToken,
    compactAt,
    learnedWindowTokens: meter.windowTokens,
  });
  const { windowTokens } = budgets;
  return {
    ...(windowTokens === undefined ? {} : { windowTokens, freeTokens: Math.max(0, windowTokens - tokens) }),
    totalTokens: tokens,
    source,
    parts: shareOut({ ...measure(messages, meter), tools: toolTokens }, tokens),
    compactAt: budgets.compactAt,
  };
}

function measure(messages: readonly Message[], meter: TokenMeter): Record<ContextPart, number> {
  const newest = newestTurnStart(messages);
  const parts = emptyParts();
  for (const [index, message] of messages.entries())
    parts[toPart(message, index >= newest)] += meter.toMessageTokens([message]);
  return parts;
}

function toPart(message: Message, isNewest: boolean): ContextPart {
  if (message.role === "tool") return isNewest ? "newest_results" : "results";
  if (message.role !== "system" && message.note !== undefined) return "notes";
  return message.role;
}

/** Scaled to the total; what rounding leaves goes to the largest. */
function shareOut(parts: Record<ContextPart, number>, total: number): Record<ContextPart, number> {
  const sum = CONTEXT_PARTS.reduce((all, part) => all + parts[part], 0);
  const shares = emptyParts();
  if (sum === 0) return shares;
  for (const part of CONTEXT_PARTS) shares[part] = Math.floor((parts[part] / sum) * total);
  const largest = CONTEXT_PARTS.reduce((most, part) => (shares[part] > shares[most] ? part : most));
  shares[largest] += total - CONTEXT_PARTS.reduce((all, part) => all + shares[part], 0);
  return shares;
}

function emptyParts(): Record<ContextPart, number> {
  return { system: 0, tools: 0, user: 0, assistant: 0, notes: 0, results: 0, newest_results: 0 };
}
