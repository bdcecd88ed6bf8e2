import { afterEach, describe, expect, it } from "vitest";
import type { AgentError } from "../../src/core/index.ts";
import type {
  Script,
  ScriptedReply,
  ScriptedServer,
  ScriptedServerOptions,
} from "../../src/testing/index.ts";
import {
  brokenReply,
  errorReply,
  htmlReply,
  jsonReply,
  startScriptedServer,
  streamReply,
  textReply,
  toChunk,
} from "../../src/testing/index.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
const start = async (script: Script, options?: ScriptedServerOptions) => {
  server = await startScriptedServer(script, options);
  return server.url;
};
const retries = (events: readonly { type: string }[]) => events.filter((event) => event.type === "retry");
const NOW = { headers: { "retry-after": "0" } };

describe("a request that is worth sending again", () => {
  it.each([
    ["a failure of the server", errorReply(500, "boom")],
    ["a bad gateway", htmlReply("<h1>Bad gateway</h1>", { status: 502 })],
    ["too many requests", errorReply(429, "slow down", NOW)],
    ["a model that is loading", errorReply(503, "Loading model", { type: "unavailable_error" })],
    ["a connection closed before the answer", { parts: [{ do: "close" }] }],
    ["a connection closed before the first part", brokenReply(textReply("lost"), 0)],
    ["a connection closed after the role", brokenReply(textReply("lost"), 1)],
    ["an empty answer that ends cleanly", { parts: [] }],
    [
      "an error inside the stream before the first part",
      streamReply([{ error: { message: "slot unavailable", code: 500 } }]),
    ],
  ] as [string, ScriptedReply][])("is sent again after %s", async (_name, reply) => {
    const { events, reply: made } = await runModel(createModel(await start([reply, textReply("there")])));
    expect(made.text).toBe("there");
    expect(retries(events)).toMatchObject([
      { attempt: 1, delayMs: expect.any(Number), why: expect.stringMatching(/\w/) },
    ]);
  });

  it("waits as long as the server asks", async () => {
    const url = await start([
      errorReply(429, "slow down", { headers: { "retry-after": "0.2" } }),
      textReply("there"),
    ]);
    const { events } = await runModel(createModel(url));
    expect(retries(events)).toMatchObject([{ delayMs: 200 }]);
    const [first, second] = server?.chats ?? [];
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThan(190);
  });

  it("is given up after a few times, with the server's words", async () => {
    const url = await start(() => errorReply(500, "out of\n  luck", NOW));
    await expect(runModel(createModel(url, { maxRetries: 2 }))).rejects.toMatchObject({
      code: "model_unavailable",
      message: expect.stringMatching(/500: out of luck$/),
    });
    expect(server?.chats).toHaveLength(3);
  });

  it("is sent more often while the model loads", async () => {
    const loading = errorReply(503, "Loading model", NOW);
    const url = await start((_request, chats) => (chats < 9 ? loading : textReply("loaded")));
    const { reply, events } = await runModel(createModel(url, { maxRetries: 1 }));
    expect(reply.text).toBe("loaded");
    expect(retries(events)).toHaveLength(8);
  });
});

