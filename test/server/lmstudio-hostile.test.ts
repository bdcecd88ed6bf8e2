import * as fc from "../_property.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import type { Json } from "./_agent.ts";
import { hostileBodies } from "./_hostile.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

const KEY = "lmagent-practice";

const SOUND: Record<string, readonly Json[]> = {
  "/api/v1/chat": [
    {
      model: KEY,
      input: [{ type: "text", content: "hello" }],
      system_prompt: "x",
      integrations: [],
      stream: false,
      temperature: 0,
      top_p: 1,
      top_k: 1,
      min_p: 0,
      repeat_penalty: 1,
      max_output_tokens: 1,
      reasoning: "off",
      context_length: 256,
      store: true,
      previous_response_id: null,
      ttl: 60,
    },
    { model: KEY, input: "hello", max_output_tokens: 1 },
  ],
  "/api/v0/chat/completions": [
    { model: KEY, messages: [{ role: "user", content: "hello" }], max_tokens: 1, ttl: 60, stream: false },
  ],
  "/api/v0/completions": [{ model: KEY, prompt: "hello", max_tokens: 1, ttl: 60, stream: false }],
  "/api/v0/embeddings": [{ model: KEY, input: ["x"], ttl: 60 }],
  "/api/v1/models/download": [{ model: "a/b", quantization: "Q4_K_M" }],
  "/api/v1/models/load": [
    { model: KEY, eval_batch_size: 512, flash_attention: false, num_experts: 0, echo_load_config: true },
  ],
  "/api/v1/models/unload": [{ instance_id: "nothing" }],
};

let server: InProcessServer;

beforeAll(async () => {
  // A small window ends what has lost its limit.
  const entry = { ...(await toFileEntry(PRACTICE_MODEL)), maxContextTokens: 256 };
  server = await startInProcess([entry]);
  await server.post("/api/v1/models/load", { model: KEY, context_length: 256 });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe("whatever a client sends to LM Studio's routes", () => {
  for (const [path, sound] of Object.entries(SOUND))
    test(`\`${path}\` answers it, or says what is wrong with it`, async () => {
      await fc.assert(
        fc.asyncProperty(hostileBodies(sound), async (body) => {
          const { status, text } = await server.post(path, body, { signal: AbortSignal.timeout(10_000) });
          expect([200, 400, 404, 503]).toContain(status);
          if (status === 200) return;
          expect((JSON.parse(text) as Json)["error"]).toMatchObject({
            message: expect.stringMatching(/\S/) as string,
            type: expect.stringMatching(
              path.startsWith("/api/v0") ? /_error$/ : /^(invalid_request|model_not_found|not_implemented)$/,
            ) as string,
          });
        }),
        { numRuns: path === "/api/v1/chat" ? 80 : 30 },
      );
    });

  test("it serves on afterwards", async () => {
    const answer = await server.post("/api/v1/chat", { model: KEY, input: "hello" });
    expect(answer.status).toBe(200);
  });
});
