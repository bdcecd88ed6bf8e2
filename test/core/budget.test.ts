import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import {
  findTooSmall,
  toAnswerTokens,
  toBudgets,
  toLargerWindow,
  toResultBytes,
} from "../../src/core/budget.ts";
import type { ModelInfo, ServerKind } from "../../src/core/model.ts";

const budgets = (contextTokens: number | undefined, more: Partial<Parameters<typeof toBudgets>[0]> = {}) =>
  toBudgets({
    info: { ...(contextTokens === undefined ? {} : { contextTokens }), profile: { name: "default" } },
    fixedTokens: 2_000,
    bytesPerToken: 4,
    ...more,
  });

const info = (server: ServerKind, contextTokens: number): ModelInfo => ({
  id: "m",
  server,
  baseUrl: "",
  contextTokens,
  profile: { name: "default" },
});

describe("budgets", () => {
  it("are shares of what the window leaves beside system message and tools", () => {
    const small = budgets(8_192);
    const large = budgets(2_000 + 2 * 6_192);
    expect(large.resultBytes / small.resultBytes).toBeCloseTo(2, 1);
    expect(large.turnBytes / small.turnBytes).toBeCloseTo(2, 1);
    expect((large.answerTokens ?? 0) / (small.answerTokens ?? 1)).toBeCloseTo(2, 1);
    expect(large.keepTokens / small.keepTokens).toBeCloseTo(2, 1);
    expect(large.summaryTokens / small.summaryTokens).toBeCloseTo(2, 1);
  });

  it("let a file of 3 KB be read in one piece in 8,192 tokens, and of 1.5 KB in 4,096", () => {
    expect(budgets(8_192).resultBytes).toBeGreaterThan(3_500);
    expect(budgets(4_096).resultBytes).toBeGreaterThan(1_700);
  });

  it("leave room for the answer and for the results of a turn, whatever the window", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4_096, max: 1_000_000 }),
        fc.integer({ min: 0, max: 3_000 }),
        fc.double({ min: 1, max: 6, noNaN: true }),
        fc.option(fc.integer({ min: 1, max: 200_000 }), { nil: undefined }),
        (contextTokens, fixedTokens, bytesPerToken, compactAt) => {
          const made = budgets(contextTokens, { fixedTokens, bytesPerToken, compactAt });
          expect(made.compactAt).toBeLessThan(made.longestPrompt);
          expect(made.longestPrompt).toBeLessThan(contextTokens);
          expect(made.compactTo).toBeLessThanOrEqual(made.elideTo);
          expect(made.elideTo).toBeLessThanOrEqual(made.compactAt);
          // Instructions, a turn and its answer fit together.
          expect(fixedTokens + made.turnBytes / bytesPerToken + (made.answerTokens ?? 0)).toBeLessThan(
            contextTokens + 600 / bytesPerToken,
          );
        },
      ),
    );
  });

  it("compact at the user's threshold, but never above what the window allows", () => {
    expect(budgets(131_072, { compactAt: 80_000 }).compactAt).toBe(80_000);
    expect(budgets(8_192, { compactAt: 80_000 }).compactAt).toBe(budgets(8_192).compactAt);
    expect(budgets(undefined).compactAt).toBe(80_000);
  });

  it("go by the tokens that the model makes good use of, or that a refusal has shown", () => {
    const profile = { name: "probed", usableTokens: 8_192 };
    expect(budgets(32_768, { info: { contextTokens: 32_768, profile } })).toEqual(budgets(8_192));
    expect(budgets(32_768, { learnedWindowTokens: 8_192 })).toEqual(budgets(8_192));
    const tiny = { name: "probed", usableTokens: 100 };
    expect(budgets(32_768, { info: { contextTokens: 32_768, profile: tiny } }).windowTokens).toBe(4_096);
  });

  it("share the room for results among the calls of one turn", () => {
    const made = budgets(8_192);
    expect(toResultBytes(made, 1)).toBe(made.resultBytes);
    expect(toResultBytes(made, 4)).toBe(Math.floor(made.turnBytes / 4));
    expect(toResultBytes(made, 10_000)).toBe(160);
  });

  it("give an answer what the window leaves, up to half of the free part, and nothing where the window is not known", () => {
    const made = budgets(8_192);
    expect(toAnswerTokens(made, 2_500)).toBe(3_096);
    expect(toAnswerTokens(made, 6_000)).toBe(8_192 - 6_000 - 163);
    expect(toAnswerTokens(made, 9_000)).toBe(327);
    expect(toAnswerTokens(budgets(undefined), 100)).toBeUndefined();
  });
});

describe("a window that is too small", () => {
  it.each([
    ["llama-server", "llama-server -c 8192"],
    ["lmstudio", "lms load m --context-length 8192"],
    ["ollama", "OLLAMA_CONTEXT_LENGTH=8192 ollama serve"],
    ["vllm", "--max-model-len 8192"],
    ["openai-compatible", "larger context window"],
  ] as const)("is refused with what helps on %s", (server, way) => {
    const message = findTooSmall(info(server, 2_048), budgets(2_048));
    expect(message).toContain("2048 tokens");
    expect(message).toContain("4096");
    expect(message).toContain(way);
  });

  it("is enough with 4,096 tokens, unless instructions and tools take nearly all of it", () => {
    expect(findTooSmall(info("ollama", 4_096), budgets(4_096))).toBeUndefined();
    const message = findTooSmall(info("ollama", 4_096), budgets(4_096, { fixedTokens: 3_500 }));
    expect(message).toContain("3500 of the 4096 tokens");
    expect(message).toContain("`ENABLE_TODO_TRACKING=false`");
  });

  it("is never advised to be what it is already, nor more than the model was trained for", () => {
    expect(toLargerWindow(info("llama-server", 8_192))).toContain("-c 16384");
    expect(toLargerWindow({ ...info("ollama", 8_192), trainedTokens: 10_000 })).toContain("LENGTH=10000");
    expect(toLargerWindow({ ...info("ollama", 8_192), trainedTokens: 8_192 })).toContain("choose another");
    expect(toLargerWindow({ ...info("llama-server", 2_048), trainedTokens: 2_048 })).not.toContain("-c");
  });

  it("is not assumed where the server does not say", () => {
    expect(findTooSmall(info("openai-compatible", 1), budgets(undefined))).toBeUndefined();
  });
});
