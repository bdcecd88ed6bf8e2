/** `POST /v1/responses`, streaming or not, and what was kept of earlier responses. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { DEFAULT_SAMPLING, runChat } from "../chat/chat.ts";
import type { ChatRequest } from "../chat/chat-request.ts";
import { countPromptTokens } from "../chat/count-tokens.ts";
import { ApiFailure, fromThrown, renameField, toApiError, toOpenAiBody } from "../http/errors.ts";
import { randomId } from "../chat/ids.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../http/sse.ts";
import { sendStream } from "../http/stream.ts";
import { withModel } from "../use-model.ts";
import { parseResponsesBody } from "./body.ts";
import type { ResponsesBody } from "./body.ts";
import { toMessages } from "./items.ts";
import type { Item } from "./items.ts";
import { createResponseStore } from "./response-store.ts";
import type { ResponseStore } from "./response-store.ts";
import { ResponseWriter } from "./response-writer.ts";
import type { ResponseEvent } from "./response-writer.ts";
import { addStoredResponses, notStored } from "./stored-routes.ts";

const PATH = "/v1/responses";
const COUNT_PATH = `${PATH}/input_tokens`;

const KEPT_ENTRIES = 1_000;
const KEPT_BYTES = 64 * 1024 * 1024;
const KEPT_MS = 24 * 60 * 60 * 1000;

export function addResponses(app: App, services: Services): void {
  const { now } = services;
  const store = createResponseStore({ maxEntries: KEPT_ENTRIES, maxBytes: KEPT_BYTES, ttlMs: KEPT_MS, now });
  addPost(app, PATH, (exchange) => createResponse(exchange, services, store));
  addPost(app, COUNT_PATH, (exchange) => countInput(exchange, services, store));
  refuseOtherMethods(app, [PATH, COUNT_PATH], "POST");
  addStoredResponses(app, store);
}

interface ResponseContext {
  body: ResponsesBody;
  request: ChatRequest;
  /** The conversation up to the response. */
  input: readonly Item[];
  exchange: Exchange;
  services: Services;
  store: ResponseStore;
}

const newId = (prefix: string): string => `${prefix}${randomId(32)}`;

async function createResponse(exchange: Exchange, services: Services, store: ResponseStore): Promise<void> {
  const body = parseResponsesBody(exchange.body);
  const input = toConversation(body, store);
  const request = { ...body.request, messages: toRequestMessages(body, input) };
  const context: ResponseContext = { body, request, input, exchange, services, store };
  exchange.outgoing.setHeader("x-request-id", newId("req_"));
  const { ttlMs, model } = body;
  const options = {
    purpose: "chat",
    signal: exchange.signal,
    ...(ttlMs === undefined ? {} : { ttlMs }),
  } as const;
  await withModel(services, model, options, (loaded) =>
    body.stream ? answerStream(context, loaded) : answerWhole(context, loaded),
  ).catch((thrown: unknown) => {
    throw toResponseFailure(thrown);
  });
}

async function countInput(exchange: Exchange, services: Services, store: ResponseStore): Promise<void> {
  const body = parseResponsesBody(exchange.body);
  const request = { ...body.request, messages: toRequestMessages(body, toConversation(body, store)) };
  const { tokens } = await countPromptTokens(services, body.model, request, { signal: exchange.signal });
  sendJson(exchange.outgoing, 200, { object: "response.input_tokens", input_tokens: tokens });
}

/** What came before and what this request adds, each with an id. Throws `ApiFailure` for what is not kept any more. */
function toConversation({ previousId, items }: ResponsesBody, store: ResponseStore): Item[] {
  const previous = previousId === undefined ? undefined : store.get(previousId);
  if (previousId !== undefined && previous === undefined) throw notFoundBefore(previousId);
  const added = items.map((item, index) =>
    item["type"] === "item_reference" ? follow(item, index, store) : item,
  );
  return [...(previous?.input ?? []), ...(previous?.output ?? []), ...added.map(withId)];
}

