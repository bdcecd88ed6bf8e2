import { SUMMARY_OPENING } from "../core/summary.ts";
import { createPromptCache, renderBody, renderPrompt, type ChatBody } from "./prompt-cache.ts";
import {
  callReply,
  textReply,
  toChunk,
  type CallStyle,
  type ScriptedCall,
  type ScriptedReply,
} from "./scripted-replies.ts";
import { startScriptedServer, type RecordedRequest, type ScriptedServer } from "./scripted-server.ts";
import { describeRoutes, toCounters, toOverflowReply, toSlots, type WindowedKind } from "./server-kinds.ts";

/** What the model says to one request; the counts are the server's. */
export interface WindowedAnswer {
  text?: string;
  thinking?: string;
  calls?: readonly ScriptedCall[];
  /** Default `standard`. */
  style?: CallStyle;
  /** Milliseconds before the first word, as a model takes that reads its prompt; default 0. */
  waitMs?: number;
}

export interface WindowedTurn {
  /** From 1: requests that fitted and were no summaries, this one included. */
  step: number;
  /** The tools may not be called: the model is asked to write down what the conversation came to. */
  isSummary: boolean;
  body: ChatBody;
}

export type WindowedScript = (turn: WindowedTurn) => WindowedAnswer | ScriptedReply;

/** One chat request, as the server counted it. */
export interface CountedRequest {
  /** Everything that was rendered for the model. */
  prompt: string;
  promptTokens: number;
  /** 0 for a request that was refused. */
  cachedTokens: number;
  /** Read by the model: neither cached nor refused. */
  evaluatedTokens: number;
  completionTokens: number;
  isSummary: boolean;
  refused: boolean;
  body: ChatBody;
}

export interface WindowedServerOptions {
  contextTokens: number;
  /** Default `llama-server`. */
  kind?: WindowedKind;
  /** Default 4. */
  bytesPerToken?: number;
  /** Default 1. */
  slots?: number;
  /** Default `scripted`. */
  model?: string;
  /** What the routes say, where it is not what really fits. */
  statedTokens?: number;
  /** Default any free one. */
  port?: number;
}

export interface WindowedServer extends ScriptedServer {
  /** The chat requests so far, in the order in which they came. */
  readonly counted: readonly CountedRequest[];
}

/**
 * A scripted server with a real window: it counts tokens, keeps what it has read in slots as a perfect prefix cache does, refuses what does
 * not fit in the words of its kind, cuts replies that run out of room, and reports its counts.
 */
