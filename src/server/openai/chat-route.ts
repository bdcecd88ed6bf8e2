/** `POST /v1/chat/completions`, streaming or not. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { runChat } from "../chat/chat.ts";
import type { ChatEvent } from "../chat/chat.ts";
import type { ChatRequest } from "../chat/chat-request.ts";
import { mergeStreams, withAnswers } from "../chat/merge-streams.ts";
import { collectReplies } from "../chat/reply.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import { withModel } from "../use-model.ts";
import { parseChatBody } from "./chat-body.ts";
import type { ChatBody } from "./chat-body.ts";
import { createChunker, createHead, toCompletion } from "./chat-wire.ts";
import type { WireOptions } from "./chat-wire.ts";
import { sendChunks } from "./send-chunks.ts";

const PATH = "/v1/chat/completions";

export function addChat(app: App, services: Services): void {
  addPost(app, PATH, async (exchange) => {
    const body = parseChatBody(exchange.body);
    if (services.settings.reasoningField === "inline") body.request.inlineThinking = true;
    const { signal } = exchange;
    const { model: name, ttlMs } = body;
    const use = { purpose: "chat" as const, signal, ...(ttlMs === undefined ? {} : { ttlMs }) };
    await withModel(services, name, use, (model) => {
      const context = { model, exchange, services, wire: toWireOptions(body, services) };
      return body.stream ? answerStream(body, context) : answerWhole(body, context);
    });
  });
  refuseOtherMethods(app, [PATH], "POST");
}

interface ChatContext {
  model: LoadedModel;
  exchange: Exchange;
  services: Services;
  wire: WireOptions;
}

function toWireOptions({ legacyCalls, request }: ChatBody, { settings }: Services): WireOptions {
  return {
    reasoningField: settings.reasoningField,
    legacyCalls,
    logprobs: request.logprobs !== undefined,
  };
}

async function answerWhole(body: ChatBody, { model, exchange, services, wire }: ChatContext): Promise<void> {
  const { outgoing } = exchange;
  const head = createHead(model.id, services.now());
  const replies = await withAnswers(exchange.signal, (signal) =>
    collectReplies(
      mergeStreams(toStreams(body, { model, services }, signal), { atOnce: model.plan.slots }),
      body.n,
    ),
  );
  sendJson(outgoing, 200, toCompletion(head, replies, wire));
}

/** One for each answer. */
function toStreams(
  { request, n }: ChatBody,
  { model, services: { log } }: Pick<ChatContext, "model" | "services">,
  signal: AbortSignal,
): AsyncIterable<ChatEvent>[] {
  return toRequests(request, n).map((one) => runChat(one, model, { signal, log }));
}

function toRequests(request: ChatRequest, n: number): ChatRequest[] {
  const { seed } = request.sampling;
  return Array.from({ length: n }, (_, index) => {
    if (index === 0) return request;
    const { slot: _slot, ...rest } = request;
    // The same seed would give the same answer again.
    return seed === undefined
      ? rest
      : { ...rest, sampling: { ...rest.sampling, seed: (seed + index) % 2 ** 32 } };
  });
}

async function answerStream(body: ChatBody, { model, exchange, services, wire }: ChatContext): Promise<void> {
  const toChunks = createChunker(createHead(model.id, services.now()), {
    ...wire,
    includeUsage: body.includeUsage,
    includeProgress: body.includeProgress,
    n: body.n,
  });
  await withAnswers(exchange.signal, (signal) => {
    const events = mergeStreams(toStreams(body, { model, services }, signal), { atOnce: model.plan.slots });
    return sendChunks(exchange, events, toChunks);
  });
}
