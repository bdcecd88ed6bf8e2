import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { createChatTemplate } from "../../src/engine/chat-template.ts";
import { CHAT_DEFAULTS } from "../../src/server/chat/chat-request.ts";
import { ApiFailure } from "../../src/server/http/errors.ts";
import { parseChatBody } from "../../src/server/openai/chat-body.ts";
import type { ChatRequest } from "../../src/server/chat/chat-request.ts";
import { prepareChat } from "../../src/server/chat/prepare-chat.ts";
import type { PreparedChat } from "../../src/server/chat/prepare-chat.ts";
import { detectThinking } from "../../src/server/chat/thinking-tags.ts";

function parse(body: Record<string, unknown>): ChatRequest {
  return parseChatBody(JSON.stringify({ messages: [{ role: "user", content: "x" }], ...body })).request;
}

describe("the body of a chat request", () => {
  test("may have assistant messages with null, missing or divided content", () => {
    const calls = [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }];
    const { messages } = parse({
      messages: [
        { role: "assistant", content: null, tool_calls: calls },
        { role: "assistant", tool_calls: calls },
        {
          role: "assistant",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
        { role: "tool", tool_call_id: "c", content: [{ type: "text", text: "done" }] },
      ],
    });
    expect(messages.map(({ content }) => content)).toEqual(["", "", "ab", "done"]);
  });

  test("may have arguments as an object, and no type or id on a call", () => {
    const { messages } = parse({
      messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: { a: 1 } } }] }],
    });
    expect(messages[0]).toEqual({
      role: "assistant",
      content: "",
      tool_calls: [{ id: "", type: "function", function: { name: "f", arguments: '{"a":1}' } }],
    });
  });

  test("may call the system developer, and thinking by either name", () => {
    const { messages } = parse({
      messages: [
        { role: "developer", content: "be brief" },
        { role: "assistant", content: "a", reasoning: "hm" },
      ],
    });
    expect(messages).toEqual([
      { role: "system", content: "be brief" },
      { role: "assistant", content: "a", reasoning_content: "hm" },
    ]);
  });

  test("may have null and unknown fields, and -1 for no limit", () => {
    const request = parse({
      max_tokens: -1,
      stop: null,
      tools: null,
      seed: null,
      cache_prompt: true,
      user: "me",
    });
    expect(request).toMatchObject({ tools: [], stop: [], sampling: {} });
    expect(request).not.toHaveProperty("maxTokens");
  });

  test.each<[Record<string, unknown>, string]>([
    [{ messages: undefined }, "`messages` is missing: it has to be a list."],
    [{ n: 17 }, "`n` is `17`: it has to be at most 16."],
    [{ stream: "yes" }, '`stream` is `"yes"`: it has to be `true` or `false`.'],
    [{ stop: 5 }, "`stop` is `5`: it has to be a string, or a list."],
    [{ messages: [{ role: "alien" }] }, '`messages.0.role` is `"alien"`: it has to be `"system"` or'],
  ])("with %j is refused with what would be right", (body, message) => {
    expect(() => parse(body)).toThrow(message);
  });

  test("is never answered with anything but a request or an error", () => {
    const anything = fc.record(
      {
        messages: fc.jsonValue(),
        tools: fc.jsonValue(),
        tool_choice: fc.jsonValue(),
        stop: fc.jsonValue(),
        max_tokens: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          anything.map((body) => JSON.stringify(body)),
          fc.json(),
          fc.string(),
        ),
        (text) => {
          try {
            expect(parseChatBody(text).request.messages.length).toBeGreaterThan(0);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(ApiFailure);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("images", () => {
  const template = createChatTemplate({
    source: "{% for m in messages %}[{{ m.content }}]{% endfor %}",
    bosToken: "",
    eosToken: "",
  });
  const prepare = (url: string, facts: { vision?: boolean; mediaMarker?: string } = {}): PreparedChat =>
    prepareChat(
      {
        ...CHAT_DEFAULTS,
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "see <img>" },
              { type: "image_url", image_url: { url } },
            ],
          },
          { role: "user", content: "and" },
        ],
      },
      {
        facts: {
          contextTokens: 1,
          trainContextTokens: 1,
          parameters: 1,
          sizeBytes: 1,
          slots: 1,
          threads: 1,
          bosToken: "",
          eosToken: "",
          loadMs: { library: 0, backend: 0, model: 0, context: 0 },
          ...facts,
        },
        template,
        callFormat: "text",
        thinking: detectThinking(""),
      },
    );

  test("go to a model that can see, each with its mark in the prompt", () => {
    const { generate } = prepare("data:image/PNG;base64,aG\nk=", { vision: true, mediaMarker: "<img>" });
    expect(generate.images).toEqual([{ mediaType: "image/png", base64: "aGk=" }]);
    expect(generate.prompt).toBe(String.raw`[see <\img><img>][and]`);
  });

  test("are refused by the part where they cannot be read", () => {
    const cases: [string, { vision?: boolean }][] = [
      ["data:image/png;base64,aGk=", {}],
      ["https://example.com/a.png", { vision: true }],
      ["file:///etc/passwd", { vision: true }],
      ["data:text/html;base64,aGk=", { vision: true }],
      ["data:image/png;base64,<svg>", { vision: true }],
      ["data:image/png;base64,", { vision: true }],
    ];
    for (const [url, facts] of cases) {
      let thrown: unknown;
      try {
        prepare(url, facts);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({
        error: { status: 400, code: "unsupported_content", param: "messages.0.content.1" },
      });
    }
  });
});
