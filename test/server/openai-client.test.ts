/** OpenAI's own client, end to end over real models. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, {
  APIConnectionError,
  APIUserAbortError,
  BadRequestError,
  NotFoundError,
  RateLimitError,
} from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { engineFailed } from "../../src/engine/engine-failure.ts";
import type { GenerateEvent } from "../../src/engine/protocol.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE, TOO_LONG } from "../engine/_practice.ts";
import { CREATED, TOOLS, waitFor } from "./_agent.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

let folder: string;
let server: InProcessServer;
let client: OpenAI;

const CHAT = "lmagent-practice";
const EMBEDDING = "publisher/embedding";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-openai-"));
  const embedding = join(folder, "embedding.gguf");
  const thinking = join(folder, "thinking.gguf");
  await writeTinyModel(embedding, { embedding: true, width: 32, contextTokens: 64 });
  await writeTinyModel(thinking, {
    script: ["<think>", "hm, ", "well", "</think>", "\n\n", "Done", "."],
    chatTemplate: "{% for m in messages %}{{ m.content }}{% endfor %}{# <think> #}",
  });
  server = await startInProcess([
    await toFileEntry(PRACTICE_MODEL),
    { ...(await toFileEntry(embedding)), key: EMBEDDING, purpose: "embedding" },
    await toFileEntry(thinking),
  ]);
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "none", maxRetries: 0 });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const CREATE = { role: "user", content: 'create a file notes.txt with the text "buy milk"' } as const;
/** No request holds a slot any more. */
const isIdle = async (): Promise<boolean> => {
  const model = server.models.loaded().find(({ id }) => id === CHAT);
  return model === undefined || (await model.engine.slots()).every(({ busy }) => !busy);
};

