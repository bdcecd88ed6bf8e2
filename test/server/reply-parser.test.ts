import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import type { ToolSchema } from "../../src/core/model.ts";
import { createCallRescue } from "../../src/server/chat/call-rescue.ts";
import { createReplyParser } from "../../src/server/chat/reply-parser.ts";
import type { ReplyParserOptions, ReplyPart } from "../../src/server/chat/reply-parser.ts";
import { detectThinking } from "../../src/server/chat/thinking-tags.ts";

const TYPES: Record<string, string> = { path: "string", count: "integer" };

interface Reply {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: string }[];
}

interface ParseOptions extends Omit<Partial<ReplyParserOptions>, "rescue"> {
  /** Calls in any form are looked for; these texts are quotations. */
  sources?: readonly string[];
  /** The model came to its own end; default true. */
  complete?: boolean;
}

const TOOLS: ToolSchema[] = [
  {
    type: "function",
    function: {
      name: "read",
      description: "",
      parameters: {
        type: "object",
        properties: { path: { type: "string" }, count: { type: "integer" } },
        required: ["path"],
      },
    },
  },
];

function parse(
  pieces: readonly string[],
  { sources, complete = true, ...options }: ParseOptions = {},
): Reply {
  const parser = createReplyParser({
    ...(sources === undefined ? {} : { rescue: createCallRescue({ tools: TOOLS, sources }) }),
    calls: true,
    startsThinking: false,
    typeOf: (_, parameter) => TYPES[parameter],
    ...options,
  });
  const reply: Reply = { content: "", reasoning: "", calls: [] };
  for (const part of [...pieces.flatMap((piece) => parser.push(piece)), ...parser.flush({ complete })])
    add(reply, part);
  return reply;
}

function add(reply: Reply, part: ReplyPart): void {
  if (part.type === "content") reply.content += part.text;
  else if (part.type === "reasoning") reply.reasoning += part.text;
  else if (part.type === "call_started") reply.calls.push({ name: part.name, arguments: "" });
  else reply.calls.at(part.index)!.arguments += part.text;
}

