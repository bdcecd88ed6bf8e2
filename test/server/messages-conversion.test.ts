import { describe, expect, test } from "vitest";
import { toMessages } from "../../src/server/messages/blocks.ts";
import { parseMessagesBody } from "../../src/server/messages/body.ts";
import { MessageWriter } from "../../src/server/messages/message-writer.ts";
import type { ThinkingDisplay } from "../../src/server/messages/body.ts";
import { createThreads } from "../../src/server/messages/threads.ts";
import type { ReplyPart } from "../../src/server/chat/reply-parser.ts";
import { NO_USAGE } from "../../src/server/chat/usage.ts";
import type { Json } from "./_agent.ts";

const PIXEL = { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" };
const PIXEL_URL = { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } };

const threads = createThreads({ maxEntries: 1, maxBytes: 1, ttlMs: 1, now: () => new Date(0) });
const parse = (more: Json): ReturnType<typeof parseMessagesBody> =>
  parseMessagesBody(JSON.stringify({ messages: [{ role: "user", content: "a" }], ...more }), threads);

describe("a conversation of blocks", () => {
  test("has the results of tools right after their calls, and images in them as the user's", () => {
    const call = { type: "tool_use", id: "toolu_1", name: "look", input: { at: "cat" } };
    const messages = toMessages(
      [
        {
          role: "user",
          content: [
            { type: "image", source: PIXEL },
            { type: "text", text: "What is it?" },
          ],
        },
        {
          role: "assistant",
          content: [{ type: "thinking", thinking: "hm" }, { type: "text", text: "I look." }, call],
        },
        {
          role: "user",
          content: [
            { type: "text", text: "Go on." },
            { type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "image", source: PIXEL }] },
            { type: "tool_result", tool_use_id: "toolu_2", is_error: true, content: "no such file" },
            { type: "tool_result", tool_use_id: "toolu_3" },
          ],
        },
      ],
      null,
    );
    expect(messages).toEqual([
      { role: "user", content: [PIXEL_URL, { type: "text", text: "What is it?" }] },
      {
        role: "assistant",
        content: "I look.",
        reasoning_content: "hm",
        tool_calls: [
          { id: "toolu_1", type: "function", function: { name: "look", arguments: '{"at":"cat"}' } },
        ],
      },
      { role: "tool", tool_call_id: "toolu_1", content: "(image)" },
      { role: "tool", tool_call_id: "toolu_2", content: "Error: no such file" },
      { role: "tool", tool_call_id: "toolu_3", content: "" },
      { role: "user", content: [PIXEL_URL, { type: "text", text: "Go on." }] },
    ]);
  });

  test("joins turns of the same role, and leaves out what only Anthropic can read", () => {
    const messages = toMessages(
      [
        { role: "user", content: "a" },
        { role: "user", content: [{ type: "text", text: "b" }] },
        {
          role: "assistant",
          content: [
            { type: "redacted_thinking", data: "x" },
            { type: "text", text: "c" },
          ],
        },
        { role: "system", content: "d" },
        { role: "user", content: [{ type: "document", title: "t", source: { type: "text", data: "e" } }] },
      ],
      "s",
    );
    expect(messages).toEqual([
      { role: "system", content: "s" },
      { role: "user", content: "a\n\nb" },
      { role: "assistant", content: "c" },
      { role: "user", content: "<system-reminder>\nd\n</system-reminder>\n\nt\ne" },
    ]);
  });

  test("drops the billing header wherever it stands in the system prompt, and nothing else", () => {
    const header = "x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch=fa690;";
    const system = (given: Parameters<typeof toMessages>[1]): unknown =>
      toMessages([{ role: "user", content: "a" }], given)[0];
    const expected = { role: "system", content: "You are Claude Code." };
    expect(system(`${header}\nYou are Claude Code.`)).toEqual(expected);
    expect(
      system([
        { type: "text", text: header },
        { type: "text", text: "You are Claude Code." },
      ]),
    ).toEqual(expected);
    expect(system([{ type: "text", text: header }])).toEqual({ role: "user", content: "a" });
    expect(system(`Say ${header}`)).toEqual({ role: "system", content: `Say ${header}` });
  });
});

test("a conversation of very many small things takes no longer for that", () => {
  const image = { type: "image", source: PIXEL };
  const many = <Thing>(thing: Thing): Thing[] => Array.from({ length: 30_000 }, () => thing);
  const user = (...content: Json[]): Parameters<typeof toMessages>[0][number] => ({
    role: "user",
    content: content as { type: string }[],
  });
  const result = { type: "tool_result", tool_use_id: "a", content: many(image) };
  const call = { type: "tool_use", id: "a", name: "a", input: {} };
  expect(toMessages(many(user(image)), null)).toHaveLength(1);
  expect(toMessages([user(...many(image))], null)).toHaveLength(1);
  expect(toMessages([user(result)], null)).toHaveLength(2);
  expect(toMessages([{ role: "assistant", content: many(call) }], null)).toHaveLength(1);
  expect(toMessages(many({ role: "system", content: "a" }), "a")).toHaveLength(1);
});

