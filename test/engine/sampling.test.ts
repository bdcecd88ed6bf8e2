/** What a generation does on real models: chances, penalties, biases, grammars, stop strings, slots. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { createModelFolder, GREEDY, say, startEmbedded } from "./_embedded.ts";

const PROMPT = "<|im_start|>user\nSay something.<|im_end|>\n<|im_start|>assistant\n";

let folder: Awaited<ReturnType<typeof createModelFolder>>;
let engine: Engine;

beforeAll(async () => {
  folder = await createModelFolder();
  await writeTinyModel(folder.path("tiny.gguf"), { vocabularySize: 400 });
  engine = await startEmbedded(folder.path("tiny.gguf"));
  await engine.facts();
}, 60_000);

afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

describe("sampling", () => {
  const warm = { ...GREEDY, temperature: 1.5 };

  test("gives the same text for the same seed, and another one for another", async () => {
    const texts: string[] = [];
    for (const seed of [7, 7, 8])
      texts.push((await say(engine, { prompt: PROMPT, sampling: { ...warm, seed } })).text);
    expect(texts[1]).toBe(texts[0]);
    expect(texts[2]).not.toBe(texts[0]);
  });

  test("takes a seed of its own where none is given", async () => {
    const [one, other] = [
      await say(engine, { prompt: PROMPT, sampling: warm }),
      await say(engine, { prompt: PROMPT, sampling: warm }),
    ];
    expect(one.text).not.toBe(other.text);
  });

  test("writes another text under penalties", async () => {
    const plain = await say(engine, { prompt: PROMPT });
    const repeat = await say(engine, { prompt: PROMPT, sampling: { ...GREEDY, repeatPenalty: 1.8 } });
    const presence = await say(engine, { prompt: PROMPT, sampling: { ...GREEDY, presencePenalty: 2 } });
    expect(repeat.text).not.toBe(plain.text);
    expect(presence.text).not.toBe(plain.text);
  });

  test("never writes a token that a bias rules out, and always one that a bias wants", async () => {
    const [first] = (await say(engine, { prompt: PROMPT, logprobs: 0, maxTokens: 1 })).logprobs;
    const [token] = await engine.tokenize(first?.token ?? "", { special: true, begin: false });
    const logitBias = [{ token: token ?? 0, bias: -100 }];
    const without = await say(engine, { prompt: PROMPT, sampling: { ...GREEDY, logitBias } });
    expect(without.text).not.toContain(first?.token);
    const [letter] = await engine.tokenize("q", { special: true, begin: false });
    const wanted = [{ token: letter ?? 0, bias: 100 }];
    const only = await say(engine, { prompt: PROMPT, sampling: { ...GREEDY, logitBias: wanted } });
    expect(only.text).toBe("q".repeat(24));
  });
});

describe("chances", () => {
  test("are those of the model itself, and of all tokens together 1", async () => {
    const { logprobs, text } = await say(engine, { prompt: PROMPT, logprobs: 400, maxTokens: 4 });
    expect(logprobs).toHaveLength(4);
    for (const { top } of logprobs) {
      expect(top).toHaveLength(400);
      expect(top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 4);
    }
    const bytes = logprobs.flatMap(({ bytes }) => [...bytes]);
    expect(Buffer.from(bytes).toString().startsWith(text)).toBe(true);
  });

  test("do not depend on how a token is sampled", async () => {
    const [plain] = (await say(engine, { prompt: PROMPT, logprobs: 5, maxTokens: 1 })).logprobs;
    const sampling = { ...GREEDY, temperature: 0.5, topK: 3, repeatPenalty: 1.5, seed: 1 };
    const [other] = (await say(engine, { prompt: PROMPT, sampling, logprobs: 5, maxTokens: 1 })).logprobs;
    expect(other?.top.map(({ logprob }) => logprob.toFixed(4))).toEqual(
      plain?.top.map(({ logprob }) => logprob.toFixed(4)),
    );
  });
});

describe("an answer under a grammar", () => {
  const answer = 'root ::= "{" root-word "}"\nroot-word ::= [a-z]{3}';

  test("is nothing else from its first character on, and ends where the grammar does", async () => {
    const sampling = { ...GREEDY, ignoreEnd: false };
    const { text, done } = await say(engine, { prompt: PROMPT, sampling, grammar: { answer } });
    expect(text).toMatch(/^\{[a-z]{3}\}$/);
    expect(done.reason).toBe("end");
  });

  test("follows thinking that the prompt opened", async () => {
    await writeTinyModel(folder.path("thinks.gguf"), { script: ["hm", " well", "</think>", "nonsense"] });
    const thinker = await startEmbedded(folder.path("thinks.gguf"));
    const thinking = { open: "<think>", close: "</think>", startsInside: true };
    const sampling = { ...GREEDY, ignoreEnd: false };
    const { text } = await say(thinker, { prompt: "<think>", sampling, grammar: { answer, thinking } });
    await thinker[Symbol.asyncDispose]();
    expect(text).toMatch(/^hm well<\/think>\{[a-z]{3}\}$/);
  });

  test("follows thinking that the model opens itself", async () => {
    const script = ["<think>", "hm", "</think>", "nonsense"];
    await writeTinyModel(folder.path("opens.gguf"), { script });
    const thinker = await startEmbedded(folder.path("opens.gguf"));
    const thinking = { open: "<think>", close: "</think>", startsInside: false };
    const sampling = { ...GREEDY, ignoreEnd: false };
    const { text } = await say(thinker, { prompt: "go", sampling, grammar: { answer, thinking } });
    await thinker[Symbol.asyncDispose]();
    expect(text).toMatch(/^<think>hm<\/think>\{[a-z]{3}\}$/);
  });

  test("is refused when the grammar cannot be read", async () => {
    await expect(say(engine, { prompt: PROMPT, grammar: { answer: "no grammar" } })).rejects.toMatchObject({
      code: "engine_failed",
      data: { reason: "invalid_request" },
    });
    expect((await say(engine, { prompt: PROMPT })).done.reason).toBe("length");
  });
});

describe("a reply", () => {
  test("ends before a stop string, and says which", async () => {
    await writeTinyModel(folder.path("says.gguf"), { script: ["one", " two", " thr", "ee", " four"] });
    const speaker = await startEmbedded(folder.path("says.gguf"));
    const { text, done } = await say(speaker, { prompt: "go", stop: ["zero", "three"] });
    await speaker[Symbol.asyncDispose]();
    expect([text, done.reason, done.stopString]).toEqual(["one two ", "stop_string", "three"]);
  });

  test("has no tokens when none is wanted, and the prompt is read all the same", async () => {
    const { text, done } = await say(engine, { prompt: PROMPT, maxTokens: 0 });
    expect([text, done.reason, done.timings.completionTokens]).toEqual(["", "length", 0]);
  });

  test("ends where the context is full", async () => {
    const tokens = Array.from({ length: 1000 }, (_, at) => 300 + (at % 50));
    const { done } = await say(engine, { prompt: tokens, maxTokens: 1_000_000 });
    expect([done.reason, done.timings.completionTokens]).toEqual(["length", 24]);
  });
});

describe("text and tokens", () => {
  test("come back as they were, also in the middle of a character", async () => {
    const text = " <|im_start|>h\u00e9llo \u72d0\u{1f98a}\n";
    const tokens = await engine.tokenize(text, { special: true, begin: true });
    expect(tokens[0]).toBe(1);
    expect(await engine.detokenize(tokens.slice(1), {})).toBe(text);
    const plain = await engine.tokenize("<|im_start|>", { special: false, begin: false });
    expect(plain).toHaveLength("<|im_start|>".length);
    expect(await engine.detokenize(plain, {})).toBe("<|im_start|>");
  });
});

describe("slots", () => {
  test("read a prompt's beginning once, wherever it was read", async () => {
    const shared = Array.from({ length: 300 }, (_, at) => 280 + (at % 90));
    await say(engine, { prompt: [1, ...shared, 5], maxTokens: 1, slot: 0 });
    const other = await say(engine, { prompt: [1, ...shared, 6, 7], maxTokens: 6, slot: 1 });
    expect(other.done.timings.cachedTokens).toBe(301);
    const alone = await startEmbedded(folder.path("tiny.gguf"));
    const fresh = await say(alone, { prompt: [1, ...shared, 6, 7], maxTokens: 6 });
    await alone[Symbol.asyncDispose]();
    expect(other.text).toBe(fresh.text);
  });

  test("write the same together as alone", async () => {
    const prompts = ["one", "another one"].map((text) => `<|im_start|>${text}<|im_end|>`);
    const alone = [];
    for (const prompt of prompts) alone.push((await say(engine, { prompt, maxTokens: 60 })).text);
    const together = await Promise.all(prompts.map((prompt) => say(engine, { prompt, maxTokens: 60 })));
    expect(together.map(({ text }) => text)).toEqual(alone);
    expect(new Set(together.map(({ done }) => done.slot)).size).toBe(2);
  });
});
