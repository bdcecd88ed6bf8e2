import * as fc from "../_property.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { parseKeepAlive } from "../../src/server/ollama/keep-alive.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { TOOLS } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import { hostileBodies } from "./_hostile.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

const SMALL = { model: "lmagent-practice", stream: false, keep_alive: "5m" };
const OPTIONS = { num_predict: 1, num_ctx: 256, temperature: 0, top_k: 1, seed: 1, stop: ["x"] };
const CALL = { function: { name: "write", arguments: { path: "a" } } };

const SOUND: Record<string, readonly Json[]> = {
  "/api/chat": [
    {
      ...SMALL,
      options: OPTIONS,
      messages: [{ role: "user", content: "hello" }],
      logprobs: true,
      top_logprobs: 1,
    },
    {
      ...SMALL,
      options: OPTIONS,
      messages: [
        { role: "assistant", content: "", thinking: "x", tool_calls: [CALL] },
        { role: "tool", tool_name: "write", content: "ok" },
      ],
      tools: TOOLS,
      format: "",
      think: false,
    },
  ],
  "/api/generate": [
    { ...SMALL, options: OPTIONS, prompt: "hello", system: "x", context: [] },
    { ...SMALL, options: OPTIONS, prompt: "hello", raw: true },
    { ...SMALL, options: OPTIONS, prompt: "hello", images: ["iVBORw0KGgo="] },
  ],
  "/api/embed": [{ model: "lmagent-practice", input: ["x"], truncate: true, dimensions: 8 }],
  "/api/embeddings": [{ model: "lmagent-practice", prompt: "x" }],
  "/api/show": [{ model: "lmagent-practice", verbose: true }],
  "/api/pull": [{ model: "hf.co/a/b:Q4_K_M", stream: false }],
};

let server: InProcessServer;

beforeAll(async () => {
  // A small window ends what has lost its limit.
  const entry = { ...(await toFileEntry(PRACTICE_MODEL)), maxContextTokens: 256 };
  server = await startInProcess([entry]);
  const { signal } = new AbortController();
  await server.models.load(entry.key, { contextTokens: 256 }, { signal });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe("whatever a client sends to Ollama's routes", () => {
  for (const [path, sound] of Object.entries(SOUND))
    test(`\`${path}\` answers it, or says what is wrong with it`, async () => {
      await fc.assert(
        fc.asyncProperty(hostileBodies(sound), async (body) => {
          const { status, text } = await server.post(path, body, { signal: AbortSignal.timeout(10_000) });
          expect([200, 400, 404, 503]).toContain(status);
          if (status === 200) return;
          expect(JSON.parse(text)).toEqual({ error: expect.stringMatching(/\S/) as string });
        }),
        { numRuns: path === "/api/chat" || path === "/api/generate" ? 80 : 30 },
      );
    });

  test("it serves on afterwards", async () => {
    const answer = await server.post("/api/chat", {
      ...SMALL,
      messages: [{ role: "user", content: "hello" }],
    });
    expect(answer.status).toBe(200);
  });
});

describe("`keep_alive`", () => {
  test("is seconds or a duration of Go; below zero means for ever", () => {
    const cases: [string | number, number | null | undefined][] = [
      [0, 0],
      [30, 30_000],
      [1.5, 1_500],
      [-1, null],
      ["0", 0],
      ["-1", null],
      ["5m", 300_000],
      ["1h30m", 5_400_000],
      ["-1m", null],
      ["1.5s", 1_500],
      ["250ms", 250],
      ["9999999h", null],
      ["", undefined],
      ["five minutes", undefined],
      ["5 m", undefined],
      ["5d", undefined],
      ["m", undefined],
    ];
    for (const [value, ms] of cases) expect([value, parseKeepAlive(value)]).toEqual([value, ms]);
  });

  test("takes no time to read, however odd", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (text) => {
        const ms = parseKeepAlive(text);
        expect(ms === undefined || ms === null || ms >= 0).toBe(true);
      }),
    );
    expect(parseKeepAlive(`${"1".repeat(50)}.${"1".repeat(49)}`)).toBeNull();
    expect(parseKeepAlive(`${"1s".repeat(45)}x`)).toBeUndefined();
  });
});
