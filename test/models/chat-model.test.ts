import { afterEach, describe, expect, it } from "vitest";
import type { Message } from "../../src/core/message.ts";
import type {
  ScriptedReply,
  ScriptedServer,
  ScriptedServerOptions,
  Script,
} from "../../src/testing/index.ts";
import {
  callReply,
  errorReply,
  hangingReply,
  jsonReply,
  startScriptedServer,
  streamReply,
  textReply,
  toChunk,
} from "../../src/testing/index.ts";
import type { Transport } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import { findProfile } from "../../src/models/profile.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";
import { TOOLS } from "./tools.ts";

let server: ScriptedServer;
afterEach(() => server.close());
const start = async (script: Script, options?: ScriptedServerOptions) => {
  server = await startScriptedServer(script, options);
  return server.url;
};

const TOUCH = { command: "touch ran_a" };
const CALL = { name: "shell", arguments: TOUCH };
const RAN = [{ name: "shell", arguments: TOUCH }];

describe("quirks of local servers", () => {
  const quirks: Record<string, ScriptedReply> = {
    "normal calls": callReply([CALL]),
    "finish `stop` with calls": callReply([CALL], { finish: "stop" }),
    "no finish at all": callReply([CALL], { finish: null }),
    "no [DONE]": callReply([CALL], { done: false }),
    "no index": callReply([CALL], { style: "no_index" }),
    "no id": callReply([CALL], { style: "no_id" }),
    "an empty id": callReply([CALL], { style: "empty_id" }),
    "a whole call in one frame": callReply([CALL], { style: "whole" }),
    "arguments as an object": callReply([CALL], { style: "object" }),
    "a trailing comma": callReply([{ name: "shell", arguments: '{"command": "touch ran_a",}' }]),
    "arguments encoded twice": callReply([
      { name: "shell", arguments: JSON.stringify(JSON.stringify(TOUCH)) },
    ]),
    "Hermes in the content": textReply(`<tool_call>\n${JSON.stringify(CALL)}\n</tool_call>`),
    "Qwen XML in the content": textReply(
      "<function=shell>\n<parameter=command>\ntouch ran_a\n</parameter>\n</function>",
    ),
    "fenced JSON in the content": textReply(`\`\`\`json\n${JSON.stringify(CALL)}\n\`\`\``),
    "a call after thinking": callReply([CALL], { thinking: "I need a file.", thinkingField: "reasoning" }),
    "a document instead of a stream": jsonReply({
      choices: [
        {
          index: 0,
          finish_reason: "tool_calls",
          message: {
            role: "assistant",
            content: null,
            tool_calls: [
              { id: "a", type: "function", function: { name: "shell", arguments: JSON.stringify(TOUCH) } },
            ],
          },
        },
      ],
      usage: { prompt_tokens: 9, completion_tokens: 5 },
    }),
    "comments and CR LF": {
      headers: { "content-type": "text/event-stream" },
      parts: [
        ": ping\r\n\r\n",
        `data:${JSON.stringify(toChunk({ tool_calls: [{ index: 0, id: "a", function: { name: "shell", arguments: JSON.stringify(TOUCH) } }] }))}\r\n\r\n`,
        ": ping\r\n\r\ndata: [DONE]\r\n\r\n",
      ],
    },
  };
  it.each(Object.entries(quirks))("do not lose the call: %s", async (_name, reply) => {
    const { reply: made } = await runModel(createModel(await start([reply])));
    expect(made.calls).toMatchObject(RAN);
    expect(made).toMatchObject({ finish: "tool_calls", text: "" });
  });

  it("run both calls when both come at index 0", async () => {
    const calls = [
      { ...CALL, id: "a" },
      { name: "get_time", arguments: {}, id: "b" },
    ];
    const { reply } = await runModel(createModel(await start([callReply(calls, { style: "index_zero" })])));
    expect(reply.calls).toMatchObject([
      { id: "a", arguments: TOUCH },
      { id: "b", name: "get_time", arguments: {} },
    ]);
  });

  it("keep a raw newline inside a string", async () => {
    const call = { name: "write", arguments: '{"path": "a", "content": "one\ntwo"}' };
    const { reply } = await runModel(createModel(await start([callReply([call])])));
    expect(reply.calls).toMatchObject([{ arguments: { content: "one\ntwo" }, rescued: "repaired JSON" }]);
  });

  it("never run arguments that the length limit cut", async () => {
    const call = { name: "shell", arguments: '{"command": "rm -rf build' };
    const { reply } = await runModel(createModel(await start([callReply([call], { finish: "length" })])));
    expect(reply).toMatchObject({
      finish: "length",
      calls: [{ arguments: undefined, problem: expect.stringMatching(/cut off/) }],
    });
  });

  it("show an empty answer and thinking alone for what they are", async () => {
    const model = createModel(await start([textReply(""), textReply("", { thinking: "Hm." })]));
    expect((await runModel(model)).reply).toEqual({ text: "", thinking: "", calls: [], finish: "stop" });
    expect((await runModel(model)).reply).toEqual({ text: "", thinking: "Hm.", calls: [], finish: "stop" });
  });

  it("show an announcement without a call as text", async () => {
    const { reply } = await runModel(createModel(await start([textReply("I'll run the command now:")])));
    expect(reply).toMatchObject({ text: "I'll run the command now:", calls: [], finish: "stop" });
  });

  it("take a closing tag alone for the end of thinking", async () => {
    const { reply } = await runModel(
      createModel(await start([textReply("2 + 2 is 4.\n</think>\n\nIt is 4.")])),
    );
    expect(reply).toMatchObject({ text: "It is 4.", thinking: "2 + 2 is 4." });
  });

  it("take a document for complete although it does not say so", async () => {
    const reply = jsonReply({ choices: [{ message: { role: "assistant", content: "Done." } }] });
    expect((await runModel(createModel(await start([reply])))).reply).toMatchObject({
      text: "Done.",
      finish: "stop",
    });
  });

  it("survive bytes that are split inside a character", async () => {
    const bytes = new TextEncoder().encode(
      `data: ${JSON.stringify(toChunk({ content: "Grüße 🙂" }))}\n\ndata: [DONE]\n\n`,
    );
    const parts = Array.from(bytes, (byte) => Uint8Array.of(byte));
    const { reply } = await runModel(createModel(await start([{ parts }])));
    expect(reply.text).toBe("Grüße 🙂");
  });
});

