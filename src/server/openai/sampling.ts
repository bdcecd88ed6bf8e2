/** How tokens are chosen: the fields that chat and completions share, with llama.cpp's own beside OpenAI's. */
import * as z from "zod/mini";
import type { Sampling } from "../../engine/protocol.ts";
import { commonFields, present, toCommonSampling } from "../chat/common-fields.ts";
import { refuse } from "./refuse.ts";

const optional = z.nullish;
const penalty = z.number().check(z.minimum(-2), z.maximum(2));

/** -1, as some clients send it, means no limit. */
export const count = z.int().check(
  z.minimum(-1),
  z.refine((value) => value !== 0, "must not be 0"),
);

/** OpenAI takes four; clients of local models send more. */
export const STOP_LIMIT = 16;

export const generationFields = {
  ...commonFields,
  max_tokens: optional(count),
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
  return_progress: optional(z.boolean()),
};

const parsed = z.object(generationFields);
type Fields = z.output<typeof parsed>;

export function toSampling(body: Fields): Partial<Sampling> {
  return {
    ...toCommonSampling(body),
    ...present({
      repeatPenalty: body.repeat_penalty,
      repeatLastTokens: body.repeat_last_n,
      frequencyPenalty: body.frequency_penalty,
      presencePenalty: body.presence_penalty,
      logitBias: toLogitBias(body.logit_bias),
      ignoreEnd: body.ignore_eos === true ? true : undefined,
    }),
  };
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
