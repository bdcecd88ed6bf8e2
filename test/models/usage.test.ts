import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { mergeUsage, readProgress, readUsage } from "../../src/models/usage.ts";

const LLAMA = {
  cache_n: 900,
  prompt_n: 100,
  prompt_ms: 500,
  prompt_per_second: 200,
  predicted_n: 7,
  predicted_per_second: 30.5,
};

describe("the counters of a server", () => {
  it.each([
    [
      "OpenAI and vLLM",
      {
        usage: {
          prompt_tokens: 1000,
          completion_tokens: 7,
          prompt_tokens_details: { cached_tokens: 900 },
        },
      },
      { promptTokens: 1000, cachedTokens: 900, completionTokens: 7 },
    ],
    [
      "vLLM without its cache",
      { usage: { prompt_tokens: 1000, completion_tokens: 7, prompt_tokens_details: null } },
      { promptTokens: 1000, completionTokens: 7 },
    ],
    [
      "DeepSeek",
      { usage: { prompt_tokens: 1000, prompt_cache_hit_tokens: 900, prompt_cache_miss_tokens: 100 } },
      { promptTokens: 1000, cachedTokens: 900 },
    ],
    [
      "llama-server",
      { timings: LLAMA },
      {
        promptTokens: 1000,
        cachedTokens: 900,
        completionTokens: 7,
        prefillTokensPerSecond: 200,
        decodeTokensPerSecond: 30.5,
      },
    ],
    [
      "llama-server before `cache_n`",
      { usage: { prompt_tokens: 1000, completion_tokens: 7 }, timings: { ...LLAMA, cache_n: undefined } },
      {
        promptTokens: 1000,
        cachedTokens: 900,
        completionTokens: 7,
        prefillTokensPerSecond: 200,
        decodeTokensPerSecond: 30.5,
      },
    ],
    [
      "LM Studio, /api/v0",
      {
        usage: { prompt_tokens: 24, completion_tokens: 53, total_tokens: 77 },
        stats: { tokens_per_second: 51.4, time_to_first_token: 0.111, generation_time: 0.954 },
      },
      { promptTokens: 24, completionTokens: 53, decodeTokensPerSecond: 51.4 },
    ],
    [
      "LM Studio, /api/v1",
      { stats: { input_tokens: 646, total_output_tokens: 586, tokens_per_second: 29.75 } },
      { promptTokens: 646, completionTokens: 586, decodeTokensPerSecond: 29.75 },
    ],
    [
      "Ollama with its cache",
      {
        prompt_eval_count: 1000,
        prompt_eval_cached_count: 900,
        prompt_eval_duration: 500_000_000,
        eval_count: 60,
        eval_duration: 2_000_000_000,
        load_duration: 12,
      },
      {
        promptTokens: 1000,
        cachedTokens: 900,
        completionTokens: 60,
        prefillTokensPerSecond: 200,
        decodeTokensPerSecond: 30,
      },
    ],
    [
      "Ollama before it told what was cached: no rate of reading",
      { prompt_eval_count: 1000, prompt_eval_duration: 1, eval_count: 60, eval_duration: 2_000_000_000 },
      { promptTokens: 1000, completionTokens: 60, decodeTokensPerSecond: 30 },
    ],
    [
      "Ollama of old, whose cached prompt had no tokens",
      { usage: { prompt_tokens: 0, completion_tokens: 3 } },
      { completionTokens: 3 },
    ],
  ])("are read: %s", (_name, frame, usage) => {
    expect(readUsage(frame)).toEqual(usage);
  });

  it.each([
    ["negative", -1],
    ["no number", Number.NaN],
    ["endless", Number.POSITIVE_INFINITY],
    ["huge", 1e308],
    ["text", "12"],
    ["a list", [1]],
    ["an object", {}],
    ["a part of a token", 0.5],
    ["nothing", null],
  ])("are left out where they cannot be: %s", (_name, value) => {
    const frame = {
      usage: {
        prompt_tokens: value,
        completion_tokens: value,
        prompt_tokens_details: { cached_tokens: value },
      },
      timings: { cache_n: value, prompt_n: value, predicted_n: value },
      stats: { input_tokens: value },
      prompt_eval_count: value,
      prompt_eval_duration: value,
      eval_count: value,
      eval_duration: 0,
    };
    expect(readUsage(frame)).toBeUndefined();
  });

  it("hold no cached tokens when those are more than the prompt", () => {
    const details = { prompt_tokens_details: { cached_tokens: 11 } };
    expect(readUsage({ usage: { prompt_tokens: 10, ...details } })).toEqual({ promptTokens: 10 });
    expect(mergeUsage({ cachedTokens: 11 }, { promptTokens: 10 })).toEqual({ promptTokens: 10 });
  });

  it("come together from several frames, in any order", () => {
    const evaluated = { promptTokens: 100, prefillTokensPerSecond: 200 };
    const whole = { promptTokens: 1000, completionTokens: 7 };
    const both = { promptTokens: 1000, completionTokens: 7, prefillTokensPerSecond: 200 };
    expect(mergeUsage(evaluated, whole)).toEqual(both);
    expect(mergeUsage(whole, evaluated)).toEqual(both);
  });

  it("never hold an impossible number, whatever the frame says", () => {
    const key = fc.constantFrom(
      "usage",
      "timings",
      "stats",
      "prompt_tokens",
      "prompt_tokens_details",
      "cached_tokens",
      "cache_n",
      "prompt_n",
      "prompt_per_second",
      "tokens_per_second",
      "prompt_eval_count",
      "prompt_eval_cached_count",
      "prompt_eval_duration",
      "eval_count",
      "eval_duration",
    );
    const leaf = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null), fc.nat());
    const frame = fc.dictionary(key, fc.oneof(leaf, fc.dictionary(key, leaf)), { maxKeys: 8 });
    fc.assert(
      fc.property(frame, (value) => {
        const usage = readUsage(value) ?? {};
        for (const count of Object.values(usage))
          expect(count).toSatisfy((one: number) => one >= 0 && one <= 1e9);
        expect(usage.cachedTokens ?? 0).toBeLessThanOrEqual(usage.promptTokens ?? 1e9);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the progress of reading a prompt", () => {
  it.each([
    [
      { total: 100, cache: 90, processed: 95, time_ms: 3 },
      { total: 100, cached: 90, processed: 95 },
    ],
    [
      { total: 100, cache: 900, processed: 500 },
      { total: 100, cached: 100, processed: 100 },
    ],
    [
      { total: 100, cache: -1, processed: "x" },
      { total: 100, cached: 0, processed: 0 },
    ],
    [{ total: 0, processed: 0 }, undefined],
    [{ total: 1e308, processed: 1 }, undefined],
    ["prompt", undefined],
  ])("of %j is %j", (value, progress) => {
    expect(readProgress(value)).toEqual(progress);
  });
});
