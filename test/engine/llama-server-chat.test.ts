/** The whole way from a client's request to a `llama-server` and back: what the server makes of it must not depend on the engine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chooseBackend } from "../../src/engine/backend.ts";
import { createFixedCatalog, toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { createModelManager } from "../../src/engine/manager/model-manager.ts";
import type { ModelManager } from "../../src/engine/manager/model-manager.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { TOOLS } from "../server/_agent.ts";
import { startInProcess } from "../server/_in-process.ts";
import type { InProcessServer } from "../server/_in-process.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { PRACTICE, TOO_LONG } from "./_practice.ts";
import { findTestLlamaServer } from "./_llama-server.ts";

const found = findTestLlamaServer();
const path = typeof found === "string" ? "" : found.path;
const MODEL = "lmagent-practice";
const ASK = [{ role: "user", content: "read the file notes.txt" }] as const;

describe.runIf(path !== "")("a chat over llama-server", () => {
  let folder: string;
  let models: ModelManager;
  let server: InProcessServer;
  let client: OpenAI;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "lmagent-chat-"));
    const thinking = join(folder, "thinking.gguf");
    const embedding = join(folder, "embedding.gguf");
    await writeTinyModel(thinking, {
      script: ["<think>", "hm, ", "well", "</think>", "\n\n", "Done", "."],
      chatTemplate: "{% for m in messages %}{{ m.content }}{% endfor %}{# <think> #}",
    });
    await writeTinyModel(embedding, { embedding: true, width: 32, contextTokens: 64 });
    const entries = [
      await toFileEntry(PRACTICE_MODEL),
      await toFileEntry(thinking),
      { ...(await toFileEntry(embedding)), purpose: "embedding" as const },
    ];
    const choice = await chooseBackend({
      order: ["host"],
      host: { configured: path, environment: {} },
      createEmbedded: () => expect.unreachable("the program works"),
      log: () => {},
    });
    models = createModelManager({
      catalog: createFixedCatalog(entries),
      createEngine: (plan, entry) => choice.createEngine({ ...plan, threads: 1 }, entry),
      log: () => {},
    });
    server = await startInProcess(entries, { models });
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    await models?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(["auto", "required", { type: "function", function: { name: "read" } }] as const)(
    "calls a tool when the choice is %j",
    async (tool_choice) => {
      const { choices, usage } = await client.chat.completions.create({
        model: MODEL,
        messages: [...ASK],
        tools: TOOLS,
        tool_choice,
        temperature: 0,
      });
      const [call] = choices[0]?.message.tool_calls ?? [];
      expect(choices[0]?.finish_reason).toBe("tool_calls");
      expect(call).toMatchObject({ type: "function", function: { name: "read" } });
      expect(JSON.parse(call?.type === "function" ? call.function.arguments : "")).toEqual({
        path: "notes.txt",
      });
      expect(usage?.completion_tokens).toBeGreaterThan(5);
    },
  );

  it("streams a call, and counts what was cached", async () => {
    const ask = async (): Promise<OpenAI.ChatCompletion> =>
      client.chat.completions
        .stream({
          model: MODEL,
          messages: [...ASK],
          tools: TOOLS,
          temperature: 0,
          stream_options: { include_usage: true },
        })
        .finalChatCompletion();
    await ask();
    const { choices, usage } = await ask();
    expect(choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: "read" } });
    expect(usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(3);
  });

  it("answers in the form of a schema", async () => {
    const schema = {
      type: "object",
      properties: { name: { type: "string", maxLength: 8 }, size: { enum: [1, 2] } },
      required: ["name", "size"],
      additionalProperties: false,
    };
    const { choices } = await client.chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "Hi" }],
      response_format: { type: "json_schema", json_schema: { name: "file", strict: true, schema } },
      temperature: 0,
      max_tokens: 200,
    });
    const answer = JSON.parse(choices[0]?.message.content ?? "") as Record<string, unknown>;
    expect(Object.keys(answer).toSorted()).toEqual(["name", "size"]);
    expect([1, 2]).toContain(answer["size"]);
  });

  it("keeps thinking apart from the answer", async () => {
    const { choices } = await client.chat.completions.create({
      model: "thinking",
      messages: [{ role: "user", content: "Hi" }],
      temperature: 0,
    });
    expect(choices[0]?.message).toMatchObject({ content: "Done.", reasoning_content: "hm, well" });
  });

  it("gives log-probabilities, and ends at a stop string", async () => {
    const request = { model: MODEL, messages: [{ role: "user", content: "Hi" }], temperature: 0 } as const;
    const whole = await client.chat.completions.create({
      ...request,
      messages: [...request.messages],
      logprobs: true,
      top_logprobs: 2,
    });
    const text = whole.choices[0]?.message.content ?? "";
    const tokens = whole.choices[0]?.logprobs?.content ?? [];
    expect(tokens.map(({ token }) => token).join("")).toBe(text);
    expect(tokens[0]?.top_logprobs).toHaveLength(2);
    const stop = text.slice(4, 8);
    const cut = await client.chat.completions.create({ ...request, messages: [...request.messages], stop });
    expect(cut.choices[0]?.message.content).toBe(text.slice(0, text.indexOf(stop)));
  });

  it("refuses what does not fit, with both counts", async () => {
    const messages = [{ role: "user" as const, content: TOO_LONG }];
    const refused = await client.chat.completions.create({ model: MODEL, messages }).then(
      () => expect.unreachable(),
      (thrown: unknown) => thrown,
    );
    expect(refused).toMatchObject({
      status: 400,
      code: "context_length_exceeded",
      error: { n_ctx: PRACTICE.contextTokens },
    });
  });

  it("makes embeddings with a model for that", async () => {
    const { data, usage } = await client.embeddings.create({ model: "embedding", input: ["a cat", "a dog"] });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([32, 32]);
    expect(usage.prompt_tokens).toBeGreaterThan(2);
  });

  it("stops when the client goes", async () => {
    const stream = await client.completions.create({
      model: MODEL,
      prompt: "Hi",
      max_tokens: 1_500,
      stream: true,
    });
    for await (const _ of stream) break;
    const engine = models.loaded().find(({ id }) => id === MODEL)?.engine;
    await expect.poll(async () => (await engine?.slots())?.some(({ busy }) => busy)).toBe(false);
  });
});
