/** `POST /v1/messages`, streaming or not, and `POST /v1/messages/count_tokens`. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { runChat } from "../chat/chat.ts";
import { countPromptTokens } from "../chat/count-tokens.ts";
import { randomId } from "../chat/ids.ts";
import { addGet, addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../http/sse.ts";
import { sendStream } from "../http/stream.ts";
import { withModel } from "../use-model.ts";
import { parseMessagesBody } from "./body.ts";
import type { MessagesBody } from "./body.ts";
import { toAnthropicBody, toAnthropicFailure } from "./errors.ts";
import { createThreads } from "./threads.ts";
import type { Conversation, Threads } from "./threads.ts";
import { MessageWriter, PING } from "./message-writer.ts";
import type { MessageEvent } from "./message-writer.ts";

const PATH = "/v1/messages";
const COUNT_PATH = `${PATH}/count_tokens`;
/** Claude Code asks it, without a body, to see whether there is a server. */
const HELLO_PATH = "/api/hello";

const KEPT_ENTRIES = 1_000;
const KEPT_BYTES = 64 * 1024 * 1024;
const KEPT_MS = 24 * 60 * 60 * 1000;

export function addMessages(app: App, services: Services): void {
  const { now } = services;
  const threads = createThreads({ maxEntries: KEPT_ENTRIES, maxBytes: KEPT_BYTES, ttlMs: KEPT_MS, now });
  addPost(app, PATH, (exchange) => createMessage(exchange, services, threads));
  addPost(app, COUNT_PATH, (exchange) => countTokens(exchange, services, threads));
  addGet(app, HELLO_PATH, async () => ({ message: "hello" }));
  refuseOtherMethods(app, [PATH, COUNT_PATH], "POST");
}

interface MessageContext {
  body: MessagesBody;
  exchange: Exchange;
  model: LoadedModel;
  threads: Threads;
  log: (line: string) => void;
}

const newId = (prefix: string): string => `${prefix}${randomId(24)}`;

async function createMessage(exchange: Exchange, services: Services, threads: Threads): Promise<void> {
  const body = parseMessagesBody(exchange.body, threads);
  exchange.outgoing.setHeader("request-id", newId("req_"));
  const { ttlMs } = body;
  const options = {
    purpose: "chat",
    signal: exchange.signal,
    ...(ttlMs === undefined ? {} : { ttlMs }),
  } as const;
  await withModel(services, body.model, options, (model) => {
    const context = { body, exchange, model, threads, log: services.log };
    return body.stream ? answerStream(context) : answerWhole(context);
  }).catch((thrown: unknown) => {
    throw toAnthropicFailure(thrown);
  });
}

/** Dozens of these come at once when an editor starts. A guess says so in its header. */
async function countTokens(exchange: Exchange, services: Services, threads: Threads): Promise<void> {
  const { model, request } = parseMessagesBody(exchange.body, threads);
  const { tokens, exact } = await countPromptTokens(services, model, request, { signal: exchange.signal });
  const headers: Record<string, string> = exact ? {} : { "x-token-count": "estimate" };
  sendJson(exchange.outgoing, 200, { input_tokens: tokens }, headers);
}

function createWriter({ body, model }: MessageContext): MessageWriter {
  return new MessageWriter({ id: newId("msg_"), model: model.id, thinking: body.thinking });
}

async function answerWhole(context: MessageContext): Promise<void> {
  const writer = createWriter(context);
  for await (const { message } of generate(context, writer))
    if (message !== undefined) sendJson(context.exchange.outgoing, 200, message);
}

async function answerStream(context: MessageContext): Promise<void> {
  const { outgoing, signal } = context.exchange;
  await sendStream(outgoing, toFrames(generate(context, createWriter(context))), {
    format: "sse",
    signal,
    toErrorBody: toAnthropicBody,
    toErrorFrames: (error) => [{ event: "error", data: toAnthropicBody(error) }],
  });
}

async function* toFrames(batches: AsyncIterable<Batch>): AsyncGenerator<readonly Frame[], void, void> {
  try {
    for await (const { events } of batches) yield events.map((event) => ({ event: event.type, data: event }));
  } catch (thrown) {
    throw toAnthropicFailure(thrown);
  }
}

interface Batch {
  events: readonly MessageEvent[];
  /** The whole of it, with the last batch. */
  message?: unknown;
}

/** All events of the message, as they come. It starts when the prompt does: only then is it known what the cache gives. */
async function* generate(
  { body, exchange, model, threads, log }: MessageContext,
  writer: MessageWriter,
): AsyncGenerator<Batch, void, void> {
  const { signal } = exchange;
  let started = false;
  const start = (promptTokens: number, cachedTokens: number): MessageEvent[] => {
    if (started) return [PING];
    started = true;
    return writer.start({ promptTokens, cachedTokens });
  };
  let promptTokens = 0;
  for await (const event of runChat(body.request, model, { signal, log })) {
    if (event.type === "accepted") {
      promptTokens = event.promptTokens;
      yield { events: [] };
    } else if (event.type === "progress") yield { events: start(event.total, event.cached) };
    else if (event.type === "part") {
      yield { events: [...(started ? [] : start(promptTokens, 0)), ...writer.push(event.part)] };
    } else {
      const { events, message } = writer.finish(event);
      if (body.held !== undefined) hold(threads, body.held, message);
      yield { events: [...(started ? [] : start(promptTokens, 0)), ...events], message };
    }
  }
}

/** Before its last frame leaves: the client may go on at once. */
function hold(
  threads: Threads,
  conversation: Conversation<unknown, unknown>,
  { id, role, content }: Readonly<Record<string, unknown>>,
): void {
  threads.put(String(id), { ...conversation, messages: [...conversation.messages, { role, content }] });
}
