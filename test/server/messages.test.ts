import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import type { MessageParam, RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ask, CREATED } from "./_agent.ts";
import { ANSWER, KEY, MESSAGE_TOOLS, startDialects, THOUGHT } from "./_dialects.ts";
import type { Dialects } from "./_dialects.ts";
import { readEvents } from "./_sse.ts";

let server: Dialects;
let client: Anthropic;

beforeAll(async () => {
  server = await startDialects();
  client = new Anthropic({ baseURL: server.url, apiKey: KEY, authToken: null, maxRetries: 0 });
});

afterAll(() => server[Symbol.asyncDispose]());

const CREATE = 'create a file notes.txt with the text "buy milk"';
const BASE = { model: "practice", max_tokens: 300, temperature: 0 };

const say = (content: string): MessageParam[] => [{ role: "user", content }];

async function collect(stream: AsyncIterable<RawMessageStreamEvent>): Promise<RawMessageStreamEvent[]> {
  const events: RawMessageStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** One of a row of the same ones. */
function typesOf(events: readonly RawMessageStreamEvent[]): string[] {
  return events
    .map((event) => (event.type === "content_block_delta" ? event.delta.type : event.type))
    .filter((type, at, all) => type !== all[at - 1]);
}

describe("a message", () => {
  test("has all fields that clients require", async () => {
    const message = await client.messages.create({
      ...BASE,
      messages: say("hello"),
      system: [{ type: "text", text: "Be short.", cache_control: { type: "ephemeral" } }],
      metadata: { user_id: "u" },
    });
    expect(message).toMatchObject({
      id: expect.stringMatching(/^msg_/) as string,
      type: "message",
      role: "assistant",
      model: "practice",
      content: [{ type: "text", text: expect.stringMatching(/./) as string }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: {
        input_tokens: expect.any(Number) as number,
        output_tokens: expect.any(Number) as number,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: expect.any(Number) as number,
      },
    });
    expect(message._request_id).toMatch(/^req_/);
  });

  test("streams its text in the order of Anthropic's events", async () => {
    const stream = client.messages.stream({ ...BASE, messages: say("hello") });
    const events = await collect(stream);
    expect(typesOf(events)).toEqual([
      "message_start",
      "content_block_start",
      "text_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    const final = await stream.finalMessage();
    const whole = await client.messages.create({ ...BASE, messages: say("hello") });
    expect(final.content).toEqual(whole.content);
    expect(final.stop_reason).toBe("end_turn");
    expect(Object.keys(final)).toEqual(expect.arrayContaining(Object.keys(whole)));
  });

  test("pings, and names each event in its frame", async () => {
    const { text } = await server.post("/v1/messages?beta=true", {
      ...BASE,
      messages: say("hello"),
      stream: true,
    });
    const events = readEvents(text);
    expect(events.slice(0, 2).map(({ event }) => event)).toEqual(["message_start", "ping"]);
    for (const { event, data } of events) expect(event).toBe(data["type"]);
    expect(text).not.toContain("[DONE]");
  });

  test("counts as input what had to be read, and what the cache gave beside it", async () => {
    const messages = say("create a file counted.txt with the text tokens");
    const body = { ...BASE, messages, max_tokens: 1 };
    const { input_tokens: counted } = await client.messages.countTokens({ model: "practice", messages });
    const first = await client.messages.create(body);
    const events = await collect(client.messages.stream(body));
    const { usage: again } = events[0]?.type === "message_start" ? events[0].message : { usage: undefined };
    const total = (usage: typeof again): number =>
      (usage?.input_tokens ?? 0) + (usage?.cache_read_input_tokens ?? 0);
    expect(total(first.usage)).toBe(counted);
    expect(total(again)).toBe(counted);
    expect(again?.cache_read_input_tokens).toBeGreaterThan(first.usage.cache_read_input_tokens ?? 0);
    expect(events.find(({ type }) => type === "message_delta")).toMatchObject({
      delta: { stop_reason: "max_tokens" },
      usage: { input_tokens: again?.input_tokens, output_tokens: 1 },
    });
  });

  test("does without `max_tokens`", async () => {
    const { status, json } = await server.post("/v1/messages", { model: "practice", messages: say("hello") });
    expect([status, json["stop_reason"]]).toEqual([200, "end_turn"]);
  });

  test("ends before a stop sequence, and says which", async () => {
    const message = await client.messages.create({
      ...BASE,
      messages: say("hello"),
      stop_sequences: ["nowhere", " practice"],
    });
    expect(message).toMatchObject({
      stop_reason: "stop_sequence",
      stop_sequence: " practice",
      content: [{ text: expect.not.stringContaining("practice") as string }],
    });
  });

  test("is counted without a model that would have to be loaded first, as a guess that says so", async () => {
    await using other = await startDialects();
    const { status, json, headers } = await other.post("/v1/messages/count_tokens", {
      model: "practice",
      messages: say("hello ".repeat(100)),
    });
    expect([status, headers["x-token-count"]]).toEqual([200, "estimate"]);
    expect(json["input_tokens"]).toBeGreaterThan(100);
    expect(other.models.loaded()).toEqual([]);
  });

  test("goes on from words that were put into its mouth", async () => {
    const whole = await client.messages.create({ ...BASE, messages: say("hello") });
    const [block] = whole.content;
    const text = block?.type === "text" ? block.text : "";
    const message = await client.messages.create({
      ...BASE,
      messages: [...say("hello"), { role: "assistant", content: text.slice(0, 6) }],
    });
    expect(message.content).toMatchObject([{ type: "text", text: text.slice(6) }]);
  });

  test("keeps to a schema", async () => {
    const shape = z.object({ city: z.enum(["Rome", "Oslo"]), far: z.boolean() });
    const { parsed_output: parsed } = await client.messages.parse({
      ...BASE,
      messages: say("hello"),
      output_config: { format: zodOutputFormat(shape) },
    });
    expect(shape.parse(parsed)).toEqual(parsed);
  });
});

describe("a tool", () => {
  test("is called, and its result taken", async () => {
    const first = await client.messages.create({ ...BASE, messages: say(CREATE), tools: MESSAGE_TOOLS });
    expect(first.stop_reason).toBe("tool_use");
    const [call] = first.content;
    expect(call).toMatchObject({
      type: "tool_use",
      name: "write",
      input: { path: "notes.txt", content: "buy milk" },
    });
    if (call?.type !== "tool_use") throw new Error("no call");
    const second = await client.messages.create({
      ...BASE,
      messages: [
        ...say(CREATE),
        { role: "assistant", content: first.content },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: call.id,
              content: [{ type: "text", text: CREATED }],
            },
          ],
        },
      ],
      tools: MESSAGE_TOOLS,
    });
    expect(second.stop_reason).toBe("end_turn");
    expect(second.usage.cache_read_input_tokens).toBeGreaterThan(0);
  });

  test("streams its input as it comes", async () => {
    const stream = client.messages.stream({
      ...BASE,
      messages: say(CREATE),
      tools: MESSAGE_TOOLS,
      tool_choice: { type: "tool", name: "write", disable_parallel_tool_use: true },
    });
    const events = await collect(stream);
    expect(typesOf(events)).toEqual([
      "message_start",
      "content_block_start",
      "input_json_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    expect(events[1]).toMatchObject({
      index: 0,
      content_block: { type: "tool_use", name: "write", input: {} },
    });
    const { content } = await stream.finalMessage();
    expect(content).toMatchObject([{ input: { path: "notes.txt", content: "buy milk" } }]);
  });

  test("runs in the loop of Anthropic's own runner", async () => {
    const written: unknown[] = [];
    const tools = MESSAGE_TOOLS.map(({ name, description, input_schema: inputSchema }) =>
      betaTool({
        name,
        description,
        inputSchema,
        run: (input) => {
          written.push([name, input]);
          return CREATED;
        },
      }),
    );
    const message = await client.beta.messages.toolRunner({
      ...BASE,
      messages: [{ role: "user", content: CREATE }],
      tools,
      max_iterations: 3,
      betas: ["a-beta-from-the-future-2099-01-01"],
    });
    expect(written).toEqual([["write", { path: "notes.txt", content: "buy milk" }]]);
    expect(message.stop_reason).toBe("end_turn");
  });

  test("needs no conversation again when the server holds it as a thread", async () => {
    const thread = client.beta.messages.thread({ ...BASE, tools: MESSAGE_TOOLS, messages: [] });
    const first = await thread.send([{ role: "user", content: CREATE }]);
    const [call] = first.content;
    if (call?.type !== "tool_use") throw new Error("no call");
    const result = { type: "tool_result" as const, tool_use_id: call.id, content: CREATED };
    const second = await thread.send([{ role: "user", content: [result] }]);
    expect(thread.previousMessageId).toBe(second.id);
    const whole = await client.beta.messages.create({
      ...BASE,
      tools: MESSAGE_TOOLS,
      messages: thread.messages.slice(0, -1),
    });
    expect(second.content).toEqual(whole.content);
  });

  test("of a thread that the server has lost is asked for again with all of it", async () => {
    const lost = { type: "continue", previous_message_id: "msg_gone" };
    const body = { ...BASE, messages: say("hello"), thread: lost };
    const { status, json } = await server.post("/v1/messages", body);
    expect(status).toBe(404);
    expect(json).toMatchObject({
      type: "error",
      error: { type: "not_found_error", details: { error_code: "thread_not_found" } },
    });
  });

  test("that only Anthropic runs is refused by its name", async () => {
    const tools = [{ type: "web_search_20250305" as const, name: "web_search" as const }];
    await expect(client.messages.create({ ...BASE, messages: say("hello"), tools })).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
      message: expect.stringContaining("web_search_20250305") as string,
    });
  });
});

