import { AgentError, errorMessage } from "../core/errors.ts";
import type { Model, ModelEvent, ModelReply, ModelRequest, Usage } from "../core/model.ts";

export interface AskLimits {
  /** Until the first part of a reply; reading a prompt takes a while, and loading a model longer. */
  waitMs: number;
  /** From then on until the end. */
  replyMs: number;
}

/** What came of one short request. Never an exception but for an abort by the caller. */
export interface Heard {
  /** Only one that came to an end of its own or was cut by `maxTokens`. */
  reply?: ModelReply;
  /** Thinking came, in the reply or before it was stopped. */
  thought: boolean;
  usage: Usage;
  /** Why there is no reply. */
  problem?: string;
  /** The server understood the request and refused it. */
  refused?: boolean;
  /** Nothing answers any more. */
  gone?: boolean;
}

interface Progress {
  thought: boolean;
  usage: Usage;
  reply?: ModelReply;
  firstAt?: number;
  lastAt?: number;
  /** Letters of text and thinking so far. */
  letters: number;
}

/** Far more than was allowed in tokens: a server that sends this much will not come to an end. */
const MOST_LETTERS = 32_000;

/** Counts smaller than these say more about the connection than about the server. */
const MIN_PREFILL_TOKENS = 64;
const MIN_DECODE_TOKENS = 8;

/** Sends one request and waits no longer than its limits. */
export async function ask(
  model: Model,
  request: ModelRequest,
  { signal, limits, now }: { signal: AbortSignal; limits: AskLimits; now: () => number },
): Promise<Heard> {
  signal.throwIfAborted();
  const late = new AbortController();
  let timer = setTimeout(() => late.abort(), limits.waitMs);
  const startedAt = now();
  const heard: Progress = { thought: false, usage: {}, letters: 0 };
  try {
    for await (const event of model.stream(request, { signal: AbortSignal.any([signal, late.signal]) })) {
      if (!note(heard, event)) continue;
      if (heard.letters > MOST_LETTERS) late.abort();
      heard.lastAt = now();
      if (heard.firstAt !== undefined) continue;
      heard.firstAt = heard.lastAt;
      clearTimeout(timer);
      timer = setTimeout(() => late.abort(), limits.replyMs);
    }
  } catch (error) {
    signal.throwIfAborted();
    return { thought: heard.thought, usage: heard.usage, ...toProblem(error, late.signal.aborted) };
  } finally {
    clearTimeout(timer);
  }
  signal.throwIfAborted();
  return judge(heard, startedAt);
}

/** Whether the event is a part of the reply. */
function note(heard: Progress, event: ModelEvent): boolean {
  switch (event.type) {
    case "usage":
      heard.usage = event.usage;
      return false;
    case "thinking_delta":
      heard.thought ||= event.text.trim() !== "";
      heard.letters += event.text.length;
      return true;
    case "text_delta":
      heard.letters += event.text.length;
      return true;
    case "call_progress":
      heard.letters = Math.max(heard.letters, event.bytes);
      return true;
    case "finished":
      heard.reply = event.reply;
      return true;
    default:
      return false;
  }
}

function toProblem(error: unknown, late: boolean): Pick<Heard, "problem" | "refused" | "gone"> {
  if (late) return { problem: "no whole reply in time, or one without end" };
  return {
    problem: errorMessage(error),
    ...(AgentError.is(error, "model_rejected") ? { refused: true } : {}),
    ...(AgentError.is(error, "model_unavailable") ? { gone: true } : {}),
  };
}

function judge(heard: Progress, startedAt: number): Heard {
  const { reply } = heard;
  const usage = withRates(heard, startedAt);
  const thought = heard.thought || (reply?.thinking.trim() ?? "") !== "";
  if (reply === undefined || reply.finish === "cut")
    return { thought, usage, problem: "the connection broke in the middle of a reply" };
  return { reply, thought, usage };
}

/** The server's own rates; where it has none, those of our clock. */
function withRates({ usage, firstAt, lastAt }: Progress, startedAt: number): Usage {
  const { prefillTokensPerSecond, decodeTokensPerSecond, ...counts } = usage;
  if (firstAt === undefined || lastAt === undefined) return counts;
  const { promptTokens = 0, cachedTokens = 0, completionTokens = 0 } = usage;
  const read = promptTokens - cachedTokens;
  const prefill = prefillTokensPerSecond ?? toRate(read, firstAt - startedAt);
  const decode = decodeTokensPerSecond ?? toRate(completionTokens - 1, lastAt - firstAt);
  return {
    ...counts,
    ...(prefill === undefined || read < MIN_PREFILL_TOKENS ? {} : { prefillTokensPerSecond: prefill }),
    ...(decode === undefined || completionTokens < MIN_DECODE_TOKENS
      ? {}
      : { decodeTokensPerSecond: decode }),
  };
}

/** Faster than a clock of milliseconds can tell is no measurement. */
function toRate(tokens: number, ms: number): number | undefined {
  return ms < 10 ? undefined : (tokens * 1_000) / ms;
}