describe("ids of calls", () => {
  it("are made up where a server gives none, and differ from all earlier ones", async () => {
    const messages: Message[] = [
      { role: "user", content: "go" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "call_0", type: "function", function: { name: "ls", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "call_0", content: "" },
    ];
    const url = await start([
      callReply([CALL]),
      callReply([CALL, { name: "ls", arguments: {} }], { style: "no_id" }),
    ]);
    const again = await runModel(createModel(url), { request: { messages, tools: TOOLS } });
    expect(again.reply.calls[0]?.id).toMatch(/^[a-z0-9]{9}$/);
    const ids = (await runModel(createModel(url))).reply.calls.map((call) => call.id);
    expect(new Set(ids).size).toBe(2);
  });
});

describe("usage and progress", () => {
  it("are read from OpenAI's fields, once and before the end", async () => {
    const usage = { prompt_tokens: 100, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 90 } };
    const { events } = await runModel(createModel(await start([textReply("hi", { usage })])));
    expect(events.slice(-2)).toMatchObject([
      { type: "usage", usage: { promptTokens: 100, cachedTokens: 90, completionTokens: 7 } },
      { type: "finished" },
    ]);
  });

  it("are read from the timings of llama-server", async () => {
    const timings = {
      prompt_n: 10,
      cache_n: 90,
      prompt_per_second: 200.5,
      predicted_n: 7,
      predicted_per_second: 30,
    };
    const progress = { choices: [], prompt_progress: { total: 100, cache: 90, processed: 95, time_ms: 3 } };
    const reply = textReply("hi", { timings });
    const { events } = await runModel(
      createModel(
        await start([{ ...reply, parts: [`data: ${JSON.stringify(progress)}\n\n`, ...reply.parts] }]),
      ),
    );
    expect(events[0]).toEqual({ type: "prefill_progress", total: 100, processed: 95, cached: 90 });
    expect(events.at(-2)).toEqual({
      type: "usage",
      usage: {
        promptTokens: 100,
        cachedTokens: 90,
        completionTokens: 7,
        prefillTokensPerSecond: 200.5,
        decodeTokensPerSecond: 30,
      },
    });
  });
});

