/** `POST /api/v0/chat/completions`: OpenAI's body and answer, with LM Studio's figures (https://lmstudio.ai/docs/developer/rest/endpoints). */
import * as z from "zod/mini";
import type { LoadedModel } from "../../engine/model-manager.ts";
import { parseBody } from "../body.ts";
import { runChat } from "../chat.ts";
import type { ChatEvent } from "../chat.ts";
import { toOpenAiBody } from "../errors.ts";
import { parseChatBody } from "../openai/chat-body.ts";
import type { ChatBody } from "../openai/chat-body.ts";
import { createChunker, createHead, toCompletion } from "../openai/chat-wire.ts";
import { collectReply } from "../reply.ts";
import { addPost, refuseOtherMethods } from "../routes.ts";
import type { App, Exchange } from "../routes.ts";
import { sendJson } from "../send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../sse.ts";
import { sendStream } from "../stream.ts";
import { withModel } from "../use-model.ts";
import { ttlField } from "./chat-body.ts";
import { requireModel } from "./model-names.ts";
import { toOldExtras } from "./old-stats.ts";

const PATH = "/api/v0/chat/completions";
const DONE: Frame = { data: "[DONE]" };

export function addOldChat(app: App, services: Services): void {
  addPost(app, PATH, async (exchange) => {
    const body = parseChatBody(exchange.body);
    const { ttl } = parseBody(exchange.body, z.object({ ttl: ttlField }));
    const { signal } = exchange;
    const id = body.model === undefined ? undefined : (await requireModel(services, body.model)).id;
    const options = {
      purpose: "chat" as const,
      signal,
      ...(typeof ttl === "number" ? { ttlMs: ttl * 1000 } : {}),
    };
    await withModel(services, id, options, (model) => answer({ body, model, exchange, services }));
  });
  refuseOtherMethods(app, [PATH], "POST");
}

interface ChatContext {
  body: ChatBody;
  model: LoadedModel;
  exchange: Exchange;
  services: Services;
}

async function answer({ body, model, exchange, services }: ChatContext): Promise<void> {
  const { outgoing, signal } = exchange;
  const head = createHead(model.id, services.now());
  const clock = createFirstTokenClock();
  const events = clock.watch(runChat(body.request, model, { signal }));
  if (!body.stream) {
    const reply = await collectReply(events);
    const extras = await toOldExtras(
      model,
      { ...reply, firstTokenMs: clock.firstTokenMs() },
      services.version,
    );
    sendJson(outgoing, 200, { ...(toCompletion(head, reply) as object), ...extras });
    return;
  }
  const { includeUsage, includeProgress } = body;
  const toChunks = createChunker(head, { includeUsage, includeProgress });
  const toFrames = async (event: ChatEvent): Promise<Frame[]> => {
    const chunks = toChunks(event).map((data): Frame => ({ data }));
    if (event.type !== "finished") return chunks;
    const extras = await toOldExtras(
      model,
      { ...event, firstTokenMs: clock.firstTokenMs() },
      services.version,
    );
    const [last, ...usage] = chunks;
    return [{ data: { ...(last?.data as object), ...extras } }, ...usage, DONE];
  };
  await sendStream(outgoing, mapEvents(events, toFrames), {
    format: "sse",
    signal,
    toErrorBody: toOpenAiBody,
    toErrorFrames: (error) => [{ data: toOpenAiBody(error) }, DONE],
  });
}

async function* mapEvents(
  events: AsyncIterable<ChatEvent>,
  toFrames: (event: ChatEvent) => Promise<Frame[]>,
): AsyncGenerator<readonly Frame[], void, void> {
  for await (const event of events) yield toFrames(event);
}

interface FirstTokenClock {
  watch(events: AsyncIterable<ChatEvent>): AsyncGenerator<ChatEvent, void, void>;
  /** 0 where there was none. */
  firstTokenMs(): number;
}

function createFirstTokenClock(): FirstTokenClock {
  const startedAt = performance.now();
  let first: number | undefined;
  return {
    watch: async function* (events) {
      for await (const event of events) {
        if (event.type === "part") first ??= performance.now() - startedAt;
        yield event;
      }
    },
    firstTokenMs: () => first ?? 0,
  };
}
