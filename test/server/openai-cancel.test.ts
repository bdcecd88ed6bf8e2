/** Clients that go: whatever a request is doing then ends, on every route of OpenAI's. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import type { LoadedModel } from "../../src/engine/manager/model-manager.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { waitFor } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

let folder: string;
let server: InProcessServer;

const CHAT = "lmagent-practice";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-cancel-"));
  const embedding = join(folder, "embedding.gguf");
  await writeTinyModel(embedding, { embedding: true, contextTokens: 512 });
  server = await startInProcess([
    await toFileEntry(PRACTICE_MODEL),
    { ...(await toFileEntry(embedding)), purpose: "embedding" },
  ]);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const findModel = (id: string): LoadedModel | undefined =>
  server.models.loaded().find((model) => model.id === id);

/** Nobody uses the model, and none of its slots works. */
async function isIdle(id: string): Promise<boolean> {
  const model = findModel(id);
  if (model === undefined || model.users > 0) return false;
  return id !== CHAT || (await model.engine.slots()).every(({ busy }) => !busy);
}

/** Sends it, goes as soon as `until` holds, and waits until nothing of it is left. */
async function leave(path: string, body: Json, until: () => Promise<boolean> | boolean): Promise<void> {
  const abort = new AbortController();
  const sent = server.post(path, body, { signal: abort.signal });
  sent.catch(() => undefined);
  expect(await waitFor(until, 10_000)).toBe(true);
  abort.abort();
  await expect(sent).rejects.toThrow(/abort/i);
  expect(await waitFor(() => isIdle(String(body["model"])), 5_000)).toBe(true);
}

const isBusy = async (): Promise<boolean> =>
  ((await findModel(CHAT)?.engine.slots()) ?? []).some(({ busy }) => busy);

/** Each writes until the window is full. */
const ENDLESS: Record<string, Json> = {
  "/v1/chat/completions": { messages: [{ role: "user", content: "hello" }] },
  "/v1/completions": { prompt: "hello" },
};
const LONG: Record<string, Json> = {
  "/v1/chat/completions": { messages: [{ role: "user", content: "chat ".repeat(600) }] },
  "/v1/completions": { prompt: "plain ".repeat(600) },
};

describe("a client that goes", () => {
  test("while the model loads is waited for no longer", async () => {
    const body = { model: CHAT, ...ENDLESS["/v1/chat/completions"] };
    let used = 0;
    await leave("/v1/chat/completions", body, () => {
      used = findModel(CHAT)?.users ?? 0;
      return used > 0;
    });
    expect(used).toBe(1);
    expect(findModel(CHAT)?.stats().requests).toBe(0);
  });

  test("ends what is written, streamed or not, one answer or several", async () => {
    for (const [path, request] of Object.entries(ENDLESS)) {
      for (const more of [{}, { stream: true }, { n: 4 }, { n: 4, stream: true }])
        await leave(path, { model: CHAT, ignore_eos: true, ...request, ...more }, isBusy);
    }
  });

  test("ends the reading of its prompt", async () => {
    for (const [path, request] of Object.entries(LONG)) {
      const body = { model: CHAT, ...request, id_slot: 1, max_tokens: 1 };
      const reads = async (): Promise<boolean> => {
        const slot = (await findModel(CHAT)?.engine.slots())?.[1];
        return slot?.busy === true && slot.tokens > 100 && slot.tokens < 600;
      };
      await leave(path, body, reads);
      const { json } = await server.post(path, body);
      const { cache_n: cached, prompt_n: read } = json["timings"] as { cache_n: number; prompt_n: number };
      expect(cached).toBeGreaterThan(0);
      expect(read).toBeGreaterThan(256);
    }
  });

  test("gives up its place in the queue", async () => {
    const abort = new AbortController();
    const body = { model: CHAT, ...ENDLESS["/v1/completions"], ignore_eos: true };
    const busy = [0, 1].map((slot) =>
      server.post("/v1/completions", { ...body, id_slot: slot }, { signal: abort.signal }),
    );
    for (const one of busy) one.catch(() => undefined);
    expect(await waitFor(isBusy, 5_000)).toBe(true);
    const place = new AbortController();
    const waiting = server.post(
      "/v1/chat/completions",
      { model: CHAT, ...ENDLESS["/v1/chat/completions"] },
      { signal: place.signal },
    );
    waiting.catch(() => undefined);
    expect(await waitFor(() => (findModel(CHAT)?.stats().queued ?? 0) > 0, 5_000)).toBe(true);
    place.abort();
    expect(await waitFor(() => findModel(CHAT)?.stats().queued === 0, 5_000)).toBe(true);
    abort.abort();
    expect(await waitFor(() => isIdle(CHAT), 5_000)).toBe(true);
  });

  test("ends its embeddings", async () => {
    const input = Array.from({ length: 2048 }, (_, at) => `text ${at} ${"word ".repeat(40)}`);
    await leave(
      "/v1/embeddings",
      { model: "embedding", input },
      () => (findModel("embedding")?.users ?? 0) > 0,
    );
    const next = await server.post("/v1/embeddings", { model: "embedding", input: "x" });
    expect(next.status).toBe(200);
  });
});
