/** `POST /api/generate`, streaming unless told otherwise. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { Prompt, Timings, TokenLogprob } from "../../engine/protocol.ts";
import { toAnswerForm } from "../chat/answer-form.ts";
import { DEFAULT_SAMPLING, runChat } from "../chat/chat.ts";
import type { FinishReason } from "../chat/chat.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { Frame } from "../http/sse.ts";
import { sendStream } from "../http/stream.ts";
import { checkThinking } from "../chat/thinking-wish.ts";
import { toEnd, toLogprobs } from "./chat-route.ts";
import { encodeConversation } from "./conversation-code.ts";
import { toOllamaBody } from "./error-body.ts";
import { parseGenerate } from "./generate-body.ts";
import type { OllamaGenerate } from "./generate-body.ts";
import { toInfillPrompt } from "../chat/infill-prompt.ts";
import { startStopwatch, toMetrics } from "./metrics.ts";
import type { Stopwatch } from "./metrics.ts";
import { requireModel } from "./names.ts";
import { loadOrUnload, useModel } from "./use.ts";

const PATH = "/api/generate";

export function addOllamaGenerate(app: App, services: Services): void {
  addPost(app, PATH, async (exchange) => {
    const watch = startStopwatch();
    const parsed = parseGenerate(exchange.body);
    const { signal, outgoing } = exchange;
    const { model: name, ttl } = parsed;
    const { ollama } = (await requireModel(services, name)).entry;
    const asked = ollama === undefined ? parsed : parseGenerate(exchange.body, ollama);
    const { contextTokens } = asked.options;
    const options = { purpose: "chat" as const, ttl, contextTokens, signal };
    const head = () => ({ model: name, created_at: services.now().toISOString() });
    if (asked.task.type === "load") {
      const reason = await loadOrUnload(services, name, options);
      sendJson(outgoing, 200, { ...head(), response: "", done: true, done_reason: reason });
      return;
    }
    await useModel(services, name, options, (model) =>
      answer({ asked, model, exchange, watch, head, log: services.log }),
    );
  });
  refuseOtherMethods(app, [PATH], "POST");
}

interface Turn {
  asked: OllamaGenerate;
  model: LoadedModel;
  exchange: Exchange;
  watch: Stopwatch;
  /** Fields that every frame begins with. */
  head: () => Record<string, unknown>;
  log: (line: string) => void;
}

/** What both kinds of generation come down to. */
type GeneratePiece =
  | { type: "started" }
  | { type: "text"; text: string; logprobs?: readonly TokenLogprob[] }
  | { type: "thinking"; text: string }
  /** `context`: only where there is a conversation to go on from. */
  | { type: "end"; reason: FinishReason; timings: Timings; context?: number[] };

async function answer(turn: Turn): Promise<void> {
  const { asked, exchange, head } = turn;
  const { outgoing, signal } = exchange;
  if (!asked.stream) {
    const whole = await collect(turn);
    sendJson(outgoing, 200, { ...head(), ...whole });
    return;
  }
  await sendStream(outgoing, toBatches(turn), {
    format: "ndjson",
    signal,
    toErrorBody: toOllamaBody,
    toErrorFrames: (error) => [{ data: toOllamaBody(error) }],
  });
}

async function collect(turn: Turn): Promise<Record<string, unknown>> {
  let response = "";
  let thinking = "";
  let end: Record<string, unknown> = {};
  const logprobs: TokenLogprob[] = [];
  for await (const piece of generate(turn)) {
    if (piece.type === "text") {
      response += piece.text;
      logprobs.push(...(piece.logprobs ?? []));
    } else if (piece.type === "thinking") thinking += piece.text;
    else if (piece.type === "end") end = toEndFields(piece, turn.watch);
  }
  return {
    response,
    ...(thinking === "" ? {} : { thinking }),
    ...(logprobs.length === 0 ? {} : { logprobs: toLogprobs(logprobs) }),
    ...end,
  };
}

