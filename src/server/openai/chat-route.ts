/** `POST /v1/chat/completions`, streaming or not. */
import type { LoadedModel } from "../../engine/model-manager.ts";
import { runChat } from "../chat.ts";
import type { ChatEvent } from "../chat.ts";
import { toOpenAiBody } from "../errors.ts";
import { collectReply } from "../reply.ts";
import { addPost, refuseOtherMethods } from "../routes.ts";
import type { App, Exchange } from "../routes.ts";
import { sendJson } from "../send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../sse.ts";
import { sendStream } from "../stream.ts";
import { withModel } from "../use-model.ts";
import { parseChatBody } from "./chat-body.ts";
import type { ChatBody } from "./chat-body.ts";
import { createChunker, createHead, toCompletion } from "./chat-wire.ts";

const PATH = "/v1/chat/completions";

export function addChat(app: App, services: Services): void {
  addPost(app, PATH, async (exchange) => {
    const body = parseChatBody(exchange.body);
    const { signal } = exchange;
    await withModel(services, body.model, { purpose: "chat", signal }, (model) =>
      body.stream
        ? answerStream(body, { model, exchange, services })
        : answerWhole(body, { model, exchange, services }),
    );
  });
  refuseOtherMethods(app, [PATH], "POST");
}

interface ChatContext {
  model: LoadedModel;
  exchange: Exchange;
  services: Services;
}

async function answerWhole({ request }: ChatBody, { model, exchange, services }: ChatContext): Promise<void> {
  const { outgoing, signal } = exchange;
  const head = createHead(model.id, services.now());
  const reply = await collectReply(runChat(request, model, { signal }));
  sendJson(outgoing, 200, toCompletion(head, reply));
}

async function answerStream(body: ChatBody, { model, exchange, services }: ChatContext): Promise<void> {
  const { outgoing, signal } = exchange;
  const toChunks = createChunker(createHead(model.id, services.now()), {
    includeUsage: body.includeUsage,
    includeProgress: body.includeProgress,
  });
  await sendStream(outgoing, toFrames(runChat(body.request, model, { signal }), toChunks), {
    format: "sse",
    signal,
    toErrorBody: toOpenAiBody,
    toErrorFrames: (error) => [{ data: toOpenAiBody(error) }, DONE],
  });
}

const DONE: Frame = { data: "[DONE]" };

async function* toFrames(
  events: AsyncIterable<ChatEvent>,
  toChunks: (event: ChatEvent) => unknown[],
): AsyncGenerator<readonly Frame[], void, void> {
  for await (const event of events) {
    const frames = toChunks(event).map((data): Frame => ({ data }));
    yield event.type === "finished" ? [...frames, DONE] : frames;
  }
}