export async function startWindowedServer(
  script: WindowedScript,
  options: WindowedServerOptions,
): Promise<WindowedServer> {
  const { contextTokens, kind = "llama-server", slots = 1, model = "scripted" } = options;
  const counter = createCounter(script, options);
  const stated = options.statedTokens ?? contextTokens;
  const routes = describeRoutes(kind, { model, contextTokens: stated, slots });
  // What slots hold changes, so this reply is made when it is asked for.
  if (kind === "llama-server") Object.defineProperty(routes, "GET /slots", { get: counter.slots });
  const server = await startScriptedServer((request) => counter.answer(request), {
    routes,
    ...(options.port === undefined ? {} : { port: options.port }),
  });
  return {
    url: server.url,
    requests: server.requests,
    get chats() {
      return server.chats;
    },
    get connections() {
      return server.connections;
    },
    counted: counter.counted,
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

interface Counter {
  counted: CountedRequest[];
  answer: (request: RecordedRequest) => ScriptedReply;
  slots: () => ScriptedReply;
}

function createCounter(
  script: WindowedScript,
  { contextTokens, kind = "llama-server", ...options }: WindowedServerOptions,
): Counter {
  const cache = createPromptCache(options);
  const counted: CountedRequest[] = [];
  let step = 0;
  const answer = (request: RecordedRequest): ScriptedReply => {
    const body = (request.json ?? {}) as ChatBody;
    const isSummary = isSummaryRequest(body);
    const prompt = renderPrompt(body);
    const promptTokens = cache.toTokens(prompt);
    const maxTokens = body.max_tokens ?? body.max_completion_tokens;
    const record = {
      prompt,
      promptTokens,
      cachedTokens: 0,
      evaluatedTokens: 0,
      completionTokens: 0,
      isSummary,
      body,
    };
    const asked = maxTokens === undefined ? {} : { maxTokens };
    const refusal = toOverflowReply(kind, contextTokens, { promptTokens, ...asked });
    if (refusal !== undefined) {
      counted.push({ ...record, refused: true });
      return refusal;
    }
    if (!isSummary) step += 1;
    const said = script({ step, isSummary, body });
    if ("parts" in said) {
      counted.push({ ...record, refused: true });
      return said;
    }
    const { cachedTokens, slot } = cache.read(prompt, body.id_slot);
    const roomTokens = Math.min(contextTokens - promptTokens, maxTokens ?? Number.POSITIVE_INFINITY);
    const written = toWritten(said, roomTokens * (options.bytesPerToken ?? 4));
    cache.write(slot, written.text);
    const completionTokens = cache.toTokens(written.text);
    const evaluatedTokens = promptTokens - cachedTokens;
    counted.push({ ...record, cachedTokens, evaluatedTokens, completionTokens, refused: false });
    const counters = toCounters(kind, { promptTokens, cachedTokens, completionTokens });
    const reply = toReply(written, counters);
    return kind === "llama-server" && body.return_progress
      ? withProgress(reply, { total: promptTokens, cache: cachedTokens })
      : reply;
  };
  return {
    counted,
    answer,
    slots: () => toSlots(contextTokens, cache.held()),
  };
}

/** The model is asked to write down what a conversation came to. */
export function isSummaryRequest({ tool_choice, messages = [] }: ChatBody): boolean {
  const { role, content } = messages.at(-1) ?? {};
  return tool_choice === "none" || (role === "user" && String(content).startsWith(SUMMARY_OPENING));
}

interface Written {
  answer: WindowedAnswer;
  /** As it stands in the slot. */
  text: string;
  cut: boolean;
}

/** What of the answer fits: like a model that reaches the end of its window in the middle of a word. */
function toWritten(answer: WindowedAnswer, roomBytes: number): Written {
  const { text: content = "", thinking = "", calls = [] } = answer;
  const tool_calls = calls.map((call) => ({ function: { name: call.name, arguments: toText(call) } }));
  const text = renderBody({ role: "assistant", content, reasoning_content: thinking, tool_calls });
  if (Buffer.byteLength(text) <= roomBytes) return { answer, text, cut: false };
  let room = Math.max(0, roomBytes);
  const take = (part: string): string => {
    const kept = Buffer.from(part)
      .subarray(0, room)
      .toString("utf8")
      .replace(/\ufffd$/, "");
    room -= Buffer.byteLength(kept);
    return kept;
  };
  const kept: WindowedAnswer = { ...answer, thinking: take(thinking), text: take(content) };
  const whole = calls.map((call) => ({ ...call, arguments: take(toText(call)) }));
  const begun = whole.filter((call) => call.arguments !== "");
  return {
    answer: { ...kept, calls: begun },
    text: `${kept.thinking}${kept.text}${begun.map((call) => call.arguments).join("")}`,
    cut: true,
  };
}

function toText({ arguments: args }: ScriptedCall): string {
  return typeof args === "string" ? args : JSON.stringify(args);
}

function toReply({ answer, cut }: Written, counters: ReturnType<typeof toCounters>): ScriptedReply {
  const { text = "", thinking = "", calls = [], style = "standard", waitMs = 0 } = answer;
  const options = { ...counters, thinking, pieceChars: 200, ...(cut ? { finish: "length" } : {}) };
  const reply = calls.length === 0 ? textReply(text, options) : callReply(calls, { ...options, style, text });
  return waitMs === 0 ? reply : { ...reply, parts: [{ do: "wait", ms: waitMs }, ...reply.parts] };
}

/** Frames that llama-server sends while it reads a prompt. */
function withProgress(
  reply: ScriptedReply,
  { total, cache }: { total: number; cache: number },
): ScriptedReply {
  const frame = (processed: number): string =>
    `data: ${JSON.stringify({ ...toChunk({}), prompt_progress: { total, cache, processed, time_ms: (processed - cache) * 2 } })}\n\n`;
  return { ...reply, parts: [frame(cache), frame(total), ...reply.parts] };
}