/** Parses the text whole, letter by letter and cut at random, which must all give the same. */
function parseAnyhow(text: string, options: ParseOptions = {}): Reply {
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

const FORMS: Record<string, string> = {
  Mistral: '[TOOL_CALLS][{"name": "read", "arguments": {"path": "a"}}]',
  "Mistral, newer": '[TOOL_CALLS]read[ARGS]{"path": "a"}',
  Llama: '<|python_tag|>{"name": "read", "parameters": {"path": "a"}}',
  "bare JSON": '{"name": "read", "arguments": {"path": "a"}}',
  "a fence": '```json\n{"name": "read", "arguments": {"path": "a"}}\n```',
  Harmony: '<|channel|>commentary to=functions.read <|constrain|>json<|message|>{"path": "a"}<|call|>',
  DeepSeek:
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read\n```json\n{"path": "a"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
  GLM: "<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a</arg_value>\n</tool_call>",
  "LM Studio": '[TOOL_REQUEST]{"name": "read", "arguments": {"path": "a"}}[END_TOOL_REQUEST]',
  Hermes: '<tool_call>{"name": "read", "arguments": {"path": "a"}}</tool_call>',
  Qwen: "<tool_call><function=read><parameter=path>a</parameter></function></tool_call>",
};

const readsA = (reply: Reply): unknown =>
  reply.calls.map(({ name, arguments: text }) => [name, JSON.parse(text) as unknown]);

describe("calls in any form", () => {
  test("come out as calls, without a trace in the content", () => {
    for (const [form, text] of Object.entries(FORMS)) {
      const reply = parseAnyhow(text, { sources: [] });
      expect({ form, calls: readsA(reply), content: reply.content }).toEqual({
        form,
        calls: [["read", { path: "a" }]],
        content: "",
      });
    }
  });

  test("come after the words before them", () => {
    for (const [form, text] of Object.entries(FORMS)) {
      const reply = parseAnyhow(`I'll read the file now.\n\n${text}`, { sources: [] });
      expect({ form, calls: readsA(reply), content: reply.content.trim() }).toEqual({
        form,
        calls: [["read", { path: "a" }]],
        content: "I'll read the file now.",
      });
    }
  });

  test("are none when they are cut off, wherever that is", () => {
    // Hermes' calls stream, so that they begin before their end is known.
    const { Hermes: streamed = "", ...held } = FORMS;
    for (const [form, text] of Object.entries(held)) {
      for (let at = 1; at < text.length; at += 1) {
        const reply = parse([text.slice(0, at)], { sources: [], complete: false });
        // The end of its marks may be missing, but nothing of the call.
        const wrong = reply.calls.filter((call) => call.arguments.replaceAll(" ", "") !== '{"path":"a"}');
        expect({ form, at, wrong }).toEqual({ form, at, wrong: [] });
      }
    }
    const parser = createReplyParser({ calls: true, startsThinking: false, typeOf: () => "string" });
    parser.push(streamed.slice(0, -"}</tool_call>".length - 1));
    parser.flush({ complete: false });
    expect(parser.unfinished).toBe(true);
  });

  test("that only repeat what the model was given stay text", () => {
    const text = FORMS["Mistral"] ?? "";
    expect(parseAnyhow(text, { sources: [`The file says: ${text}`] })).toEqual({
      content: text,
      reasoning: "",
      calls: [],
    });
  });

  test("of tools that nobody declared stay text", () => {
    const text = '[TOOL_CALLS][{"name": "launch_rockets", "arguments": {}}]';
    expect(parseAnyhow(text, { sources: [] })).toEqual({ content: text, reasoning: "", calls: [] });
  });

  test("may be all that thinking ends with", () => {
    const text = `<think>I must read it.\n${FORMS["Mistral"]}</think>`;
    expect(readsA(parseAnyhow(text, { sources: [] }))).toEqual([["read", { path: "a" }]]);
  });

  test("are the same however the text comes in pieces", () => {
    const bits = fc.constantFrom(
      ..."ab \n<>[]{}`\"',:f".split(""),
      "<tool_call>",
      "</tool_call>",
      "[TOOL_CALLS]",
      "```json\n",
      "```",
      '{"name":',
      '"read"',
      "<think>",
      "</think>",
      "<function=read>",
      "Action:",
    );
    fc.assert(
      fc.property(fc.array(bits, { maxLength: 14 }), fc.boolean(), (words, complete) => {
        const options = { sources: [], complete };
        const text = words.join("");
        const whole = parse([text], options);
        expect(parse(text.split(""), options)).toEqual(whole);
        expect(parse(words, options)).toEqual(whole);
        if (whole.calls.length === 0 && !text.includes("think>")) expect(whole.content).toBe(text);
      }),
      { numRuns: 400 },
    );
  });
});

test("a call that is a whole file is read in no time, whatever its form", () => {
  for (const head of [
    "<tool_call><function=read><parameter=path>",
    '[TOOL_CALLS][{"name": "read", "arguments": {"path": "',
  ]) {
    const started = performance.now();
    parse([head, ...Array.from({ length: 60_000 }, (_, at) => (at % 9 === 0 ? "\n" : " word"))], {
      sources: [],
    });
    expect(performance.now() - started).toBeLessThan(5_000);
  }
});

describe("thinking", () => {
  test("has the tags of the model's own family", () => {
    const harmony = detectThinking("… <|channel|>analysis …");
    const text = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Done.";
    expect(parseAnyhow(text, { thinking: harmony })).toEqual({
      content: "Done.",
      reasoning: "hm",
      calls: [],
    });
    const mistral = detectThinking("… [THINK] …");
    expect(parseAnyhow("[THINK]hm[/THINK]Done.", { thinking: mistral })).toEqual({
      content: "Done.",
      reasoning: "hm",
      calls: [],
    });
  });

  test("stays in the content with its tags where that is wanted", () => {
    const options = { inlineThinking: true };
    expect(parseAnyhow("<think>hm</think>\n\nDone.", options).content).toBe("<think>hm</think>\n\nDone.");
    expect(parseAnyhow("hm</think>Done.", { ...options, startsThinking: true }).content).toBe(
      "<think>hm</think>Done.",
    );
  });
});
