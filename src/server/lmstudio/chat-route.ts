/** `POST /api/v1/chat`: LM Studio's own chat, which keeps the conversation on the server. */
import { randomBytes } from "node:crypto";
import type { Message } from "../../core/message.ts";
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { createBoundedStore } from "../bounded-store.ts";
import type { BoundedStore } from "../bounded-store.ts";
import { runChat } from "../chat/chat.ts";
import { withWindow } from "../chat/context-window.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import type { ApiError } from "../http/errors.ts";
import { checkThinking } from "../chat/thinking-wish.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../http/sse.ts";
import { sendStream } from "../http/stream.ts";
import { NO_USAGE } from "../chat/usage.ts";
import { withModel } from "../use-model.ts";
import { parseNativeChat, toMessages } from "./chat-body.ts";
import type { NativeChatBody } from "./chat-body.ts";
import { createChatEventWriter } from "./chat-events.ts";
import type { ChatEventWriter, NativeEvent } from "./chat-events.ts";
import { toLmStudioBody } from "./error-body.ts";
import { requireModel } from "./model-names.ts";

const PATH = "/api/v1/chat";

/** What was said until an answer, by the answer's id. */
type Conversations = BoundedStore<readonly Message[]>;

const KEPT = { maxEntries: 10_000, maxBytes: 64_000_000, ttlMs: 7 * 86_400_000 };

export function addLmStudioChat(app: App, services: Services): void {
  const conversations = createBoundedStore<readonly Message[]>({ ...KEPT, now: services.now });
  addPost(app, PATH, async (exchange) => {
    const body = parseNativeChat(exchange.body);
    const messages = toMessages(body, recall(conversations, body.previousId));
    const { signal } = exchange;
    const served = await requireModel(services, body.model);
    const use = {
      purpose: "chat" as const,
      signal,
      ...(body.ttlMs === undefined ? {} : { ttlMs: body.ttlMs }),
    };
    const run = (model: LoadedModel): Promise<void> =>
      answer({ body, messages, model, conversations, exchange, log: services.log });
    const { contextTokens } = body;
    if (contextTokens === undefined) await withModel(services, served.id, use, run);
    else await withWindow(services, served, { ...use, contextTokens, param: "context_length" }, run);
  });
  refuseOtherMethods(app, [PATH], "POST");
}

function recall(conversations: Conversations, id: string | undefined): readonly Message[] {
  if (id === undefined) return [];
  const before = conversations.get(id);
  if (before !== undefined) return before;
  const message = `There is no response \`${id.slice(0, 100)}\` any more, or there never was. Start anew without \`previous_response_id\`.`;
  throw new ApiFailure(
    toApiError(400, message, { code: "previous_response_not_found", param: "previous_response_id" }),
  );
}

interface Turn {
  body: NativeChatBody;
  messages: readonly Message[];
  model: LoadedModel;
  conversations: Conversations;
  exchange: Exchange;
  log: (line: string) => void;
}

interface Load {
  /** Seconds; absent: it was loaded already. */
  seconds?: number;
}

async function answer(turn: Turn): Promise<void> {
  const { outgoing, signal } = turn.exchange;
  const writer = createChatEventWriter();
  if (turn.body.stream) {
    await sendStream(outgoing, toBatches(turn, writer), {
      format: "sse",
      signal,
      toErrorBody: toLmStudioBody,
      toErrorFrames: (error) => toErrorFrames(error, turn, writer),
    });
    return;
  }
  const load = await waitForLoad(turn.model);
  await check(turn);
  for await (const event of generate(turn)) writer.push(event);
  sendJson(outgoing, 200, toResult(turn, writer, load));
}

async function waitForLoad(model: LoadedModel): Promise<Load> {
  if (model.state !== "loading") return {};
  const startedAt = performance.now();
  await model.engine.facts();
  return { seconds: Math.round(performance.now() - startedAt) / 1000 };
}

async function check({ body, model }: Turn): Promise<void> {
  await checkThinking(model, body.thinking, {
    param: "reasoning",
    message: `\`reasoning\` is \`${body.thinking}\`, and \`${model.id}\` does not think. Leave it out, or say \`off\`.`,
  });
}

function generate({ body, messages, model, exchange, log }: Turn): ReturnType<typeof runChat> {
  return runChat({ ...body.request, messages }, model, { signal: exchange.signal, log });
}

/** A model that is loaded says at once whether it takes the request; one that still loads is reported on meanwhile. */
async function* toBatches(turn: Turn, writer: ChatEventWriter): AsyncGenerator<readonly Frame[], void, void> {
  const instance = { model_instance_id: turn.model.id };
  const start: Frame = toFrame({ type: "chat.start", ...instance });
  let before: readonly Frame[] = [start];
  let load: Load = {};
  if (turn.model.state === "loading") {
    yield [start, toFrame({ type: "model_load.start", ...instance })];
    before = [];
    load = await waitForLoad(turn.model);
    yield [
      toFrame({ type: "model_load.progress", ...instance, progress: 1 }),
      toFrame({ type: "model_load.end", ...instance, load_time_seconds: load.seconds ?? 0 }),
    ];
  }
  await check(turn);
  for await (const event of generate(turn)) {
    yield [...before, ...writer.push(event).map(toFrame)];
    before = [];
  }
  yield [toFrame({ type: "chat.end", result: toResult(turn, writer, load) })];
}

function toFrame(event: NativeEvent): Frame {
  return { event: event.type, data: event };
}

/** What was written until then still counts. */
function toErrorFrames(error: ApiError, { model }: Turn, writer: ChatEventWriter): readonly Frame[] {
  const { output } = writer.outcome();
  const result = { model_instance_id: model.id, output, stats: toStats(writer) };
  return [toFrame({ type: "error", ...toLmStudioBody(error) }), toFrame({ type: "chat.end", result })];
}

function toResult(
  { body, messages, model, conversations }: Turn,
  writer: ChatEventWriter,
  load: Load,
): Record<string, unknown> {
  const { output } = writer.outcome();
  const text = (type: string): string =>
    output.flatMap((item) => (item.type === type ? [item.content] : [])).join("");
  const reasoning = text("reasoning");
  const said: Message = {
    role: "assistant",
    content: text("message"),
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
  };
  return {
    model_instance_id: model.id,
    output,
    stats: toStats(writer, load),
    ...(body.store ? { response_id: keep(conversations, [...messages, said]) } : {}),
  };
}

/** Every answer has an id of its own, so that a conversation can branch. */
function keep(conversations: Conversations, messages: readonly Message[]): string {
  const id = `resp_${randomBytes(24).toString("hex")}`;
  conversations.put(id, messages);
  return id;
}

function toStats(writer: ChatEventWriter, load: Load = {}): Record<string, unknown> {
  const { timings, usage = NO_USAGE, firstTokenMs = 0 } = writer.outcome();
  const { promptTokens, completionTokens, reasoningTokens } = usage;
  const completionMs = timings?.completionMs ?? 0;
  return {
    input_tokens: promptTokens,
    total_output_tokens: completionTokens,
    reasoning_output_tokens: reasoningTokens,
    tokens_per_second: completionMs === 0 ? 0 : (completionTokens / completionMs) * 1000,
    time_to_first_token_seconds: Math.round(firstTokenMs) / 1000,
    ...(load.seconds === undefined ? {} : { model_load_time_seconds: load.seconds }),
  };
}
