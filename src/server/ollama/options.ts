/** `options` of a request (https://docs.ollama.com/modelfile). What the machine's owner decides, such as `num_thread`, is ignored. */
import * as z from "zod/mini";
import type { Sampling } from "../../engine/protocol.ts";

const optional = z.nullish;
const amount = z.number().check(z.minimum(0), z.maximum(1_000));
const fraction = z.number().check(z.minimum(0), z.maximum(1));
const penalty = z.number().check(z.minimum(-2), z.maximum(2));
/** Some clients send whole numbers as 1.0 in other languages' words; a fraction is a mistake. */
const whole = z.int();

export const optionsField = optional(
  z.object({
    num_ctx: optional(whole.check(z.minimum(1))),
    /** Not above 0: no limit. */
    num_predict: optional(whole),
    temperature: optional(amount),
    top_k: optional(whole),
    top_p: optional(fraction),
    min_p: optional(fraction),
    seed: optional(whole),
    stop: optional(z.union([z.string(), z.array(z.string()).check(z.maxLength(64))])),
    repeat_penalty: optional(amount),
    repeat_last_n: optional(whole.check(z.minimum(-1))),
    presence_penalty: optional(penalty),
    frequency_penalty: optional(penalty),
  }),
);

export interface GenerationOptions {
  /** Absent: as it is loaded. */
  contextTokens?: number;
  maxTokens?: number;
  stop: readonly string[];
  sampling: Partial<Sampling>;
}

type Options = z.output<typeof optionsField>;

/** `defaults`: what Ollama's store says of the model; anything odd in it is ignored. */
export function withDefaults(options: Options, defaults: Readonly<Record<string, unknown>> = {}): Options {
  const known = z.safeParse(optionsField, defaults);
  const given = Object.entries(options ?? {}).filter(([, value]) => value !== null && value !== undefined);
  return { ...(known.success ? known.data : {}), ...Object.fromEntries(given) };
}

export function toGenerationOptions(options: Options): GenerationOptions {
  const { num_ctx: contextTokens, num_predict: limit, stop, seed } = options ?? {};
  return {
    ...(typeof contextTokens === "number" ? { contextTokens } : {}),
    ...(typeof limit === "number" && limit > 0 ? { maxTokens: limit } : {}),
    stop: (typeof stop === "string" ? [stop] : (stop ?? [])).filter((one) => one !== ""),
    sampling: {
      ...present("temperature", options?.temperature),
      ...present("topK", options?.top_k),
      ...present("topP", options?.top_p),
      ...present("minP", options?.min_p),
      ...present("repeatPenalty", options?.repeat_penalty),
      ...present("repeatLastTokens", options?.repeat_last_n),
      ...present("presencePenalty", options?.presence_penalty),
      ...present("frequencyPenalty", options?.frequency_penalty),
      // A negative seed is a new one each time.
      ...(typeof seed === "number" && seed >= 0 ? { seed } : {}),
    },
  };
}

function present<Key extends keyof Sampling>(
  key: Key,
  value: number | null | undefined,
): { [K in Key]?: number } {
  return (typeof value === "number" ? { [key]: value } : {}) as { [K in Key]?: number };
}