describe("a request that is refused", () => {
  it.each([
    [400, errorReply(400, "messages is empty")],
    [401, errorReply(401, "Invalid API key")],
    [404, htmlReply("<h1>Not\n found</h1>", { status: 404 })],
    [413, jsonReply("too large", { status: 413 })],
    [422, jsonReply({ detail: [{ loc: ["body"], msg: "field required" }] }, { status: 422 })],
  ])("is not sent again (status %s), and shows what the server said", async (status, reply) => {
    const url = await start(() => reply);
    const error = await runModel(createModel(url)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "model_rejected", data: { status } });
    expect((error as Error).message).not.toMatch(/[\n<]/);
    expect(server?.chats).toHaveLength(1);
  });

  it.each([
    ["a grammar that cannot be read", errorReply(500, "Failed to parse grammar")],
    ["a template that refuses", errorReply(500, "Jinja Exception: System message must be at the beginning.")],
    [
      "too little memory",
      jsonReply({ error: "model requires more system memory (9 GiB) than is available" }, { status: 500 }),
    ],
    ["no tools", jsonReply({ error: { message: "llama2 does not support tools" } }, { status: 400 })],
  ])("for good is not sent again: %s", async (_name, reply) => {
    const url = await start(() => reply);
    await expect(runModel(createModel(url))).rejects.toMatchObject({ code: "model_rejected" });
    expect(server?.chats).toHaveLength(1);
  });

  it.each([
    [403, undefined, /refused access \(status 403\)\. If it needs/],
    [401, undefined, /asks for an API key \(status 401\)\. Set `LLM_API_KEY`/],
    [403, "sk-a", /refused the API key \(status 403\)\. Set/],
  ])("without a word (status %s, key %s) is told apart", async (status, apiKey, message) => {
    const url = await start(() => htmlReply("", { status }));
    await expect(runModel(createModel(url, { apiKey }))).rejects.toMatchObject({
      code: "model_rejected",
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ["in a refusal", () => errorReply(401, "Incorrect API key provided: sk-secret-1.")],
    ["at the end of what is shown", () => errorReply(400, `${"x".repeat(395)} sk-secret-1`)],
    ["in a page", () => htmlReply("<p>Authorization: Bearer sk-secret-1</p>", { status: 403 })],
    ["in JSON of its own", () => jsonReply({ headers: { authorization: "sk-secret-1" } }, { status: 400 })],
    ["in a failure", () => errorReply(500, "proxy sent sk-secret-1", NOW)],
    ["in a redirect", () => ({ status: 302, headers: { location: "/?key=sk-secret-1" }, parts: [] })],
    [
      "in an error inside the stream",
      () => streamReply([{ error: { message: "key sk-secret-1", code: 400 } }]),
    ],
    ["in a reply", () => jsonReply({ echo: "sk-secret-1" })],
  ] as [string, () => ScriptedReply][])(
    "never shows the key that the server repeats %s",
    async (_name, reply) => {
      const url = await start(reply);
      const shown: unknown[] = [];
      const model = createModel(url, { apiKey: "sk-secret-1", maxRetries: 1 });
      try {
        for await (const event of model.stream(REQUEST, { signal: new AbortController().signal }))
          shown.push(event);
      } catch (thrown) {
        const error = thrown as AgentError;
        shown.push(error.message, error.stack, error.data, String(error.cause));
      }
      expect(shown.length).toBeGreaterThan(1);
      expect(JSON.stringify(shown)).not.toMatch(/sk-s/);
    },
  );

  it("shortens a long answer to one line", async () => {
    const url = await start(() => errorReply(400, "x ".repeat(5_000)));
    const error = await runModel(createModel(url)).catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message.length).toBeLessThan(600);
  });

  it("for its model names the models that are there", async () => {
    const routes = { "GET /v1/models": jsonReply({ data: [{ id: "qwen3-8b" }, { id: "gemma-3" }] }) };
    const url = await start(() => errorReply(404, "model not found", { code: "model_not_found" }), {
      routes,
    });
    await expect(runModel(createModel(url, { id: "qwen9" }))).rejects.toMatchObject({
      code: "model_rejected",
      message: expect.stringMatching(/no model `qwen9`.*`qwen3-8b`, `gemma-3`/),
    });
  });

  it("by a redirect is not followed", async () => {
    const url = await start(() => ({
      status: 307,
      headers: { location: "https://elsewhere.example/v1" },
      parts: [],
    }));
    await expect(runModel(createModel(url, { apiKey: "k" }))).rejects.toMatchObject({
      code: "model_protocol",
      message: expect.stringMatching(/elsewhere/),
    });
  });
});

describe("a conversation that does not fit", () => {
  const llama = {
    error: {
      code: 400,
      message: "the request exceeds the available context size, try increasing it",
      type: "exceed_context_size_error",
      n_prompt_tokens: 9000,
      n_ctx: 4096,
    },
  };
  const both = { promptTokens: 9000, contextTokens: 4096 };
  it.each([
    ["llama-server", jsonReply(llama, { status: 400 }), both],
    [
      "llama-server of old",
      errorReply(400, "the request exceeds the available context size (4096 tokens), try increasing it"),
      { contextTokens: 4096 },
    ],
    [
      "llama-server in words",
      errorReply(
        400,
        "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
      ),
      both,
    ],
    ["llama-server inside the stream", streamReply([llama]), both],
    [
      "OpenAI",
      errorReply(
        400,
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 9000 tokens.",
        { code: "context_length_exceeded" },
      ),
      both,
    ],
    [
      "vLLM",
      jsonReply(
        {
          object: "error",
          message:
            "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens (8500 in the messages, 500 in the completion).",
          code: 400,
        },
        { status: 400 },
      ),
      { ...both, promptTokens: 8_500 },
    ],
    [
      "vLLM of late",
      errorReply(
        400,
        "You passed 9000 input tokens and requested 100 output tokens. However, the model's context length is only 4096 tokens.",
      ),
      both,
    ],
    [
      "LM Studio",
      jsonReply(
        {
          error:
            "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 9000 >= n_ctx: 4096).",
        },
        { status: 400 },
      ),
      both,
    ],
    [
      "LM Studio in a string",
      jsonReply(
        "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens",
        { status: 400 },
      ),
      both,
    ],
    [
      "LM Studio with status 200",
      jsonReply({
        error:
          "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens",
      }),
      both,
    ],
    [
      "Ollama",
      jsonReply({ error: { message: "the input length exceeds the context length" } }, { status: 400 }),
      {},
    ],
    [
      "Ollama as a failure",
      jsonReply({ error: "prompt too long; exceeded max context length by 100 tokens" }, { status: 500 }),
      {},
    ],
    ["Anthropic", errorReply(400, "prompt is too long: 9000 tokens > 4096 maximum"), both],
  ])("is an overflow with its counts: %s", async (_name, reply, counts) => {
    const url = await start(() => reply);
    const error = await runModel(createModel(url, { maxRetries: 0 })).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "context_overflow", data: counts });
    expect(server?.chats).toHaveLength(1);
  });

  it("is an overflow also in the middle of a reply", async () => {
    const reply = streamReply([
      toChunk({ content: "some words" }),
      { error: { message: "Context size has been exceeded." } },
    ]);
    await expect(runModel(createModel(await start([reply])))).rejects.toMatchObject({
      code: "context_overflow",
    });
  });

  it("is none when only the limit of the reply is too large", async () => {
    const message =
      "'max_tokens' is too large: 9000. This model's maximum context length is 4096 tokens and your request has 50 input tokens";
    const url = await start((request) =>
      /max_\w*tokens/.test(request.body) ? errorReply(400, message) : textReply("ok"),
    );
    const { reply } = await runModel(createModel(url), { request: { ...REQUEST, maxTokens: 9000 } });
    expect(reply.text).toBe("ok");
  });
});