describe("thinking", () => {
  const THINKER = { model: "thinker", max_tokens: 100, temperature: 0, messages: say("2 + 2?") };

  test("is a block with a signature before the answer, for clients that ask for it", async () => {
    const stream = client.messages.stream({ ...THINKER, thinking: { type: "enabled", budget_tokens: 1024 } });
    const events = await collect(stream);
    expect(typesOf(events)).toEqual([
      "message_start",
      "content_block_start",
      "thinking_delta",
      "signature_delta",
      "content_block_stop",
      "content_block_start",
      "text_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    const { content, usage } = await stream.finalMessage();
    expect(content).toEqual([
      { type: "thinking", thinking: THOUGHT, signature: expect.stringMatching(/./) as string },
      { type: "text", text: ANSWER },
    ]);
    expect(usage.output_tokens_details?.thinking_tokens).toBeGreaterThan(0);
  });

  test("is left out for clients that do not", async () => {
    for (const thinking of [undefined, { type: "disabled" as const }]) {
      const { content } = await client.messages.create({ ...THINKER, ...(thinking ? { thinking } : {}) });
      expect(content).toEqual([{ type: "text", text: ANSWER }]);
    }
  });

  test("that is not shown is in the signature, and comes back from there", async () => {
    const { content } = await client.messages.create({
      ...THINKER,
      thinking: { type: "adaptive", display: "omitted" },
    });
    const [thought] = content;
    expect(thought).toMatchObject({ type: "thinking", thinking: "" });
    const count = async (block: object): Promise<number> => {
      const turns = [...THINKER.messages, { role: "assistant", content: [block] }, ...say("why?")];
      const messages = turns as MessageParam[];
      return (await client.messages.countTokens({ model: "thinker", messages })).input_tokens;
    };
    const shown = { type: "thinking", thinking: THOUGHT, signature: "" };
    expect(await count(thought as object)).toBe(await count(shown));
  });
});

describe("what Claude Code sends", () => {
  const body = (cch: string): object => ({
    ...BASE,
    max_tokens: 1,
    system: [
      {
        type: "text",
        text: `x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch=${cch};`,
      },
      { type: "text", text: "You are Claude Code.", cache_control: { type: "ephemeral", ttl: "1h" } },
    ],
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: "<system-reminder>" },
          { type: "text", text: "hello", cache_control: { type: "ephemeral" } },
        ],
      },
    ],
    tools: MESSAGE_TOOLS.map((tool) => ({ ...tool, eager_input_streaming: true })),
    thinking: { type: "adaptive" },
    context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    output_config: { effort: "high" },
    metadata: { user_id: "user_1" },
  });

  test("has a header in its prompt that changes, and is read from the cache all the same", async () => {
    await server.post("/v1/messages?beta=true", body("fa690"));
    const { status, json } = await server.post("/v1/messages?beta=true", body("12345"), {
      headers: { "anthropic-version": "2023-06-01", "anthropic-beta": "claude-code-20250219,nothing-known" },
    });
    expect(status).toBe(200);
    expect(json["usage"]).toMatchObject({ input_tokens: 1 });
  });

  test("begins with a question whether there is a server, without a key", async () => {
    for (const [method, path] of [
      ["HEAD", "/api/hello"],
      ["GET", "/api/hello"],
      ["HEAD", "/"],
    ] as const)
      expect((await ask(server.url + path, { method })).status).toBe(200);
  });

  test("comes with the key in either header", async () => {
    const messages = say("hello");
    for (const headers of [{ authorization: "", "x-api-key": KEY }, { authorization: `Bearer ${KEY}` }])
      expect(
        (await server.post("/v1/messages/count_tokens", { model: "practice", messages }, { headers })).status,
      ).toBe(200);
  });
});