describe("the fields of a request", () => {
  test("reach the model in its own words", () => {
    const tool = { name: "a", input_schema: { type: "object" } };
    const { request, model, stream, ttlMs } = parse({
      model: "m",
      max_tokens: 7,
      stop_sequences: ["x"],
      temperature: 0.1,
      top_p: 0.2,
      top_k: 3,
      seed: 2 ** 32 + 5,
      stream: true,
      ttl: 5,
      tools: [tool],
      tool_choice: { type: "auto", disable_parallel_tool_use: true },
      output_config: { effort: "max", format: { type: "json_schema", schema: { type: "object" } } },
      thinking: { type: "adaptive" },
    });
    expect([model, stream, ttlMs]).toEqual(["m", true, 5_000]);
    expect(request).toMatchObject({
      maxTokens: 7,
      stop: ["x"],
      sampling: { temperature: 0.1, topP: 0.2, topK: 3, seed: 5 },
      tools: [{ type: "function", function: { name: "a", description: "", parameters: { type: "object" } } }],
      toolChoice: "auto",
      parallelCalls: false,
      format: { type: "schema", schema: { type: "object" }, strict: true },
      templateVariables: { enable_thinking: true, thinking: true, reasoning_effort: "high" },
    });
  });

  test("switch thinking as Anthropic does: off, unless it is asked for", () => {
    const off = { enable_thinking: false, thinking: false };
    const on = { enable_thinking: true, thinking: true };
    const cases: [Json, unknown, ThinkingDisplay][] = [
      [{}, off, "none"],
      [{ thinking: { type: "disabled" } }, off, "none"],
      [{ thinking: { type: "enabled", budget_tokens: 1024 } }, on, "shown"],
      [{ thinking: { type: "adaptive", display: "omitted" } }, on, "omitted"],
    ];
    for (const [more, variables, display] of cases) {
      const { request, thinking } = parse(more);
      expect([request.templateVariables, thinking]).toEqual([variables, display]);
    }
  });
});

describe("the events of a message", () => {
  const parts: ReplyPart[] = [
    { type: "reasoning", text: "hm" },
    { type: "content", text: "I " },
    { type: "content", text: "look." },
    { type: "call_started", index: 0, id: "call_1", name: "look" },
    { type: "call_arguments", index: 0, text: '{"at":' },
    { type: "call_arguments", index: 0, text: '"cat"}' },
    { type: "call_started", index: 1, id: "call_2", name: "look" },
    { type: "call_arguments", index: 1, text: '{"at"' },
  ];
  const timings = { promptTokens: 0, cachedTokens: 0, promptMs: 0, completionTokens: 0, completionMs: 0 };
  const finish = (writer: MessageWriter, stopString?: string): ReturnType<MessageWriter["finish"]> =>
    writer.finish({
      type: "finished",
      reason: stopString === undefined ? "tool_calls" : "stop",
      timings,
      usage: NO_USAGE,
      ...(stopString === undefined ? {} : { stopString }),
    });

  test("open and close one block after the other", () => {
    const writer = new MessageWriter({ id: "msg_1", model: "m", thinking: "shown" });
    const events = [...parts.flatMap((part) => writer.push(part)), ...finish(writer).events];
    const summary = events.map(({ type, index, delta }) =>
      [type, index, (delta as { type?: string } | undefined)?.type]
        .filter((one) => one !== undefined)
        .map(String)
        .join(" "),
    );
    expect(summary).toEqual([
      "content_block_start 0",
      "content_block_delta 0 thinking_delta",
      "content_block_delta 0 signature_delta",
      "content_block_stop 0",
      "content_block_start 1",
      "content_block_delta 1 text_delta",
      "content_block_delta 1 text_delta",
      "content_block_stop 1",
      "content_block_start 2",
      "content_block_delta 2 input_json_delta",
      "content_block_delta 2 input_json_delta",
      "content_block_stop 2",
      "content_block_start 3",
      "content_block_delta 3 input_json_delta",
      "content_block_stop 3",
      "message_delta",
      "message_stop",
    ]);
  });

  test("give the whole message at the end, a call that was cut without input", () => {
    const writer = new MessageWriter({ id: "msg_1", model: "m", thinking: "none" });
    for (const part of parts) writer.push(part);
    expect(finish(writer).message).toMatchObject({
      content: [
        { type: "text", text: "I look." },
        { type: "tool_use", id: "call_1", name: "look", input: { at: "cat" } },
        { type: "tool_use", id: "call_2", name: "look", input: {} },
      ],
      stop_reason: "tool_use",
    });
  });

  test("say which stop sequence it was", () => {
    const writer = new MessageWriter({ id: "msg_1", model: "m", thinking: "none" });
    const { events, message } = finish(writer, "END");
    const end = { stop_reason: "stop_sequence", stop_sequence: "END" };
    expect(message).toMatchObject({ ...end, content: [{ type: "text", text: "" }] });
    expect(events.at(-2)).toMatchObject({ type: "message_delta", delta: end });
  });
});