describe("a server that speaks something else", () => {
  it.each([
    [
      "a web page",
      htmlReply(
        "<!doctype html><html><head><style>b{}</style></head><body><h1>Welcome</h1> to nginx</body></html>",
      ),
      /web page: `Welcome to nginx`/,
    ],
    ["garbage", { parts: ["lorem ipsum\n\ndolor"] }, /not the chat protocol: `lorem ipsum dolor`/],
    ["garbage in frames", { parts: ["data: lorem ipsum\n\n"] }, /not the chat protocol: `lorem ipsum`/],
    ["another document", jsonReply({ hello: "world" }), /not the chat protocol: `{"hello":"world"}`/],
  ])("is named as such: %s", async (_name, reply, message) => {
    const error = await runModel(createModel(await start(() => reply), { maxRetries: 0 })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ message: expect.stringMatching(message) });
  });

  it("in one frame of many does not spoil the reply", async () => {
    const reply = streamReply([
      toChunk({ content: "one " }),
      "data: {broken\n\n",
      toChunk({ content: "two" }),
      toChunk({}, { finish: "stop" }),
    ]);
    expect((await runModel(createModel(await start([reply])))).reply).toMatchObject({
      text: "one two",
      finish: "stop",
    });
  });

  it("of an unknown route with status 200 is refused (LM Studio)", async () => {
    const url = await start(() =>
      jsonReply({ error: "Unexpected endpoint or method. (POST /v1/chat/completions)" }),
    );
    await expect(runModel(createModel(url, { maxRetries: 0 }))).rejects.toMatchObject({
      message: expect.stringMatching(/Unexpected endpoint/),
    });
  });
});

describe("a reply that breaks off", () => {
  it("keeps what came and says that it was cut", async () => {
    const { reply, shown } = await runModel(
      createModel(await start([brokenReply(textReply("one two three"), 3)])),
    );
    expect(reply).toMatchObject({ text: "one two", finish: "cut" });
    expect(shown).toBe("one two");
    expect(server?.chats).toHaveLength(1);
  });

  it("is cut too when the server ends cleanly without saying why", async () => {
    const reply = textReply("one two three", { finish: null, done: false });
    expect((await runModel(createModel(await start([reply])))).reply).toMatchObject({
      text: "one two three",
      finish: "cut",
    });
  });

  it("runs no call", async () => {
    const reply = streamReply(
      [
        toChunk({
          tool_calls: [{ index: 0, id: "a", function: { name: "shell", arguments: '{"command": "ls"}' } }],
        }),
      ],
      { done: false },
    );
    const { reply: made } = await runModel(createModel(await start([reply])));
    expect(made).toMatchObject({
      finish: "cut",
      calls: [{ arguments: undefined, problem: expect.stringMatching(/cut off/) }],
    });
  });

  it("with a failure of the server in its middle keeps what came, and what the server said", async () => {
    const reply = streamReply([
      toChunk({ content: "some" }),
      toChunk({
        tool_calls: [{ index: 0, id: "a", function: { name: "shell", arguments: '{"command": "ls"}' } }],
      }),
      toChunk({}, { finish: "tool_calls" }),
      { error: { message: "model\ncrashed" } },
    ]);
    const { reply: made } = await runModel(createModel(await start([reply])));
    expect(made).toMatchObject({
      text: "some",
      finish: "cut",
      failure: "model crashed",
      calls: [{ arguments: undefined, problem: expect.stringMatching(/cut off/) }],
    });
    expect(server?.chats).toHaveLength(1);
  });

  it("with a refusal for good in its middle is that error", async () => {
    const reply = streamReply([
      toChunk({ content: "some" }),
      { error: { message: "Failed to parse grammar", code: 400 } },
    ]);
    await expect(runModel(createModel(await start([reply])))).rejects.toMatchObject({
      code: "model_rejected",
      message: expect.stringMatching(/parse grammar/),
    });
  });
});