async function* toBatches(turn: Turn): AsyncGenerator<readonly Frame[], void, void> {
  const frame = (fields: object): Frame => ({
    data: { ...turn.head(), response: "", done: false, ...fields },
  });
  for await (const piece of generate(turn)) {
    // The first batch sends the headers: it says that the request is sound.
    if (piece.type === "started") yield [];
    else if (piece.type === "end") yield [frame(toEndFields(piece, turn.watch))];
    else if (piece.type === "thinking") yield [frame({ thinking: piece.text })];
    else
      yield [
        frame({
          response: piece.text,
          ...(piece.logprobs === undefined ? {} : { logprobs: toLogprobs(piece.logprobs) }),
        }),
      ];
  }
}

function toEndFields(
  { reason, timings, context }: Extract<GeneratePiece, { type: "end" }>,
  watch: Stopwatch,
): Record<string, unknown> {
  return { ...toEnd(reason), ...(context === undefined ? {} : { context }), ...toMetrics(watch, timings) };
}

async function* generate(turn: Turn): AsyncGenerator<GeneratePiece, void, void> {
  const { asked, model, watch } = turn;
  await model.engine.facts();
  watch.loaded();
  const { task } = asked;
  if (task.type === "chat") {
    yield* generateReply(turn, task);
  } else if (task.type === "raw") {
    yield* generateText(turn, task.prompt);
  } else if (task.type === "infill") {
    const prompt = await toInfillPrompt(model.engine, { ...task, signal: turn.exchange.signal });
    // Ollama's words.
    if (prompt === undefined) throw unsupported("suffix", `"${asked.model}" does not support insert`);
    yield* generateText(turn, prompt);
  }
}

async function* generateReply(
  { asked, model, exchange, log }: Turn,
  { request }: { request: Parameters<typeof runChat>[0] },
): AsyncGenerator<GeneratePiece, void, void> {
  await checkThinking(model, asked.thinking, {
    param: "think",
    message: `"${asked.model}" does not support thinking`,
  });
  let said = "";
  for await (const event of runChat(request, model, { signal: exchange.signal, log })) {
    if (event.type === "finished") {
      const { reason, timings } = event;
      const spoken = { role: "assistant" as const, content: said };
      yield { type: "end", reason, timings, context: encodeConversation([...request.messages, spoken]) };
    } else if (event.type !== "part") yield { type: "started" };
    else if (event.part.type === "reasoning") yield { type: "thinking", text: event.part.text };
    else if (event.part.type === "content") {
      said += event.part.text;
      const { logprobs } = event;
      yield { type: "text", text: event.part.text, ...(logprobs === undefined ? {} : { logprobs }) };
    }
  }
}

/** A prompt that goes to the model as it is. */
async function* generateText(
  { asked, model, exchange }: Turn,
  prompt: Prompt,
): AsyncGenerator<GeneratePiece, void, void> {
  const { sampling, stop, maxTokens } = asked.options;
  const form = toAnswerForm(asked.format);
  const request = {
    prompt,
    sampling: { ...DEFAULT_SAMPLING, ...sampling },
    stop,
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(asked.logprobs === undefined ? {} : { logprobs: asked.logprobs }),
    ...(form === undefined ? {} : { grammar: { answer: form.grammar } }),
  };
  for await (const event of model.engine.generate(request, { signal: exchange.signal })) {
    if (event.type === "text") {
      const { text, logprobs } = event;
      yield { type: "text", text, ...(logprobs === undefined ? {} : { logprobs }) };
    } else if (event.type === "done") {
      const { reason, timings } = event;
      yield { type: "end", reason: reason === "length" ? "length" : "stop", timings };
    } else yield { type: "started" };
  }
}

function unsupported(param: string, message: string): ApiFailure {
  return new ApiFailure(toApiError(400, message, { param, code: "unsupported" }));
}
