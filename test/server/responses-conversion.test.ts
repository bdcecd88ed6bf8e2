import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseResponsesBody } from "../../src/server/responses/body.ts";
import { toMessages } from "../../src/server/responses/items.ts";
import { ResponseWriter } from "../../src/server/responses/response-writer.ts";
import type { ResponseEvent } from "../../src/server/responses/response-writer.ts";
import { parseTools } from "../../src/server/responses/tools.ts";
import type { ReplyPart } from "../../src/server/chat/reply-parser.ts";
import { sealText } from "../../src/server/chat/sealed-text.ts";
import { NO_USAGE } from "../../src/server/chat/usage.ts";
import type { Json } from "./_agent.ts";

const PIXEL = "data:image/png;base64,iVBORw0KGgo=";

describe("a conversation of items", () => {
  test("becomes turns: thinking, words and calls of one turn in one message", () => {
    const messages = toMessages(
      [
        { type: "message", role: "developer", content: "rules" },
        { type: "message", role: "user", content: [{ type: "input_text", text: "environment" }] },
        { type: "message", role: "user", content: [{ type: "input_text", text: "look" }] },
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: sealText("hm") },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "I look." }] },
        {
          type: "function_call",
          call_id: "call_1",
          name: "look",
          namespace: "mcp__eyes",
          arguments: { at: 1 },
        },
        { type: "custom_tool_call", call_id: "call_2", name: "patch", input: "+ a" },
        {
          type: "function_call_output",
          call_id: "call_1",
          output: [
            { type: "input_text", text: "see" },
            { type: "input_image", image_url: PIXEL },
          ],
        },
        { type: "custom_tool_call_output", call_id: "call_2", output: "done" },
        { type: "message", role: "developer", content: "careful" },
        { type: "web_search_call", id: "ws_1", status: "completed" },
        { type: "message", role: "user", content: "and?" },
      ],
      "be short",
    );
    expect(messages).toEqual([
      { role: "system", content: "be short\n\nrules" },
      { role: "user", content: "environment\n\nlook" },
      {
        role: "assistant",
        content: "I look.",
        reasoning_content: "hm",
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "mcp__eyes__look", arguments: '{"at":1}' } },
          { id: "call_2", type: "function", function: { name: "patch", arguments: '{"input":"+ a"}' } },
        ],
      },
      { role: "tool", tool_call_id: "call_1", content: "see" },
      { role: "tool", tool_call_id: "call_2", content: "done" },
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url: PIXEL } },
          { type: "text", text: "\n\n" },
          { type: "text", text: "careful" },
          { type: "text", text: "\n\n" },
          { type: "text", text: "and?" },
        ],
      },
    ]);
  });
});

test("a conversation of very many small things takes no longer for that", () => {
  const image = { type: "input_image", image_url: PIXEL };
  const many = (item: (at: number) => Json): Json[] => Array.from({ length: 30_000 }, (_, at) => item(at));
  const call = (at: number): Json => ({ type: "function_call", call_id: `c${at}`, name: "a", arguments: "" });
  const output = (at: number): Json => ({ type: "function_call_output", call_id: `c${at}`, output: [image] });
  const say = (role: string, content: unknown): Json => ({ type: "message", role, content });
  expect(
    toMessages(
      many(() => say("user", [image])),
      "",
    ),
  ).toHaveLength(1);
  expect(
    toMessages(
      many(() => say("user", "a")),
      "",
    ),
  ).toHaveLength(1);
  expect(
    toMessages(
      many(() => say("developer", "a")),
      "a",
    ),
  ).toHaveLength(1);
  expect(
    toMessages(
      many(() => say("assistant", "a")),
      "",
    ),
  ).toHaveLength(1);
  expect(toMessages(many(call), "")).toMatchObject([{ role: "assistant" }]);
  expect(toMessages(many(output), "")).toHaveLength(30_001);
  const parts = { type: "function_call_output", call_id: "c", output: many(() => image) };
  expect(toMessages([parts], "")).toHaveLength(2);
});

describe("the fields of a request", () => {
  test("reach the model in its own words", () => {
    const { request } = parseResponsesBody(
      JSON.stringify({
        input: "a",
        max_output_tokens: 7,
        temperature: 0.1,
        top_p: 0.2,
        seed: 3,
        parallel_tool_calls: false,
        include: ["message.output_text.logprobs"],
        top_logprobs: 2,
        reasoning: { effort: "none" },
        text: { format: { type: "json_schema", name: "x", schema: { type: "object" }, strict: true } },
      }),
    );
    expect(request).toMatchObject({
      maxTokens: 7,
      sampling: { temperature: 0.1, topP: 0.2, seed: 3 },
      parallelCalls: false,
      logprobs: 2,
      format: { type: "schema", schema: { type: "object" }, strict: true },
      templateVariables: { enable_thinking: false, thinking: false },
    });
  });

  test("allow a part of the tools", () => {
    const tool = (name: string): Json => ({ type: "function", name, parameters: {} });
    const { schemas, choice } = parseTools([tool("a"), tool("b")], {
      type: "allowed_tools",
      mode: "required",
      tools: [{ type: "function", name: "b" }],
    });
    expect([schemas.map(({ function: { name } }) => name), choice]).toEqual([["b"], "required"]);
  });

  test("name a tool in a namespace, or in Codex's, which is none", () => {
    const tools = [{ type: "function", name: "a", parameters: {} }];
    const named = (name: string): Json => ({ type: "namespace", name, tools });
    const { identities } = parseTools([named("functions"), named("mcp__x")], null);
    expect([...identities]).toEqual([
      ["a", { type: "function", name: "a" }],
      ["mcp__x__a", { type: "function", name: "a", namespace: "mcp__x" }],
    ]);
  });
});