describe("OpenAI's client", () => {
  test("gets an answer with its usage", async () => {
    const completion = await client.chat.completions.create({
      model: CHAT,
      messages: [{ role: "user", content: "hello" }],
      temperature: 0,
    });
    expect(completion.object).toBe("chat.completion");
    expect(completion.choices[0]?.message.content).toMatch(/practice model/);
    expect(completion.usage).toMatchObject({
      completion_tokens: expect.any(Number) as number,
      total_tokens: (completion.usage?.prompt_tokens ?? 0) + (completion.usage?.completion_tokens ?? 0),
    });
  });

  test("streams an answer, and its helper puts it together", async () => {
    const body = { model: CHAT, messages: [CREATE], tools: TOOLS, temperature: 0 };
    let pieces = "";
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
      pieces += chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? "";
    expect(JSON.parse(pieces)).toEqual({ path: "notes.txt", content: "buy milk" });
    const final = await client.chat.completions
      .stream({ ...body, stream_options: { include_usage: true } })
      .finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe("tool_calls");
    const [call] = final.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ type: "function", function: { name: "write", arguments: pieces } });
    expect(final.usage?.total_tokens).toBeGreaterThan(0);
  });

  test("runs tools until the model has an answer", async () => {
    const written: unknown[] = [];
    const runner = client.chat.completions.runTools({
      model: CHAT,
      messages: [CREATE],
      temperature: 0,
      tools: TOOLS.map(({ function: tool }) => ({
        type: "function" as const,
        function: {
          ...tool,
          parse: JSON.parse,
          function: (input: unknown) => {
            written.push([tool.name, input]);
            return CREATED;
          },
        },
      })),
    });
    expect(await runner.finalContent()).toMatch(/notes\.txt/);
    expect(written).toEqual([["write", { path: "notes.txt", content: "buy milk" }]]);
  });

  test("parses answers that are kept to a schema", async () => {
    const completion = await client.chat.completions.parse({
      model: CHAT,
      messages: [CREATE],
      temperature: 0,
      max_tokens: 200,
      response_format: {
        type: "json_schema",
        json_schema: {
          name: "verdict",
          strict: true,
          schema: {
            type: "object",
            properties: { verdict: { enum: ["good", "bad"] }, sure: { type: "boolean" } },
            required: ["verdict", "sure"],
            additionalProperties: false,
          },
        },
      },
    });
    expect(JSON.parse(completion.choices[0]?.message.content ?? "")).toEqual({
      verdict: expect.stringMatching(/^(good|bad)$/) as string,
      sure: expect.any(Boolean) as boolean,
    });
    expect(completion.choices[0]?.message.parsed).toBeTruthy();
  });

  test("gets thinking beside the answer, counted", async () => {
    const completion = await client.chat.completions.create({
      model: "thinking",
      messages: [{ role: "user", content: "x" }],
      temperature: 0,
    });
    expect(completion.choices[0]?.message).toEqual({
      role: "assistant",
      content: "Done.",
      reasoning_content: "hm, well",
    });
    expect(completion.usage?.completion_tokens_details?.reasoning_tokens).toBeGreaterThan(0);
  });

  test("gets the same vectors as numbers and, as it asks for by itself, in base64", async () => {
    const input = ["one thing", "another"];
    const packed = await client.embeddings.create({ model: EMBEDDING, input });
    const plain = await client.embeddings.create({ model: EMBEDDING, input, encoding_format: "float" });
    expect(packed.data.map(({ embedding }) => embedding.length)).toEqual([32, 32]);
    packed.data.forEach(({ embedding }, at) =>
      embedding.forEach((value, index) =>
        expect(value).toBeCloseTo(plain.data[at]?.embedding[index] ?? 9, 5),
      ),
    );
    const [short] = (await client.embeddings.create({ model: EMBEDDING, input: "one thing", dimensions: 8 }))
      .data;
    expect(short?.embedding.length).toBe(8);
    expect(Math.hypot(...(short?.embedding ?? []))).toBeCloseTo(1, 5);
    expect(packed.usage.prompt_tokens).toBeGreaterThan(0);
  });

  test("completes a plain prompt, whole and streamed", async () => {
    const body = { model: CHAT, prompt: "<|user|>hello<|end|><|assistant|>", max_tokens: 12, temperature: 0 };
    const { choices, usage } = await client.completions.create(body);
    let streamed = "";
    for await (const chunk of await client.completions.create({ ...body, stream: true }))
      streamed += chunk.choices[0]?.text ?? "";
    expect(streamed).toBe(choices[0]?.text);
    expect(streamed).not.toBe("");
    expect(usage?.completion_tokens).toBeGreaterThan(0);
  });

  test("lists the models, and finds one whose id has a slash", async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids.toSorted()).toEqual([CHAT, EMBEDDING, "thinking"].toSorted());
    expect(await client.models.retrieve(EMBEDDING)).toMatchObject({ id: EMBEDDING, object: "model" });
  });

  test("meets its own kinds of errors", async () => {
    const messages = [CREATE];
    await expect(client.chat.completions.create({ model: "gpt-4", messages })).rejects.toBeInstanceOf(
      NotFoundError,
    );
    await expect(client.models.retrieve("no/such")).rejects.toBeInstanceOf(NotFoundError);
    const wrong = client.chat.completions.create({ model: CHAT, messages, temperature: 9 });
    await expect(wrong).rejects.toBeInstanceOf(BadRequestError);
    await expect(wrong).rejects.toMatchObject({ param: "temperature" });
    const long = client.chat.completions.create({
      model: CHAT,
      messages: [{ role: "user", content: TOO_LONG }],
    });
    await expect(long).rejects.toMatchObject({
      status: 400,
      code: "context_length_exceeded",
      message: expect.stringContaining(
        `This model's maximum context length is ${PRACTICE.contextTokens} tokens`,
      ) as string,
    });
    const embedder = client.chat.completions.create({ model: EMBEDDING, messages });
    await expect(embedder).rejects.toMatchObject({ status: 400, code: "unsupported" });
    const chat = client.embeddings.create({ model: CHAT, input: "x" });
    await expect(chat).rejects.toMatchObject({ status: 400, code: "unsupported" });
    const tooLong = client.embeddings.create({ model: EMBEDDING, input: "word ".repeat(200) });
    await expect(tooLong).rejects.toMatchObject({ status: 400, code: "context_length_exceeded" });
  });

  test("leaves in the middle, and the generation ends", async () => {
    const body = { model: CHAT, messages: [CREATE], temperature: 2, ignore_eos: true };
    const stream = await client.chat.completions.create({ ...body, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
    expect(await waitFor(isIdle, 5_000)).toBe(true);
    const abort = new AbortController();
    const whole = client.chat.completions.create(body, { signal: abort.signal });
    expect(await waitFor(async () => !(await isIdle()), 5_000)).toBe(true);
    abort.abort();
    await expect(whole).rejects.toBeInstanceOf(APIUserAbortError);
    expect(await waitFor(isIdle, 5_000)).toBe(true);
  });

  test("tries again later when the queue is full", async () => {
    const model = server.models.loaded().find(({ id }) => id === CHAT);
    const { generate } = model!.engine;
    let asked = 0;
    // The queue of the engine is long; what counts here is what the client makes of the answer.
    model!.engine.generate = function full(...args) {
      asked += 1;
      return asked === 1 ? refuse() : generate.apply(this, args);
    };
    try {
      const impatient = client.chat.completions.create({ model: CHAT, messages: [CREATE] });
      await expect(impatient).rejects.toBeInstanceOf(RateLimitError);
      asked = 0;
      const patient = client.withOptions({ maxRetries: 1 });
      const { choices } = await patient.chat.completions.create({
        model: CHAT,
        messages: [CREATE],
        max_tokens: 3,
      });
      expect(choices).toHaveLength(1);
      expect(asked).toBe(2);
    } finally {
      model!.engine.generate = generate;
    }
  });

  test("says so when there is nobody", async () => {
    const nobody = new OpenAI({ baseURL: "http://127.0.0.1:9/v1", apiKey: "none", maxRetries: 0 });
    await expect(nobody.models.list()).rejects.toBeInstanceOf(APIConnectionError);
  });
});

/** Fails with the first step, as a generation does that finds no place. */
async function* refuse(): AsyncGenerator<GenerateEvent, void, void> {
  yield await Promise.reject<GenerateEvent>(engineFailed("queue_full", "64 requests are waiting already."));
}
