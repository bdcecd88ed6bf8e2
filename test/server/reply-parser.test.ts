import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createReplyParser } from "../../src/server/reply-parser.ts";
import type { ReplyParserOptions, ReplyPart } from "../../src/server/reply-parser.ts";

const TYPES: Record<string, string> = { path: "string", count: "integer" };

interface Reply {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: string }[];
}

function parse(pieces: readonly string[], options: Partial<ReplyParserOptions> = {}): Reply {
  const parser = createReplyParser({
    calls: true,
    startsThinking: false,
    typeOf: (_, parameter) => TYPES[parameter],
    ...options,
  });
  const reply: Reply = { content: "", reasoning: "", calls: [] };
  for (const part of [...pieces.flatMap((piece) => parser.push(piece)), ...parser.flush()]) add(reply, part);
  return reply;
}

function add(reply: Reply, part: ReplyPart): void {
  if (part.type === "content") reply.content += part.text;
  else if (part.type === "reasoning") reply.reasoning += part.text;
  else if (part.type === "call_started") reply.calls.push({ name: part.name, arguments: "" });
  else reply.calls.at(part.index)!.arguments += part.text;
}

/** Parses the text whole, letter by letter and cut at random, which must all give the same. */
function parseAnyhow(text: string, options: Partial<ReplyParserOptions> = {}): Reply {
  const whole = parse([text], options);
  expect(parse(text.split(""), options)).toEqual(whole);
  const cuts = fc.array(fc.nat({ max: text.length }), { maxLength: 6 });
  fc.assert(
    fc.property(cuts, (places) => {
      const marks = [0, ...places.toSorted((a, b) => a - b), text.length];
      expect(
        parse(
          marks.slice(1).map((mark, at) => text.slice(marks.at(at), mark)),
          options,
        ),
      ).toEqual(whole);
    }),
    { numRuns: 30 },
  );
  return whole;
}

const CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "a </tool_call> \\" {.txt"}}\n</tool_call>';
const READ = { name: "read", arguments: '{"path": "a </tool_call> \\" {.txt"}' };

describe("a reply", () => {
  test("without tags is content as it is", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", " ", "\n", "<", ">", "{", "é") })),
        (pieces) => {
          expect(parse(pieces)).toEqual({ content: pieces.join(""), reasoning: "", calls: [] });
        },
      ),
    );
  });

  test("gives its calls with arguments as they were written", () => {
    expect(parseAnyhow(`I look.\n\n${CALL}\n${CALL}`)).toEqual({
      content: "I look.",
      reasoning: "",
      calls: [READ, READ],
    });
  });

  test("streams arguments while they come", () => {
    const parser = createReplyParser({ calls: true, startsThinking: false, typeOf: () => undefined });
    expect(parser.push('<tool_call>{"name": "write", "arguments": {"path')).toEqual([
      { type: "call_started", index: 0, id: expect.stringMatching(/^call_[a-zA-Z0-9]{24}$/), name: "write" },
      { type: "call_arguments", index: 0, text: '{"path' },
    ]);
    expect(parser.push('": "a"')).toEqual([{ type: "call_arguments", index: 0, text: '": "a"' }]);
  });

  test("that is cut off leaves the arguments unfinished", () => {
    expect(parse(['<tool_call>{"name": "write", "arguments": {"path": "a'])).toMatchObject({
      calls: [{ name: "write", arguments: '{"path": "a' }],
    });
  });

  test("may have its keys in another order, arguments as text, or none at all", () => {
    const calls = [
      '<tool_call>{"arguments": {"path": "a"}, "name": "read"}</tool_call>',
      '<tool_call>{"name": "read", "arguments": "{\\"path\\": \\"a\\"}"}</tool_call>',
      '<tool_call>{"name": "read", "parameters": {"path": "a"}}',
    ];
    for (const text of calls)
      expect(parseAnyhow(text).calls).toEqual([{ name: "read", arguments: '{"path":"a"}' }]);
    expect(parseAnyhow('<tool_call>{"name": "list"}</tool_call>').calls).toEqual([
      { name: "list", arguments: "{}" },
    ]);
  });

  test("may write calls as XML, whose values are read by their declared types", () => {
    const text =
      "<tool_call>\n<function=read>\n<parameter=path>\n12\n</parameter>\n<parameter=count>\n12\n</parameter>\n</function>\n</tool_call>";
    expect(parseAnyhow(text).calls).toEqual([{ name: "read", arguments: '{"path":"12","count":12}' }]);
  });

  test("keeps what only looks like a call in the content", () => {
    for (const text of [
      "<tool_call>read a.txt</tool_call> ok",
      "<tool_call>{broken",
      '<tool_call>{"name": 5}</tool_call>',
      "<tool_call",
    ]) {
      expect(parseAnyhow(text)).toEqual({ content: text, reasoning: "", calls: [] });
    }
  });

  test("has no calls when there were no tools", () => {
    expect(parseAnyhow(CALL, { calls: false })).toEqual({ content: CALL, reasoning: "", calls: [] });
  });

  test("keeps thinking apart from content, calls in it included", () => {
    const text = `<think>\nhm <tool_call> a</think>\n\nDone. ${CALL}`;
    expect(parseAnyhow(text)).toEqual({ content: "Done.", reasoning: "\nhm <tool_call> a", calls: [READ] });
  });

  test("starts in thinking when the prompt opened it", () => {
    expect(parseAnyhow("hm</think>Done.", { startsThinking: true })).toEqual({
      content: "Done.",
      reasoning: "hm",
      calls: [],
    });
    expect(parseAnyhow("hm", { startsThinking: true })).toEqual({ content: "", reasoning: "hm", calls: [] });
  });
});
