/** `POST /v1/chat/completions`, streaming or not. */
import type { ServerResponse } from "node:http";
import { isApiError, parseChatRequest } from "./chat-request.ts";
import type { ChatRequest } from "./chat-request.ts";
import { createChunker, createCompletion, createHead, randomId } from "./chat-wire.ts";
import { runChat } from "./chat.ts";
import { fromThrown, toApiError } from "./errors.ts";
import type { ApiError } from "./errors.ts";
import type { ServedModel } from "./served-model.ts";
import { createSseWriter } from "./sse.ts";
import type { SseWriter } from "./sse.ts";

export interface ChatRouteOptions {
  models: readonly ServedModel[];
  now: () => Date;
}

/** Writes the whole answer to `outgoing`. The generation stops when the client closes the connection. */
export async function answerChat(
  body: string,
  outgoing: ServerResponse,
  { models, now }: ChatRouteOptions,
): Promise<void> {
  const request = parseChatRequest(body);
  if (isApiError(request)) {
    sendError(outgoing, request);
    return;
  }
  const model = findServedModel(models, request.model);
  if (model === undefined) {
    sendError(outgoing, modelNotFound(models, request.model ?? ""));
    return;
  }
  const abort = new AbortController();
  outgoing.once("close", () => abort.abort(new Error("the client closed the connection")));
  const context = { request, model, outgoing, now, signal: abort.signal };
  await (request.stream ? answerStream(context) : answerWhole(context));
}

/** Without a name, the first model. */
export function findServedModel(
  models: readonly ServedModel[],
  name: string | null | undefined,
): ServedModel | undefined {
  return typeof name === "string" && name !== "" ? models.find(({ id }) => id === name) : models[0];
}

export function modelNotFound(models: readonly ServedModel[], name: string): ApiError {
  const known = models.map(({ id }) => `\`${id}\``).join(", ");
  return toApiError(404, `There is no model \`${name}\` here. Available: ${known}.`, {
    code: "model_not_found",
    param: "model",
  });
}

interface ChatContext {
  request: ChatRequest;
  model: ServedModel;
  outgoing: ServerResponse;
  now: () => Date;
  signal: AbortSignal;
}

/** Until then an error still gets a status of its own. */
const HEADERS_WITHIN_MS = 10_000;

const newCallId = (): string => `call_${randomId(24)}`;

async function answerWhole({ request, model, outgoing, now, signal }: ChatContext): Promise<void> {
  const completion = createCompletion(createHead(model.id, now()), { callId: newCallId });
  try {
    for await (const event of runChat(request, model, { signal })) completion.add(event);
    sendJson(outgoing, 200, completion.body());
  } catch (thrown) {
    if (!signal.aborted) sendError(outgoing, fromThrown(thrown));
  }
}

async function answerStream({ request, model, outgoing, now, signal }: ChatContext): Promise<void> {
  const toChunks = createChunker(createHead(model.id, now()), {
    includeUsage: request.stream_options?.include_usage ?? false,
    includeProgress: request.return_progress ?? false,
    callId: newCallId,
  });
  let stream: SseWriter | undefined;
  // A large model can take minutes to load; a client that sees nothing at all gives up before.
  const patience = setTimeout(() => {
    stream ??= createSseWriter(outgoing);
  }, HEADERS_WITHIN_MS);
  try {
    for await (const event of runChat(request, model, { signal })) {
      // The first event says that the request is sound; until then an error can still have its own status.
      stream ??= createSseWriter(outgoing);
      for (const chunk of toChunks(event)) await stream.data(chunk);
    }
  } catch (thrown) {
    if (signal.aborted) return;
    const error = fromThrown(thrown);
    if (stream === undefined) {
      sendError(outgoing, error);
      return;
    }
    await stream.data(error.body);
  } finally {
    clearTimeout(patience);
  }
  stream?.end();
}

export function sendError(outgoing: ServerResponse, { status, body, headers }: ApiError): void {
  sendJson(outgoing, status, body, headers);
}

function sendJson(
  outgoing: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (outgoing.destroyed) return;
  const text = JSON.stringify(body);
  outgoing.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  outgoing.end(text);
}
