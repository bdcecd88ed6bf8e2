/** `POST /api/chat`, streaming unless told otherwise. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { TokenLogprob } from "../../engine/protocol.ts";
import { runChat } from "../chat/chat.ts";
import type { ChatEvent, FinishReason } from "../chat/chat.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { collectReply } from "../chat/reply.ts";
import type { Reply } from "../chat/reply.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../http/sse.ts";
import { sendStream } from "../http/stream.ts";
import { checkThinking } from "../chat/thinking-wish.ts";
import { parseChat } from "./chat-body.ts";
import type { OllamaChat } from "./chat-body.ts";
import { toOllamaBody } from "./error-body.ts";
import { startStopwatch, toMetrics } from "./metrics.ts";
import type { Stopwatch } from "./metrics.ts";
import { requireModel } from "./names.ts";
import { toCutText, toOllamaCall } from "./tool-calls.ts";
import { loadOrUnload, useModel } from "./use.ts";

const PATH = "/api/chat";

export function addOllamaChat(app: App, services: Services): void {
  addPost(app, PATH, async (exchange) => {
    const watch = startStopwatch();
    const asked = parseChat(exchange.body);
    const { ollama } = (await requireModel(services, asked.model)).entry;
    const chat = ollama === undefined ? asked : parseChat(exchange.body, ollama);
    const { signal, outgoing } = exchange;
    const options = {
      purpose: "chat" as const,
      ttl: chat.ttl,
      contextTokens: chat.options.contextTokens,
      signal,
    };
    const head = () => ({ model: chat.model, created_at: services.now().toISOString() });
    if (chat.request.messages.length === 0) {
      const reason = await loadOrUnload(services, chat.model, options);
      const message = { role: "assistant", content: "" };
      sendJson(outgoing, 200, { ...head(), message, done: true, done_reason: reason });
      return;
    }
    await useModel(services, chat.model, options, (model) =>
      answer({ chat, model, exchange, watch, head, log: services.log }),
    );
  });
  refuseOtherMethods(app, [PATH], "POST");
}

interface Turn {
  chat: OllamaChat;
  model: LoadedModel;
  exchange: Exchange;
  watch: Stopwatch;
  /** Fields that every frame begins with. */
  head: () => Record<string, unknown>;
  log: (line: string) => void;
}

async function answer(turn: Turn): Promise<void> {
  const { chat, exchange, watch, head } = turn;
  const { outgoing, signal } = exchange;
  if (!chat.stream) {
    const reply = await collectReply(generate(turn));
    sendJson(outgoing, 200, {
      ...head(),
      message: toMessage(reply),
      ...(reply.logprobs.length === 0 ? {} : { logprobs: toLogprobs(reply.logprobs) }),
      ...toEnd(reply.reason),
      ...toMetrics(watch, reply.timings),
    });
    return;
  }
  await sendStream(outgoing, toBatches(turn), {
    format: "ndjson",
    signal,
    toErrorBody: toOllamaBody,
    toErrorFrames: (error) => [{ data: toOllamaBody(error) }],
  });
}

/** Ollama's words: clients look for `does not support` and ask again without it. */
async function* generate({ chat, model, exchange, watch, log }: Turn): AsyncGenerator<ChatEvent, void, void> {
  const { request, thinking } = chat;
  await model.engine.facts();
  watch.loaded();
  await checkThinking(model, thinking, {
    param: "think",
    message: `"${chat.model}" does not support thinking`,
  });
  if (request.tools.length > 0 && !model.entry.toolUse) {
    const message = `"${chat.model}" does not support tools`;
    throw new ApiFailure(toApiError(400, message, { param: "tools", code: "unsupported" }));
  }
  yield* runChat(request, model, { signal: exchange.signal, log });
}

async function* toBatches(turn: Turn): AsyncGenerator<readonly Frame[], void, void> {
  const { head, watch } = turn;
  const frame = (message: object, more: object = {}): Frame => ({
    data: { ...head(), message: { role: "assistant", content: "", ...message }, done: false, ...more },
  });
  const calls = createCallCollector((message) => frame(message));
  for await (const event of generate(turn)) {
    if (event.type === "part") yield toPartFrames(event, { calls, frame });
    else if (event.type === "finished")
      yield [...calls.end(), frame({}, { ...toEnd(event.reason), ...toMetrics(watch, event.timings) })];
    // The first batch sends the headers: it says that the request is sound.
    else yield [];
  }
}

interface CallCollector {
  start(call: { id: string; name: string }): Frame[];
  add(text: string): void;
  /** The frames of a call that is complete, or of what is left of one. */
  end(): Frame[];
}

/** Ollama's clients get each call at once. */
function createCallCollector(frame: (message: object) => Frame): CallCollector {
  let open: { id: string; name: string; arguments: string } | undefined;
  let count = 0;
  const end = (): Frame[] => {
    if (open === undefined) return [];
    const call = toOllamaCall(open, count++);
    const frames = [frame(call === undefined ? { content: toCutText(open) } : { tool_calls: [call] })];
    open = undefined;
    return frames;
  };
  return {
    start: ({ id, name }) => {
      const frames = end();
      open = { id, name, arguments: "" };
      return frames;
    },
    add: (text) => {
      if (open !== undefined) open.arguments += text;
    },
    end,
  };
}

function toPartFrames(
  { part, logprobs }: Extract<ChatEvent, { type: "part" }>,
  { calls, frame }: { calls: CallCollector; frame: (message: object, more?: object) => Frame },
): readonly Frame[] {
  if (part.type === "call_started") return calls.start(part);
  if (part.type === "call_arguments") {
    calls.add(part.text);
    return [];
  }
  const message = part.type === "content" ? { content: part.text } : { thinking: part.text };
  return [...calls.end(), frame(message, logprobs === undefined ? {} : { logprobs: toLogprobs(logprobs) })];
}

function toMessage({ content, reasoning, calls }: Reply): Record<string, unknown> {
  const whole = calls.flatMap((call, index) => toOllamaCall(call, index) ?? []);
  const cut = calls.filter((call) => toOllamaCall(call, 0) === undefined).map(toCutText);
  return {
    role: "assistant",
    content: content + cut.join(""),
    ...(reasoning === "" ? {} : { thinking: reasoning }),
    ...(whole.length === 0 ? {} : { tool_calls: whole }),
  };
}

export function toEnd(reason: FinishReason): { done: true; done_reason: string } {
  return { done: true, done_reason: reason === "length" ? "length" : "stop" };
}

export function toLogprobs(logprobs: readonly TokenLogprob[]): Record<string, unknown>[] {
  return logprobs.map(({ token, logprob, bytes, top }) => ({
    token,
    logprob,
    bytes,
    ...(top.length === 0 ? {} : { top_logprobs: top }),
  }));
}
