import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { CALL, FORMS } from "./call-forms.ts";
import { readReply, readText } from "./read-reply.ts";

describe("a reply without sense", () => {
  it("never throws, whatever the frames hold", () => {
    const key = fc.constantFrom(
      "content",
      "tool_calls",
      "function",
      "name",
      "arguments",
      "id",
      "index",
      "reasoning_content",
      "function_call",
      "text",
      "type",
    );
    const node = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.string(),
        fc.integer(),
        fc.constant(null),
        fc.boolean(),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(key, tie("value"), { maxKeys: 4 }),
      ),
    })).value;
    fc.assert(
      fc.property(fc.array(fc.dictionary(key, node, { maxKeys: 4 }), { maxLength: 5 }), (deltas) => {
        expect(readReply(deltas)).toHaveProperty("finish");
      }),
      { numRuns: 500 },
    );
  });

  it("never throws for any mixture of marks", () => {
    const part = fc.constantFrom(
      ...Object.values(FORMS),
      "<tool_call>",
      "</tool_call>",
      "<function=",
      "[TOOL_CALLS]",
      "{",
      "}",
      '"name"',
      "```",
      "```json\n",
      "<think>",
      "</think>",
      "<|channel|>",
      "\n",
      " so ",
      '"',
      "<｜tool▁call▁begin｜>",
      "<arg_key>",
      "functools[",
      "<|python_tag|>",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.integer({ min: 1, max: 30 }), (parts, size) => {
        const text = parts.join("");
        const { events: _, shown: __, ...split } = readText(text, { size });
        const { events: ___, shown: ____, ...whole } = readText(text);
        expect(split).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it("is quick for a model that repeats itself", () => {
    for (const text of [
      "<tool_call>".repeat(20_000),
      `<tool_call>${CALL}</tool_call>\n`.repeat(2_000),
      "{".repeat(100_000),
      "<function=a>".repeat(5_000),
    ]) {
      expect(readText(text, { size: 64 })).toHaveProperty("finish");
    }
  });
});
