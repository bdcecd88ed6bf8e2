/** How tokens are chosen: the fields that chat and completions share, with llama.cpp's own beside OpenAI's. */
import * as z from "zod/mini";
import type { Sampling } from "../../engine/protocol.ts";
import { refuse } from "./refuse.ts";

const optional = z.nullish;
const fraction = z.number().check(z.minimum(0), z.maximum(1));
const penalty = z.number().check(z.minimum(-2), z.maximum(2));

/** -1, as some clients send it, means no limit. */
export const count = z.int().check(
  z.minimum(-1),
  z.refine((value) => value !== 0, "must not be 0"),
);

/** OpenAI takes four; clients of local models send more. */
export const STOP_LIMIT = 16;

export const generationFields = {
  max_tokens: optional(count),
  temperature: optional(z.number().check(z.minimum(0), z.maximum(5))),
  top_p: optional(fraction),
  top_k: optional(z.int()),
  min_p: optional(fraction),
  seed: optional(z.int()),
  repeat_penalty: optional(z.number().check(z.positive(), z.maximum(10))),
  repeat_last_n: optional(z.int().check(z.minimum(-1))),
  frequency_penalty: optional(penalty),
  presence_penalty: optional(penalty),
  logit_bias: optional(
    z.union([
      z.record(z.string(), z.number()),
      // As llama.cpp's server takes it: `false` rules the token out.
      z.array(z.tuple([z.int(), z.union([z.number(), z.literal(false)])])),
    ]),
  ),
  ignore_eos: optional(z.boolean()),
  stop: optional(z.union([z.string(), z.array(z.string()).check(z.maxLength(STOP_LIMIT))])),
  n: optional(z.int().check(z.minimum(1), z.maximum(16))),
  stream: optional(z.boolean()),
  stream_options: optional(z.object({ include_usage: optional(z.boolean()) })),
  id_slot: optional(z.int()),
  return_progress: optional(z.boolean()),
  /** Seconds of rest after which the model may go, as LM Studio has it. */
  ttl: optional(z.number().check(z.positive())),
};

const parsed = z.object(generationFields);
type Fields = z.output<typeof parsed>;

export function toSampling(body: Fields): Partial<Sampling> {
  const given: { [Key in keyof Sampling]?: Sampling[Key] | null | undefined } = {
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    // A negative one means any; llama.cpp has 32 bits for it.
    seed: typeof body.seed === "number" && body.seed >= 0 ? body.seed % 2 ** 32 : undefined,
    repeatPenalty: body.repeat_penalty,
    repeatLastTokens: body.repeat_last_n,
    frequencyPenalty: body.frequency_penalty,
    presencePenalty: body.presence_penalty,
    logitBias: toLogitBias(body.logit_bias),
    ignoreEnd: body.ignore_eos === true ? true : undefined,
  };
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined && value !== null),
  ) as Partial<Sampling>;
}

function toLogitBias(bias: Fields["logit_bias"]): Sampling["logitBias"] {
  if (bias === undefined || bias === null) return undefined;
  if (Array.isArray(bias))
    return bias.map(([token, value]) => ({ token, bias: value === false ? -100 : value }));
  const entries = Object.entries(bias);
  return entries.map(([key, value]) => {
    if (/^\d{1,9}$/.test(key)) return { token: Number(key), bias: value };
    const message = `\`logit_bias\` has the key \`${key.slice(0, 40)}\`; its keys are numbers of tokens, as \`/tokenize\` gives them.`;
    throw refuse(message, `logit_bias.${key.slice(0, 40)}`);
  });
}

export function toStop(stop: Fields["stop"]): string[] {
  return (typeof stop === "string" ? [stop] : (stop ?? [])).filter((one) => one !== "");
}

export function toTtlMs(ttl: Fields["ttl"]): { ttlMs?: number } {
  return typeof ttl === "number" ? { ttlMs: Math.round(ttl * 1000) } : {};
}

export function toSlot(slot: Fields["id_slot"]): { slot?: number } {
  return typeof slot === "number" && slot >= 0 ? { slot } : {};
}
