/** Files that are no models, models of another kind, and what ends in the middle. */
import { readFile, truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GenerateEvent } from "../../src/engine/protocol.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { createModelFolder, say, startEmbedded } from "./_embedded.ts";

const signal = new AbortController().signal;

let folder: Awaited<ReturnType<typeof createModelFolder>>;

beforeAll(async () => {
  folder = await createModelFolder();
  await writeTinyModel(folder.path("tiny.gguf"), {});
});
afterAll(() => folder[Symbol.asyncDispose]());

async function loadError(name: string): Promise<unknown> {
  const engine = await startEmbedded(folder.path(name));
  const error = await engine.facts().catch((thrown: unknown) => thrown);
  await engine[Symbol.asyncDispose]();
  return error;
}

describe("a file that cannot be loaded", () => {
  test("is named together with why", async () => {
    await writeTinyModel(folder.path("unheard.gguf"), { architecture: "unheard" });
    const whole = await readFile(folder.path("tiny.gguf"));
    await writeFile(folder.path("cut-weights.gguf"), whole);
    await truncate(folder.path("cut-weights.gguf"), whole.length - 100_000);
    await writeFile(folder.path("cut-header.gguf"), whole.subarray(0, 1000));
    const causes = {
      unheard: /architecture/,
      "cut-weights": /bounds|corrupted|incomplete/,
      "cut-header": /./,
    };
    for (const [name, cause] of [...Object.entries(causes), ["gone", /no such file|ENOENT/] as const]) {
      const error = await loadError(`${name}.gguf`);
      expect(error).toMatchObject({ code: "engine_failed", data: { reason: "load_failed" } });
      const { message } = error as Error;
      expect(message).toContain(folder.path(`${name}.gguf`));
      expect(message.slice(message.indexOf("loaded: "))).toMatch(cause);
    }
  }, 60_000);
});

describe("a model for embeddings", () => {
  test("gives vectors of length 1, the same each time, and others for other texts", async () => {
    await writeTinyModel(folder.path("bert.gguf"), { embedding: true });
    const engine = await startEmbedded(folder.path("bert.gguf"), { purpose: "embedding" });
    const inputs = ["hello you", "something else", "hello you"];
    const { vectors, promptTokens } = await engine.embed({ inputs }, { signal });
    expect(vectors.map((vector) => Math.hypot(...vector))).toEqual(
      [1, 1, 1].map((one) => expect.closeTo(one, 6)),
    );
    expect(vectors[2]).toEqual(vectors[0]);
    expect(vectors[1]).not.toEqual(vectors[0]);
    expect(promptTokens).toBeGreaterThan(20);
    await expect(engine.embed({ inputs: ["x".repeat(5000)] }, { signal })).rejects.toMatchObject({
      code: "context_overflow",
      data: { contextTokens: 1024 },
    });
    await expect(say(engine, { prompt: "hello" })).rejects.toMatchObject({ data: { reason: "unsupported" } });
    await engine[Symbol.asyncDispose]();
  });

  test("is not one that was loaded to write", async () => {
    const engine = await startEmbedded(folder.path("tiny.gguf"));
    await expect(engine.embed({ inputs: ["a"] }, { signal })).rejects.toMatchObject({
      data: { reason: "unsupported" },
    });
    await engine[Symbol.asyncDispose]();
  });
});

describe("a generation that is interrupted", () => {
  const long = Array.from({ length: 1000 }, (_, at) => 280 + (at % 70));

  test("reads no further than the slice that it is in", async () => {
    const engine = await startEmbedded(folder.path("tiny.gguf"), { slots: 1, sliceTokens: 32 });
    const abort = new AbortController();
    const running = say(
      engine,
      { prompt: long },
      {
        signal: abort.signal,
        onEvent: (event) => {
          if (event.type === "progress" && event.processed > 0) abort.abort(new Error("enough"));
        },
      },
    );
    await expect(running).rejects.toThrow("enough");
    const state = async () => (await engine.slots())[0];
    while ((await state())?.busy === true) await engine.tokenize("", { special: false, begin: false });
    expect((await state())?.tokens).toBeLessThan(1000);
    await engine[Symbol.asyncDispose]();
  });

  test("fails when its engine is disposed of, and nothing hangs", async () => {
    const engine = await startEmbedded(folder.path("tiny.gguf"));
    let ended: Promise<void> | undefined;
    const running = say(
      engine,
      { prompt: "go", maxTokens: 900 },
      {
        onEvent: (event) => {
          if (event.type === "text") ended ??= engine[Symbol.asyncDispose]();
        },
      },
    );
    await expect(running).rejects.toMatchObject({ data: { reason: "unloaded" } });
    await ended;
  });

  test("waits no longer than the queue is allowed to be", async () => {
    const engine = await startEmbedded(folder.path("tiny.gguf"), { slots: 1, queueLimit: 1 });
    const abort = new AbortController();
    const all = [1, 2, 3].map(async (count) => {
      const seen: string[] = [];
      const options = { signal: abort.signal, onEvent: ({ type }: GenerateEvent) => void seen.push(type) };
      return say(engine, { prompt: `go ${count}`, maxTokens: 900 }, options).catch((thrown: unknown) => ({
        thrown,
        seen,
      }));
    });
    // Not even accepted, so that a server can still answer with a status.
    expect(await Promise.race(all)).toMatchObject({ thrown: { data: { reason: "queue_full" } }, seen: [] });
    abort.abort(new Error("enough"));
    await Promise.all(all);
    const next = await say(engine, { prompt: "go on", maxTokens: 2 });
    expect(next.done.timings.queuedMs).toBeGreaterThanOrEqual(0);
    await engine[Symbol.asyncDispose]();
  });
});
