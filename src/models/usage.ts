import type { Usage } from "../core/model.ts";
import type { Json } from "./json.ts";
import { toObject } from "./json.ts";

/** No window and no reply comes near; what is larger is a mistake of the server, and arithmetic with it would be one too. */
const MOST_TOKENS = 1e9;
const MOST_PER_SECOND = 1e7;
const NS_PER_SECOND = 1e9;

/**
 * The counters of one frame, whatever server made it; `undefined` when it has none. `promptTokens` counts all tokens of the prompt,
 * those from the cache included, as the server has read them: less than was sent where it cut the prompt.
 *
 * - OpenAI, vLLM, LM Studio, Ollama's `/v1`: `usage`, with `prompt_tokens_details.cached_tokens` where known. DeepSeek: `prompt_cache_hit_tokens`.
 * - llama-server and ours: `timings`, whose `prompt_n` counts only what was evaluated and `cache_n` what was not.
 * - LM Studio: `stats`, of `/api/v0` with rates only, of `/api/v1` with counts (https://lmstudio.ai/docs/developer/rest).
 * - Ollama's own routes: `prompt_eval_count` is the whole prompt (https://github.com/ollama/ollama/blob/main/docs/api.md); durations are in
 *   nanoseconds. In old versions it was missing or 0 for a cached prompt, and in 0.30 it counted new tokens only (ollama/ollama#16414),
 *   which cannot be told from a prompt that was cut; `prompt_eval_cached_count` shows that it counts all.
 *
 * Numbers that cannot be are left out, as is a cached count larger than the prompt. A prompt of 0 tokens is one that was not counted.
 */
export function readUsage(frame: Json): Usage | undefined {
  return toUsage([readOpenAi, readTimings, readStats, readOllama].map((read) => read(frame)));
}

/** The counters of one reply from those of its frames; each may hold a part. */
export function mergeUsage(before: Usage | undefined, now: Usage): Usage {
  return toUsage([now, before ?? {}]) ?? {};
}

type Counts = { [Key in keyof Usage]: Usage[Key] | undefined };

/** The first source that knows a count. Of two prompts the larger is the whole one, the other only what was evaluated of it. */
function toUsage(sources: readonly Counts[]): Usage | undefined {
  const first = (key: keyof Usage): number | undefined =>
    sources.map((counts) => counts[key]).find((value) => value !== undefined);
  const prompts = sources.map((counts) => counts.promptTokens).filter((value) => value !== undefined);
  const promptTokens = prompts.length === 0 ? undefined : Math.max(...prompts);
  const cachedTokens = first("cachedTokens");
  const possible = cachedTokens !== undefined && cachedTokens <= (promptTokens ?? cachedTokens);
  return compact({
    promptTokens,
    cachedTokens: possible ? cachedTokens : undefined,
    completionTokens: first("completionTokens"),
    prefillTokensPerSecond: first("prefillTokensPerSecond"),
    decodeTokensPerSecond: first("decodeTokensPerSecond"),
  });
}

/** Before it told `cache_n`, llama-server told what it had evaluated, so that the rest of the prompt was cached. */
function readTimings(frame: Json): Counts {
  const timings = toObject(frame["timings"]);
  const evaluated = toCount(timings["prompt_n"]);
  const whole = toCount(toObject(frame["usage"])["prompt_tokens"]);
  const told = toCount(timings["cache_n"]);
  const rest =
    whole !== undefined && evaluated !== undefined && evaluated <= whole ? whole - evaluated : undefined;
  return {
    promptTokens: evaluated === undefined ? undefined : toPrompt(evaluated + (told ?? 0)),
    cachedTokens: told ?? rest,
    completionTokens: toCount(timings["predicted_n"]),
    prefillTokensPerSecond: toRate(timings["prompt_per_second"]),
    decodeTokensPerSecond: toRate(timings["predicted_per_second"]),
  };
}

function readOpenAi(frame: Json): Counts {
  const usage = toObject(frame["usage"]);
  const details = toObject(usage["prompt_tokens_details"] ?? usage["input_tokens_details"]);
  return {
    promptTokens: toPrompt(usage["prompt_tokens"]),
    cachedTokens: toCount(details["cached_tokens"]) ?? toCount(usage["prompt_cache_hit_tokens"]),
    completionTokens: toCount(usage["completion_tokens"]),
  };
}

/** The time to the first token tells no rate of reading: nobody says how much of the prompt was cached. */
function readStats(frame: Json): Counts {
  const stats = toObject(frame["stats"]);
  return {
    promptTokens: toPrompt(stats["input_tokens"]),
    completionTokens: toCount(stats["total_output_tokens"]),
    decodeTokensPerSecond: toRate(stats["tokens_per_second"]),
  };
}

/** The rate of reading is known only with the part that was cached: a cached prompt would look like a fast machine. */
function readOllama(frame: Json): Counts {
  const promptTokens = toPrompt(frame["prompt_eval_count"]);
  const cachedTokens = toCount(frame["prompt_eval_cached_count"]);
  const completionTokens = toCount(frame["eval_count"]);
  const evaluated =
    promptTokens === undefined || cachedTokens === undefined ? undefined : promptTokens - cachedTokens;
  return {
    promptTokens,
    cachedTokens,
    completionTokens,
    prefillTokensPerSecond: perSecond(evaluated, frame["prompt_eval_duration"]),
    decodeTokensPerSecond: perSecond(completionTokens, frame["eval_duration"]),
  };
}

function perSecond(tokens: number | undefined, durationNs: unknown): number | undefined {
  if (tokens === undefined || tokens <= 0 || typeof durationNs !== "number") return undefined;
  return toRate((tokens * NS_PER_SECOND) / durationNs);
}

/** Of a prompt that is being read; what does not fit together is brought into line, since it is only shown. */
export function readProgress(
  value: unknown,
): { processed: number; total: number; cached: number } | undefined {
  const { total, processed, cache } = toObject(value);
  const all = toPrompt(total);
  if (all === undefined) return undefined;
  const done = Math.min(toCount(processed) ?? 0, all);
  return { processed: done, total: all, cached: Math.min(toCount(cache) ?? 0, done) };
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MOST_TOKENS
    ? value
    : undefined;
}

function toPrompt(value: unknown): number | undefined {
  const counted = toCount(value);
  return counted === 0 ? undefined : counted;
}

/** 0 comes from a time that was too short to measure. */
function toRate(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 && value <= MOST_PER_SECOND ? value : undefined;
}

function compact(counts: Counts): Usage | undefined {
  const known = Object.entries(counts).filter(([, value]) => value !== undefined);
  return known.length === 0 ? undefined : (Object.fromEntries(known) as Usage);
}
