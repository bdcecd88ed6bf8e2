import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLookupDrafter, createPace } from "../../src/engine/llama/speculation.ts";
import type { LoadOptions } from "../../src/engine/protocol.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { createModelFolder, say, startEmbedded } from "./_embedded.ts";

describe("guesses from the context", () => {
  test("go on as the text went on before", () => {
    const drafter = createLookupDrafter({ maxTokens: 4 });
    expect(drafter.draft([1, 2, 3, 4, 5, 6, 9, 1, 2], [3])).toEqual([4, 5, 6, 9]);
  });

  test("come from the longest match, and of equal ones from the latest", () => {
    const drafter = createLookupDrafter({ maxTokens: 4 });
    expect(drafter.draft([7, 1, 2, 3, 40, 1, 2, 3, 50, 7, 1, 2], [3])).toEqual([40, 1, 2, 3]);
    expect(drafter.draft([8, 1, 2, 3, 40, 9, 1, 2, 3, 50, 0, 1, 2], [3])).toEqual([50, 0, 1, 2]);
  });

  test("are none where nothing was alike", () => {
    expect(createLookupDrafter({ maxTokens: 4 }).draft([1, 2, 3, 4], [5])).toEqual([]);
  });

  test("rest after they were wrong, and grow while they are right", () => {
    const pace = createPace(8);
    expect(pace.tokens()).toBe(4);
    pace.judged(4, 4);
    expect(pace.tokens()).toBe(8);
    for (const _ of [1, 2]) pace.judged(8, 0);
    expect(pace.tokens()).toBe(0);
  });
});

describe("speculation", () => {
  let folder: Awaited<ReturnType<typeof createModelFolder>>;

  beforeAll(async () => {
    folder = await createModelFolder();
    await writeTinyModel(folder.path("tiny.gguf"), {});
    await writeTinyModel(folder.path("draft.gguf"), { layers: 1, width: 32 });
    await writeTinyModel(folder.path("other.gguf"), { vocabularySize: 1000 });
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  async function write(load: Partial<LoadOptions>) {
    const engine = await startEmbedded(folder.path("tiny.gguf"), load);
    try {
      const plain = await say(engine, { prompt: "<|im_start|>abc abc abc", maxTokens: 120 });
      const again = await say(engine, { prompt: `<|im_start|>abc abc abc${plain.text}`, maxTokens: 40 });
      return { texts: [plain.text, again.text], timings: plain.done.timings, again: again.done.timings };
    } finally {
      await engine[Symbol.asyncDispose]();
    }
  }

  test("by lookup and by a smaller model leaves the text as it is, and counts its guesses", async () => {
    const plain = await write({});
    const lookup = await write({ speculation: { type: "lookup" } });
    const draft = await write({
      speculation: { type: "draft", modelPath: folder.path("draft.gguf"), maxTokens: 4 },
    });
    expect(plain.timings.draftedTokens).toBeUndefined();
    expect([lookup.texts, draft.texts]).toEqual([plain.texts, plain.texts]);
    expect(lookup.timings.acceptedTokens).toBeGreaterThan(20);
    expect(draft.timings.draftedTokens).toBeGreaterThan(0);
    expect(lookup.again.cachedTokens).toBe(plain.again.cachedTokens);
  });

  test("by the same model guesses everything right", async () => {
    const speculation = { type: "draft", modelPath: folder.path("tiny.gguf"), maxTokens: 4 } as const;
    const { timings } = await write({ speculation });
    expect(timings.acceptedTokens).toBe(timings.draftedTokens);
    expect(timings.acceptedTokens).toBeGreaterThan(80);
  });

  test("ends at stop strings and under grammars as without it", async () => {
    const engine = await startEmbedded(folder.path("tiny.gguf"), {
      speculation: { type: "lookup" },
    });
    const first = await say(engine, { prompt: "go go go go", maxTokens: 100 });
    const stop = [first.text.slice(40, 43)];
    const { text } = await say(engine, { prompt: "go go go go", maxTokens: 100, stop });
    expect(text).toBe(first.text.slice(0, first.text.indexOf(stop[0] as string)));
    const grammar = { answer: 'root ::= "ab" "ab" "ab" "ab" "ab" "!"' };
    const ruled = await say(engine, {
      prompt: "go",
      grammar,
      sampling: { temperature: 0, topP: 1, topK: 0, minP: 0 },
    });
    expect([ruled.text, ruled.done.timings.draftedTokens]).toEqual(["ababababab!", undefined]);
    await engine[Symbol.asyncDispose]();
  });

  test("with a model of another vocabulary is refused at the load", async () => {
    const speculation = { type: "draft", modelPath: folder.path("other.gguf") } as const;
    const engine = await startEmbedded(folder.path("tiny.gguf"), { speculation });
    await expect(engine.facts()).rejects.toThrow(/vocabulary/);
    await engine[Symbol.asyncDispose]();
  });
});
