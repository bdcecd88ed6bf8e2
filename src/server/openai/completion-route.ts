/** `POST /v1/completions`: the prompt as it is, without the model's chat template. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { GenerateRequest, Prompt } from "../../engine/protocol.ts";
import { toAnswerForm } from "../chat/answer-form.ts";
import { DEFAULT_SAMPLING } from "../chat/chat.ts";
import { ApiFailure, fromThrown, renameField } from "../http/errors.ts";
import { mergeStreams, withAnswers } from "../chat/merge-streams.ts";
import { toInfillPrompt } from "../chat/infill-prompt.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import { withModel } from "../use-model.ts";
import { parseCompletionBody } from "./completion-body.ts";
import type { CompletionBody } from "./completion-body.ts";
import {
  addCompletionEvent,
  createCompletionChunker,
  createCompletionHead,
  NO_TIMINGS,
  toCompletionBody,
} from "./completion-wire.ts";
import type { CompletionChoice, CompletionEvent } from "./completion-wire.ts";
import { refuse } from "./refuse.ts";
import { sendChunks } from "./send-chunks.ts";

const PATH = "/v1/completions";

export function addCompletions(app: App, services: Services): void {
  addPost(app, PATH, async (exchange) => {
    const body = parseCompletionBody(exchange.body);
    const { signal } = exchange;
    const { model: name, ttlMs } = body;
    const use = { purpose: "chat" as const, signal, ...(ttlMs === undefined ? {} : { ttlMs }) };
    await withModel(services, name, use, (model) => {
      const context = { model, exchange, services };
      return body.stream ? answerStream(body, context) : answerWhole(body, context);
    });
  });
  refuseOtherMethods(app, [PATH], "POST");
}

interface CompletionContext {
  model: LoadedModel;
  exchange: Exchange;
  services: Services;
}

async function answerWhole(
  body: CompletionBody,
  { model, exchange, services }: CompletionContext,
): Promise<void> {
  const choices: CompletionChoice[] = Array.from({ length: body.prompts.length * body.n }, () => ({
    text: "",
    logprobs: [],
    reason: "end",
    timings: NO_TIMINGS,
  }));
  await withAnswers(exchange.signal, async (signal) => {
    for await (const { index, value } of runAll(body, model, signal))
      addCompletionEvent(choices[index] as CompletionChoice, value);
  });
  const head = createCompletionHead(model.id, services.now());
  const shape = { n: body.n, logprobs: body.logprobs !== undefined };
  sendJson(exchange.outgoing, 200, toCompletionBody(head, choices, shape));
}

async function answerStream(
  body: CompletionBody,
  { model, exchange, services }: CompletionContext,
): Promise<void> {
  const toChunks = createCompletionChunker(createCompletionHead(model.id, services.now()), {
    includeUsage: body.includeUsage,
    includeProgress: body.includeProgress,
    logprobs: body.logprobs !== undefined,
    n: body.n,
    total: body.prompts.length * body.n,
  });
  await withAnswers(exchange.signal, (signal) => sendChunks(exchange, runAll(body, model, signal), toChunks));
}

/** The answers to the first prompt, then those to the second, as their numbers go. */
function runAll(
  body: CompletionBody,
  model: LoadedModel,
  signal: AbortSignal,
): AsyncGenerator<{ index: number; value: CompletionEvent }, void, void> {
  const runs = body.prompts.flatMap((prompt) =>
    Array.from({ length: body.n }, (_, answer) => runOne(body, { model, signal, prompt, answer })),
  );
  return mergeStreams(runs, { atOnce: model.plan.slots });
}

/** One answer to one prompt. */
export async function* runOne(
  body: CompletionBody,
  {
    model,
    signal,
    prompt,
    answer,
  }: { model: LoadedModel; signal: AbortSignal; prompt: Prompt; answer: number },
): AsyncGenerator<CompletionEvent, void, void> {
  const { engine } = model;
  if (body.echo)
    yield {
      type: "echo",
      text: typeof prompt === "string" ? prompt : await engine.detokenize(prompt, { signal }),
    };
  const request = toRequest(body, await toPrompt(body, { model, signal, prompt }), answer);
  if (body.maxTokens !== 0) {
    try {
      yield* engine.generate(request, { signal });
    } catch (thrown) {
      throw new ApiFailure(renameField(fromThrown(thrown), "prompt"));
    }
    return;
  }
  const tokens =
    typeof prompt === "string"
      ? await engine.tokenize(prompt, { special: true, begin: true, signal })
      : prompt;
  const timings = { ...NO_TIMINGS, promptTokens: tokens.length };
  yield { type: "done", reason: "length", slot: 0, timings };
}

async function toPrompt(
  { suffix }: CompletionBody,
  { model, signal, prompt }: { model: LoadedModel; signal: AbortSignal; prompt: Prompt },
): Promise<Prompt> {
  if (suffix === undefined) return prompt;
  if (typeof prompt !== "string") throw refuse("`suffix` goes only with a `prompt` that is text.", "suffix");
  const infill = await toInfillPrompt(model.engine, { prefix: prompt, suffix, signal });
  if (infill !== undefined) return infill;
  throw refuse(
    `\`suffix\` is for models that were trained to fill gaps; the vocabulary of \`${model.id}\` has no tokens for it.`,
    "suffix",
  );
}

function toRequest(body: CompletionBody, prompt: Prompt, index: number): GenerateRequest {
  const { sampling, maxTokens, logprobs, slot, stop, format } = body;
  const { seed } = sampling;
  const answer = toAnswerForm(format)?.grammar;
  return {
    prompt,
    stop,
    // The same seed would give the same answer again.
    sampling: {
      ...DEFAULT_SAMPLING,
      ...sampling,
      ...(seed === undefined ? {} : { seed: (seed + index) % 2 ** 32 }),
    },
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(answer === undefined ? {} : { grammar: { answer } }),
    ...(slot === undefined || index > 0 ? {} : { slot }),
  };
}