/** What Vercel's AI SDK checks of each event; one that fails is dropped or ends its stream. */
const logprobs = z.array(
  z.object({
    token: z.string(),
    logprob: z.number(),
    top_logprobs: z.array(z.object({ token: z.string(), logprob: z.number() })),
  }),
);
const usage = z.object({
  input_tokens: z.number(),
  input_tokens_details: z.object({ cached_tokens: z.number() }),
  output_tokens: z.number(),
  output_tokens_details: z.object({ reasoning_tokens: z.number() }),
});
const item = z.discriminatedUnion("type", [
  z.object({ type: z.literal("message"), id: z.string() }),
  z.object({ type: z.literal("reasoning"), id: z.string(), encrypted_content: z.string().nullish() }),
  z.object({
    type: z.literal("function_call"),
    id: z.string(),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    status: z.enum(["in_progress", "completed"]),
  }),
]);
const STRICT: Record<string, z.ZodType> = {
  "response.created": z.object({
    response: z.object({ id: z.string(), created_at: z.number(), model: z.string() }),
  }),
  "response.output_item.added": z.object({ output_index: z.number(), item }),
  "response.output_item.done": z.object({ output_index: z.number(), item }),
  "response.output_text.delta": z.object({ item_id: z.string(), delta: z.string(), logprobs }),
  "response.function_call_arguments.delta": z.object({
    item_id: z.string(),
    output_index: z.number(),
    delta: z.string(),
  }),
  "response.reasoning_summary_part.added": z.object({ item_id: z.string(), summary_index: z.number() }),
  "response.reasoning_summary_text.delta": z.object({
    item_id: z.string(),
    summary_index: z.number(),
    delta: z.string(),
  }),
  "response.completed": z.object({ response: z.object({ usage }) }),
  error: z.object({
    code: z.string(),
    message: z.string(),
    error: z.object({ type: z.string(), code: z.string(), message: z.string() }),
  }),
};

describe("the events of a response", () => {
  const parts: ReplyPart[] = [
    { type: "reasoning", text: "hm" },
    { type: "content", text: "I look." },
    { type: "call_started", index: 0, id: "call_1", name: "look" },
    { type: "call_arguments", index: 0, text: '{"at":1}' },
    { type: "call_started", index: 1, id: "call_2", name: "look" },
    { type: "call_arguments", index: 1, text: '{"at":2}' },
    { type: "content", text: "Done." },
  ];
  const chance = { token: "I", logprob: -0.5, bytes: [73] };

  const create = (): ResponseWriter => {
    let ids = 0;
    return new ResponseWriter({
      head: { id: "resp_1", object: "response", created_at: 1, model: "m" },
      newId: (prefix) => `${prefix}${ids++}`,
      now: () => new Date(0),
      identities: new Map(),
      asSummary: true,
      sealed: true,
    });
  };
  const timings = { promptTokens: 0, cachedTokens: 0, promptMs: 0, completionTokens: 0, completionMs: 0 };
  const run = (writer: ResponseWriter): ResponseEvent[] => [
    ...writer.start(),
    ...parts.flatMap((part) =>
      writer.push({
        type: "part",
        part,
        logprobs: part.type === "content" ? [{ ...chance, top: [chance] }] : [],
      }),
    ),
    ...writer.finish({ type: "finished", reason: "tool_calls", timings, usage: NO_USAGE }).events,
  ];

  test("number every item and every event", () => {
    const events = run(create());
    expect(events.map(({ sequence_number: at }) => at)).toEqual(events.map((_, at) => at));
    const added = events.filter(({ type }) => type === "response.output_item.added");
    expect(added.map(({ output_index: at, item: one }) => [at, (one as Json)["type"]])).toEqual([
      [0, "reasoning"],
      [1, "message"],
      [2, "function_call"],
      [3, "function_call"],
      [4, "message"],
    ]);
    expect(events.at(-1)).toMatchObject({
      type: "response.completed",
      response: {
        output: [
          { summary: [{ type: "summary_text", text: "hm" }], encrypted_content: sealText("hm") },
          { content: [{ text: "I look.", logprobs: [{ ...chance, top_logprobs: [chance] }] }] },
          { call_id: "call_1", arguments: '{"at":1}' },
          { call_id: "call_2", arguments: '{"at":2}' },
          { content: [{ text: "Done." }] },
        ],
      },
    });
  });

  test("have what strict clients look for", () => {
    const writer = create();
    const error = { status: 500 as const, message: "m", type: "server_error", param: null, code: null };
    const failed = create().fail({ ...error, extra: {}, headers: {} });
    expect(failed.map(({ type }) => type)).toEqual([
      "response.created",
      "response.in_progress",
      "error",
      "response.failed",
    ]);
    const checked = new Set<string>();
    for (const event of [...run(writer), ...failed]) {
      STRICT[event.type]?.parse(event);
      checked.add(event.type);
    }
    expect([...checked]).toEqual(expect.arrayContaining(Object.keys(STRICT)));
  });
});