describe("the request", () => {
  const conversation: Message[] = [
    { role: "system", content: "Be brief." },
    {
      role: "user",
      content: [
        { type: "text", text: "look" },
        { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
      ],
    },
    {
      role: "assistant",
      content: null,
      reasoning_content: "hm",
      tool_calls: [{ id: "a", type: "function", function: { name: "ls", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "a", content: "a.txt" },
    { role: "assistant", content: "One file." },
    { role: "user", content: "thanks" },
  ];

  it("is the beginning of the next one, whatever order the keys of messages have", async () => {
    const model = createModel(await start(() => textReply("ok")));
    for (let end = 2; end <= conversation.length; end += 1) {
      const messages = conversation
        .slice(0, end)
        .map((message) => Object.fromEntries(Object.entries(message).reverse()) as unknown as Message);
      await runModel(model, {
        request: { messages: end % 2 ? messages : conversation.slice(0, end), tools: TOOLS },
      });
    }
    const bodies = server.chats.map((chat) => chat.body);
    for (const [at, body] of bodies.slice(1).entries()) {
      expect(body.startsWith((bodies[at] ?? "x").slice(0, -"]}".length))).toBe(true);
    }
    expect(server.chats.at(-1)?.json).toMatchObject({ messages: conversation, tools: TOOLS });
  });

  it("holds no half of a character, which strict servers refuse, and is still the beginning of the next one", async () => {
    const model = createModel(await start(() => textReply("ok")));
    const cut = "half \ud83d, late \ude00, whole 🙂, C:\\ud83d";
    const messages: Message[] = [
      { role: "user", content: [{ type: "text", text: cut }] },
      {
        role: "assistant",
        content: cut,
        reasoning_content: cut,
        // As `JSON.stringify` writes them, and a pair as servers that write ASCII do.
        tool_calls: [
          {
            id: "a",
            type: "function",
            function: { name: "shell", arguments: '{"command":"\\ud83d \\ud83d\\ude42 \\\\ud83d"}' },
          },
        ],
      },
      { role: "tool", tool_call_id: "a", content: cut },
    ];
    for (const end of [1, 3]) {
      await runModel(model, { request: { messages: messages.slice(0, end), tools: TOOLS } });
    }
    const [first = "", second = ""] = server.chats.map((chat) => chat.body);
    expect(second.startsWith(first.slice(0, -"]}".length))).toBe(true);
    const text = "half \ufffd, late \ufffd, whole 🙂, C:\\ud83d";
    expect(server.chats[1]?.json).toMatchObject({
      messages: [
        { content: [{ text }] },
        {
          content: text,
          reasoning_content: text,
          tool_calls: [{ function: { arguments: '{"command":"\ufffd \\ud83d\\ude42 \\\\ud83d"}' } }],
        },
        { content: text },
      ],
    });
  });

  it("carries only what every server takes, unless the server is known to have slots", async () => {
    const routes = {
      "GET /props": jsonReply({ default_generation_settings: { n_ctx: 4096 }, total_slots: 2 }),
    };
    const url = await start(() => textReply("ok"), { routes });
    const model = createModel(url);
    await runModel(model, { request: { ...REQUEST, slot: 1 } });
    await model.describe({});
    await runModel(model, {
      request: { ...REQUEST, slot: 1, temperature: 0.2, maxTokens: 50, toolChoice: "required" },
    });
    const [first, second] = server.chats.map((chat) => chat.json as Record<string, unknown>);
    expect(Object.keys(first ?? {})).toEqual(["model", "stream", "stream_options", "tools", "messages"]);
    expect(second).toMatchObject({
      cache_prompt: true,
      return_progress: true,
      id_slot: 1,
      temperature: 0.2,
      max_tokens: 50,
      response_format: { type: "json_schema" },
    });
  });

  it("carries the key and asks for a stream", async () => {
    await runModel(createModel(await start([textReply("ok")]), { apiKey: "sk-1" }));
    expect(server.chats[0]?.headers).toMatchObject({
      authorization: "Bearer sk-1",
      accept: "text/event-stream",
    });
  });

  it("takes what its profile says", async () => {
    await runModel(createModel(await start([textReply("ok")]), { id: "lmagent-practice-1" }));
    const { maxTokens } = findProfile("lmagent-practice-1");
    expect(maxTokens).toBeGreaterThan(0);
    expect(server.chats[0]?.json).toMatchObject({ temperature: 0, max_tokens: maxTokens });
  });

  it.each([
    ["stream_options", { error: { message: "Unrecognized request argument supplied: stream_options" } }],
    ["temperature", { error: "'temperature' is not supported with this model" }],
    ["tool_choice", { error: { message: "tool_choice must be a string" } }],
    [
      "max_tokens",
      { error: { message: "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead." } },
    ],
    [
      "reasoning_content",
      { detail: [{ type: "extra_forbidden", loc: ["body", "messages", 2, "reasoning_content"] }] },
    ],
  ])("goes again without `%s` when that is refused, and never with it again", async (field, body) => {
    const url = await start((request) =>
      request.body.includes(`"${field}":`) ? jsonReply(body, { status: 400 }) : textReply("ok"),
    );
    const model = createModel(url);
    const request = {
      messages: conversation,
      tools: TOOLS,
      temperature: 0.5,
      maxTokens: 10,
      toolChoice: "required" as const,
    };
    const { events } = await runModel(model, { request });
    expect(events.some((event) => event.type === "retry")).toBe(false);
    await runModel(model, { request });
    expect(server.chats.map((chat) => chat.body.includes(`"${field}":`))).toEqual([true, false, false]);
  });

  it("uses the newer name of a field where the server asks for it", async () => {
    const message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
    const url = await start([errorReply(400, message), textReply("ok")]);
    await runModel(createModel(url), { request: { ...REQUEST, maxTokens: 10 } });
    expect(server.chats[1]?.json).toMatchObject({ max_completion_tokens: 10 });
  });

  it("does not go again for a field that it did not carry", async () => {
    const model = createModel(await start(() => errorReply(400, "tool_choice is wrong")));
    await expect(runModel(model)).rejects.toMatchObject({ code: "model_rejected" });
    expect(server.chats).toHaveLength(1);
  });
});

describe("a connection", () => {
  it.each([
    ["with [DONE]", textReply("ok")],
    ["without [DONE]", textReply("ok", { done: false })],
    ["as one document", jsonReply({ choices: [{ message: { content: "ok" }, finish_reason: "stop" }] })],
  ] as [string, ScriptedReply][])(
    "is used again by a request that follows at once, after a reply %s",
    async (_name, reply) => {
      const model = createModel(await start(() => reply));
      for (let turn = 0; turn < 20; turn += 1) await runModel(model);
      expect(server.chats).toHaveLength(20);
      // Not one: on a busy machine the end of a body may come late.
      expect(server.connections).toBeLessThan(10);
    },
  );

  it("is free again at the end of a reply although its body ends a moment after [DONE]", async () => {
    const url = await start(() => textReply("ok"));
    let ended = 0;
    const transport: Transport = {
      async send(request) {
        const response = await createHttpTransport().send(request);
        const chunks: Uint8Array[] = [];
        for await (const chunk of response.body) chunks.push(chunk);
        const body = async function* (): AsyncGenerator<Uint8Array> {
          yield* chunks;
          await new Promise((resolve) => setTimeout(resolve, 1));
          ended += 1;
        };
        return { ...response, body: body() };
      },
    };
    const model = createModel(url, { transport });
    for (let turn = 1; turn <= 5; turn += 1) {
      await runModel(model);
      expect(ended).toBe(turn);
    }
  });

  it("that the server leaves open after [DONE] does not hold the reply up", async () => {
    const whole = textReply("ok");
    const model = createModel(await start(() => hangingReply(whole, whole.parts.length)));
    expect((await runModel(model)).reply).toMatchObject({ text: "ok", finish: "stop" });
    expect(server.chats[0]?.abandoned).toBe(false);
    expect((await runModel(model)).reply.text).toBe("ok");
    await expect.poll(() => server.chats.map((chat) => chat.abandoned)).toEqual([true, true]);
  });

  it("is closed when the reader leaves early", async () => {
    const frames = Array.from({ length: 2_000 }, () => toChunk({ content: "word " }));
    const reply = streamReply(frames);
    const url = await start([{ ...reply, parts: [...reply.parts.slice(0, 20), { do: "hang" }] }]);
    for await (const event of createModel(url).stream(REQUEST, { signal: new AbortController().signal })) {
      if (event.type === "text_delta") break;
    }
    await expect.poll(() => server.chats[0]?.abandoned).toBe(true);
  });
});
