/**
 * `POST /api/v0/chat/completions`, `/api/v0/completions` and `/api/v0/embeddings`: OpenAI's bodies and answers, with LM Studio's figures
 * (https://lmstudio.ai/docs/developer/rest/endpoints).
 */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { runChat } from "../chat/chat.ts";
import type { ChatEvent } from "../chat/chat.ts";
import { ApiFailure, toApiError, toOpenAiBody } from "../http/errors.ts";
import { parseChatBody } from "../openai/chat-body.ts";
import type { ChatBody } from "../openai/chat-body.ts";
import { createChunker, createHead, toCompletion } from "../openai/chat-wire.ts";
import { parseCompletionBody } from "../openai/completion-body.ts";
import type { CompletionBody } from "../openai/completion-body.ts";
import { runOne } from "../openai/completion-route.ts";
import {
  addCompletionEvent,
  createCompletionChunker,
  createCompletionHead,
  NO_TIMINGS,
  toCompletionBody,
} from "../openai/completion-wire.ts";
import type { CompletionChoice, CompletionEvent } from "../openai/completion-wire.ts";
import { addEmbeddings } from "../openai/embeddings-route.ts";
import { collectReply } from "../chat/reply.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../http/sse.ts";
import { sendStream } from "../http/stream.ts";
import { withModel } from "../use-model.ts";
import { requireModel } from "./model-names.ts";
import { toOldExtras } from "./old-stats.ts";
import type { OldExtras, ReplyEnd } from "./old-stats.ts";

const CHAT = "/api/v0/chat/completions";
const COMPLETIONS = "/api/v0/completions";
const EMBEDDINGS = "/api/v0/embeddings";
const DONE: Frame = { data: "[DONE]" };

export function addOldRoutes(app: App, services: Services): void {
  addPost(app, CHAT, async (exchange) => {
    const body = parseChatBody(exchange.body);
    refuseSeveral(body.n, "n");
    if (services.settings.reasoningField === "inline") body.request.inlineThinking = true;
    await serve(body, { exchange, services }, (turn) => answerChat(body, turn));
  });
  addPost(app, COMPLETIONS, async (exchange) => {
    const body = parseCompletionBody(exchange.body);
    refuseSeveral(body.n, "n");
    refuseSeveral(body.prompts.length, "prompt");
    await serve(body, { exchange, services }, (turn) => answerCompletion(body, turn));
  });
  refuseOtherMethods(app, [CHAT, COMPLETIONS], "POST");
  addEmbeddings(app, services, EMBEDDINGS);
}

/** The figures are those of one answer. */
function refuseSeveral(count: number, param: string): void {
  if (count === 1) return;
  const message = `\`${param}\` asks for ${count} answers; this route gives one. \`/v1\` has the same route for more.`;
  throw new ApiFailure(toApiError(400, message, { param, code: "unsupported" }));
}

interface Turn {
  model: LoadedModel;
  exchange: Exchange;
  services: Services;
}

async function serve(
  { model: name, ttlMs }: { model: string | undefined; ttlMs?: number },
  { exchange, services }: Omit<Turn, "model">,
  answer: (turn: Turn) => Promise<void>,
): Promise<void> {
  const { signal } = exchange;
  const id = name === undefined ? undefined : (await requireModel(services, name)).id;
  const use = { purpose: "chat" as const, signal, ...(ttlMs === undefined ? {} : { ttlMs }) };
  await withModel(services, id, use, (model) => answer({ model, exchange, services }));
}

