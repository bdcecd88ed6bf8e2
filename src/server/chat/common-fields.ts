/** Fields that mean the same in every dialect that has them: OpenAI's for sampling, and llama.cpp's and LM Studio's own beside them. */
import * as z from "zod/mini";
import type { Sampling } from "../../engine/protocol.ts";

const optional = z.nullish;
const fraction = z.number().check(z.minimum(0), z.maximum(1));
/** Thirty years, in seconds. */
const MOST_TTL = 1e9;

/** Seconds of rest after which the model may go, as LM Studio has it. */
export const ttlField = optional(z.number().check(z.minimum(0), z.maximum(MOST_TTL)));

export const commonFields = {
  temperature: optional(z.number().check(z.minimum(0), z.maximum(5))),
  top_p: optional(fraction),
  top_k: optional(z.int()),
  min_p: optional(fraction),
  seed: optional(z.int()),
  id_slot: optional(z.int()),
  ttl: ttlField,
};

const parsed = z.object(commonFields);
type Fields = z.output<typeof parsed>;

export function toCommonSampling(body: Fields): Partial<Sampling> {
  return present({
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k,
    minP: body.min_p,
    // A negative one means any; llama.cpp has 32 bits for it.
    seed: typeof body.seed === "number" && body.seed >= 0 ? body.seed % 2 ** 32 : undefined,
  });
}

/** Without what is `null` or `undefined`, which a request may say for "absent". */
export function present(values: {
  [Key in keyof Sampling]?: Sampling[Key] | null | undefined;
}): Partial<Sampling> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null),
  ) as Partial<Sampling>;
}

export function toTtlMs({ ttl }: Pick<Fields, "ttl">): { ttlMs?: number } {
  return typeof ttl === "number" ? { ttlMs: Math.round(ttl * 1000) } : {};
}

/** A negative one means any. */
export function toSlot({ id_slot: slot }: Pick<Fields, "id_slot">): { slot?: number } {
  return typeof slot === "number" && slot >= 0 ? { slot } : {};
}
