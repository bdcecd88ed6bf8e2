/** The body of `/completion` (llama.cpp, tools/server/README.md). */
import type { GenerateRequest, Sampling } from "../protocol.ts";
import { toControlTags } from "./control-tags.ts";
import type { ServerFacts } from "./model-facts.ts";
import { toServerGrammar } from "./reply-grammar.ts";

/** Of the last frame; without this it repeats the whole prompt and all settings. */
const LAST_FRAME = [
  "content",
  "stop",
  "stop_type",
  "stopping_word",
  "id_slot",
  "tokens_evaluated",
  "tokens_predicted",
  "timings",
];

/** The server counts in 32 bits; without a number it goes on until the context is full. */
const MOST_TOKENS = 2 ** 31 - 1;

/** `tokens`: the prompt's, unless images are part of it. */
export function toCompletionBody(
  request: GenerateRequest,
  facts: ServerFacts,
  tokens: readonly number[] | undefined,
): object {
  const { grammar, slot, logprobs, stop } = request;
  const room = tokens === undefined ? Infinity : facts.contextTokens - tokens.length;
  const limit = Math.max(1, Math.min(request.maxTokens ?? Infinity, room));
  const gbnf = grammar === undefined ? undefined : toServerGrammar(grammar);
  return {
    prompt: tokens ?? toMediaPrompt(request, facts),
    stream: true,
    cache_prompt: true,
    return_progress: true,
    response_fields: LAST_FRAME,
    ...(limit > MOST_TOKENS ? {} : { n_predict: limit }),
    ...toSampling(request.sampling),
    stop: stop.filter((text) => text !== ""),
    preserved_tokens: toControlTags(facts, grammar),
    ...(gbnf === undefined ? {} : { grammar: gbnf }),
    ...(slot === undefined ? {} : { id_slot: slot }),
    ...(logprobs === undefined ? {} : { n_probs: Math.max(1, logprobs) }),
  };
}

function toMediaPrompt({ prompt, images = [] }: GenerateRequest, facts: ServerFacts): object {
  const text = typeof prompt === "string" ? prompt : "";
  return {
    prompt_string: withoutBegin(text, facts),
    multimodal_data: images.map(({ base64 }) => base64),
  };
}

/** A template writes the begin token out, and the server puts another one in front. */
export function withoutBegin(
  text: string,
  { addsBegin, bosToken }: Pick<ServerFacts, "addsBegin" | "bosToken">,
): string {
  return addsBegin && bosToken !== "" && text.startsWith(bosToken) ? text.slice(bosToken.length) : text;
}

/** A bias of this much or less rules a token out, which the server writes as `false`. */
const RULED_OUT = -100;

function toSampling(sampling: Sampling): object {
  const { seed, repeatPenalty, repeatLastTokens, frequencyPenalty, presencePenalty, logitBias, ignoreEnd } =
    sampling;
  return {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    min_p: sampling.minP,
    // 32 bits without a sign.
    ...(seed === undefined ? {} : { seed: seed >>> 0 }),
    ...(repeatPenalty === undefined ? {} : { repeat_penalty: repeatPenalty }),
    ...(repeatLastTokens === undefined ? {} : { repeat_last_n: repeatLastTokens }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(logitBias === undefined
      ? {}
      : { logit_bias: logitBias.map(({ token, bias }) => [token, bias <= RULED_OUT ? false : bias]) }),
    ...(ignoreEnd === true ? { ignore_eos: true } : {}),
  };
}