async function answerChat(body: ChatBody, { model, exchange, services }: Turn): Promise<void> {
  const { request, includeUsage, includeProgress, legacyCalls } = body;
  const { reasoningField } = services.settings;
  const head = createHead(model.id, services.now());
  const wire = { reasoningField, legacyCalls, logprobs: request.logprobs !== undefined };
  const clock = createFirstTokenClock<ChatEvent>(({ type }) => type === "part");
  const events = clock.watch(runChat(request, model, { signal: exchange.signal, log: services.log }));
  const toExtras = (end: Omit<ReplyEnd, "firstTokenMs">): Promise<OldExtras> =>
    toOldExtras(model, { ...end, firstTokenMs: clock.firstTokenMs() }, services.version);
  if (!body.stream) {
    const reply = await collectReply(events);
    const extras = await toExtras(reply);
    sendJson(exchange.outgoing, 200, { ...(toCompletion(head, reply, wire) as object), ...extras });
    return;
  }
  const toChunks = createChunker(head, { ...wire, includeUsage, includeProgress });
  await send(exchange, events, {
    toChunks: (event) => toChunks(event),
    toExtras: async (event) => (event.type === "finished" ? toExtras(event) : undefined),
  });
}

async function answerCompletion(body: CompletionBody, { model, exchange, services }: Turn): Promise<void> {
  const { includeUsage, includeProgress } = body;
  const head = createCompletionHead(model.id, services.now());
  const logprobs = body.logprobs !== undefined;
  const clock = createFirstTokenClock<CompletionEvent>(({ type }) => type === "text");
  const [prompt = ""] = body.prompts;
  const events = clock.watch(runOne(body, { model, signal: exchange.signal, prompt, answer: 0 }));
  const toExtras = (
    end: Pick<CompletionChoice, "reason" | "timings"> & { stopString?: string },
  ): Promise<OldExtras> =>
    toOldExtras(model, { ...end, firstTokenMs: clock.firstTokenMs() }, services.version);
  if (!body.stream) {
    const choice: CompletionChoice = { text: "", logprobs: [], reason: "end", timings: NO_TIMINGS };
    let stopString: string | undefined;
    for await (const event of events) {
      addCompletionEvent(choice, event);
      if (event.type === "done") stopString = event.stopString;
    }
    const extras = await toExtras({ ...choice, ...(stopString === undefined ? {} : { stopString }) });
    const whole = toCompletionBody(head, [choice], { n: 1, logprobs });
    sendJson(exchange.outgoing, 200, { ...(whole as object), ...extras });
    return;
  }
  const options = { includeUsage, includeProgress, logprobs, n: 1, total: 1 };
  const toChunks = createCompletionChunker(head, options);
  await send(exchange, events, {
    toChunks: (event) => toChunks(event, 0),
    toExtras: async (event) => (event.type === "done" ? toExtras(event) : undefined),
  });
}

interface Wire<Event> {
  toChunks: (event: Event) => unknown[];
  /** Of the event that ends the answer; its first chunk gets them. */
  toExtras: (event: Event) => Promise<OldExtras | undefined>;
}

function send<Event>(
  { outgoing, signal }: Exchange,
  events: AsyncIterable<Event>,
  { toChunks, toExtras }: Wire<Event>,
): Promise<void> {
  const toBatches = async function* (): AsyncGenerator<readonly Frame[], void, void> {
    for await (const event of events) {
      const extras = await toExtras(event);
      yield toChunks(event).map((data, at): Frame => ({
        data: at === 0 && extras !== undefined ? { ...(data as object), ...extras } : data,
      }));
    }
    yield [DONE];
  };
  return sendStream(outgoing, toBatches(), {
    format: "sse",
    signal,
    toErrorBody: toOpenAiBody,
    toErrorFrames: (error) => [{ data: toOpenAiBody(error) }, DONE],
  });
}

interface FirstTokenClock<Event> {
  watch(events: AsyncIterable<Event>): AsyncGenerator<Event, void, void>;
  /** 0 where there was none. */
  firstTokenMs(): number;
}

function createFirstTokenClock<Event>(isText: (event: Event) => boolean): FirstTokenClock<Event> {
  const startedAt = performance.now();
  let first: number | undefined;
  return {
    watch: async function* (events) {
      for await (const event of events) {
        if (isText(event)) first ??= performance.now() - startedAt;
        yield event;
      }
    },
    firstTokenMs: () => first ?? 0,
  };
}