function notFoundBefore(id: string): ApiFailure {
  const message = `Previous response with id '${id}' not found. This server keeps the newest ones in memory, unless \`store\` is false.`;
  const options = { param: "previous_response_id", code: "previous_response_not_found" };
  return new ApiFailure(toApiError(400, message, options));
}

function follow(item: Item, index: number, store: ResponseStore): Item {
  const { id } = item;
  const found = typeof id === "string" ? store.findItem(id) : undefined;
  if (found !== undefined) return found;
  throw new ApiFailure(notStored("Item", String(id), `input.${index}.id`));
}

const ID_PREFIXES: Readonly<Record<string, string>> = {
  message: "msg_",
  reasoning: "rs_",
  function_call: "fc_",
  function_call_output: "fco_",
  custom_tool_call: "ctc_",
  custom_tool_call_output: "ctco_",
};

function withId(item: Item): Item {
  if (typeof item["id"] === "string" && item["id"] !== "") return item;
  return { ...item, id: newId(ID_PREFIXES[String(item["type"])] ?? "item_") };
}

function toRequestMessages({ instructions }: ResponsesBody, input: readonly Item[]): ChatRequest["messages"] {
  const messages = toMessages(input, instructions);
  // A model has to have something to answer; clients send an empty list to see whether it is there.
  return messages.some(({ role }) => role !== "system")
    ? messages
    : [...messages, { role: "user", content: "" }];
}

function createWriter(
  { body, services, request }: ResponseContext,
  { id: model }: LoadedModel,
): ResponseWriter {
  const { temperature, topP } = { ...DEFAULT_SAMPLING, ...request.sampling };
  return new ResponseWriter({
    head: {
      id: newId("resp_"),
      object: "response",
      created_at: Math.floor(services.now().getTime() / 1000),
      background: false,
      model,
      temperature,
      top_p: topP,
      ...body.echo,
    },
    newId,
    now: services.now,
    identities: body.tools.identities,
    asSummary: body.asSummary,
    sealed: body.sealed,
  });
}

async function answerWhole(context: ResponseContext, model: LoadedModel): Promise<void> {
  let last: ResponseEvent | undefined;
  for await (const events of generate(context, model, createWriter(context, model)))
    last = events.at(-1) ?? last;
  sendJson(context.exchange.outgoing, 200, last?.["response"]);
}

async function answerStream(context: ResponseContext, model: LoadedModel): Promise<void> {
  const { outgoing, signal } = context.exchange;
  const writer = createWriter(context, model);
  await sendStream(outgoing, toFrames(generate(context, model, writer)), {
    format: "sse",
    signal,
    toErrorBody: toOpenAiBody,
    toErrorFrames: (error) => writer.fail(error).map(toFrame),
  });
}

async function* toFrames(
  batches: AsyncIterable<readonly ResponseEvent[]>,
): AsyncGenerator<readonly Frame[], void, void> {
  try {
    for await (const events of batches) yield events.map(toFrame);
  } catch (thrown) {
    throw toResponseFailure(thrown);
  }
}

/** What is wrong with the messages is here wrong with the input. */
function toResponseFailure(thrown: unknown): ApiFailure {
  return new ApiFailure(renameField(fromThrown(thrown), "input"));
}

function toFrame(event: ResponseEvent): Frame {
  return { event: event.type, data: event };
}

/** All events of the response, as they come; keeps it at the end. */
async function* generate(
  context: ResponseContext,
  model: LoadedModel,
  writer: ResponseWriter,
): AsyncGenerator<readonly ResponseEvent[], void, void> {
  const { request, exchange, body, services } = context;
  const { signal } = exchange;
  for await (const event of runChat(request, model, { signal, log: services.log })) {
    if (event.type === "accepted") yield writer.start();
    else if (event.type === "part") yield writer.push(event);
    else if (event.type === "finished") {
      const { events, response } = writer.finish(event);
      if (body.store) keep(context, response, writer.output);
      yield events;
    }
  }
}

function keep(
  { store, input }: ResponseContext,
  response: Readonly<Record<string, unknown>>,
  output: readonly Item[],
) {
  store.put(String(response["id"]), { response, input, output });
}
