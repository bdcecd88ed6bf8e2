import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { readReply, readText } from "./read-reply.ts";

const TAGS: [string, string][] = [
  ["<think>", "</think>"],
  ["<thinking>", "</thinking>"],
  ["<thought>", "</thought>"],
  ["<reasoning>", "</reasoning>"],
  ["<Think>", "</Think>"],
  ["<seed:think>", "</seed:think>"],
  ["[THINK]", "[/THINK]"],
  ["<|START_THINKING|>", "<|END_THINKING|>"],
  ["◁think▷", "◁/think▷"],
  ["<|channel|>analysis<|message|>", "<|end|>"],
];

describe("thinking in the text", () => {
  it.each(TAGS)("is taken out of %s…%s at any split", (open, close) => {
    const text = `${open}\nIt is < 3 [so far].\n${close}\n\nThe answer is 4.`;
    for (const size of [text.length, 1, 2, 5]) {
      const reply = readText(text, { size });
      expect(reply).toMatchObject({
        thinking: "It is < 3 [so far].",
        text: "The answer is 4.",
        shown: "The answer is 4.",
      });
    }
  });

  it.each(TAGS)("may never close after %s", (open) => {
    expect(readText(`${open}\nStill at it`, { size: 3 })).toMatchObject({
      thinking: "Still at it",
      text: "",
      shown: "",
    });
  });

  it.each(TAGS.filter(([open]) => !open.includes("channel")))(
    "is all that stands before a closing tag alone (%s%s)",
    (_open, close) => {
      const reply = readText(`It is 2 + 2.\n${close}\n\nThe answer is 4.`, { size: 4 });
      expect(reply).toMatchObject({ thinking: "It is 2 + 2.", text: "The answer is 4." });
    },
  );

  it.each([
    "ok so 4</think>The answer is 4.",
    "hmm </think> The answer is 4.",
    "hmm\n</think>The answer is 4.",
  ])("is what stands before a lone closing tag wherever it is: %j", (text) => {
    for (const size of [text.length, 1, 3]) expect(readText(text, { size }).text).toBe("The answer is 4.");
  });

  it("may come again after some text", () => {
    const reply = readText("<think>a</think>One.\n<think>b</think>\nTwo.", { size: 3 });
    expect(reply).toMatchObject({ thinking: "ab", text: "One.\n\nTwo." });
  });

  it("is told apart from tags that are talked about", () => {
    for (const text of [
      "Use the `<think>` tag and close it with `</think>`.",
      "The <think> tag opens.",
      "```html\n<think>x</think>\n```",
      'Write "<think>" first.',
      "a < b and [THIN] ice",
      "Use the `<think>` tag. The <think> tag opens reasoning. Then </think> closes it.",
      "Then </think> closes it.",
      "The <think> tag opens it, and it is closed by </think>",
      "- <think> opens\n- </think>: closes",
    ]) {
      expect(readText(text, { size: 2 })).toMatchObject({ text, shown: text, thinking: "" });
    }
  });

  it.each([
    ["at the end of a line", "It is 4.\nSure. </think>\n4", "It is 4.\nSure."],
    ["at the end of a line without a full stop", "So 4</think>\n4", "So 4"],
    ["at the end of all", "So it is </think>", "So it is"],
    ["right after a sentence", "So it is 4.</think>4", "So it is 4."],
    ["at the start of a line", "So it is\n</think> 4", "So it is"],
    ["on its own line after a mention", "The <think> tag?\n</think>\n4", "The <think> tag?"],
  ])("ends with a closing tag alone %s", (_name, text, thinking) => {
    for (const size of [text.length, 1, 3]) expect(readText(text, { size }).thinking).toBe(thinking);
  });

  it.each([
    "",
    "I could write <tool_call> now.\n",
    "Maybe <function=ls> first.\n",
    "Perhaps [TOOL_CALLS] or so.\n",
  ])("leaves nothing before the call that follows it: %s", (words) => {
    for (const size of [1000, 1, 3]) {
      const call = '<tool_call>{"name": "ls", "arguments": {}}</tool_call>';
      const reply = readText(`${words}I should look.\n</think>\n${call}`, { size });
      expect(reply).toMatchObject({ text: "", thinking: `${words}I should look.`, calls: [{ name: "ls" }] });
    }
  });

  it("gives the same reply however the text was split", () => {
    const part = fc.constantFrom(
      "<think>",
      "</think>",
      "[THINK]",
      "[/THINK]",
      "<",
      "th",
      "`",
      "```\n",
      "\n",
      " ok. ",
      "<|channel|>",
      "final<|message|>",
      "<|end|>",
      "[",
      "é",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 14 }), fc.integer({ min: 1, max: 5 }), (parts, size) => {
        const text = parts.join("");
        const { events: _, shown: __, ...split } = readText(text, { size });
        const { events: ___, shown: ____, ...whole } = readText(text);
        expect(split).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it("is quick for a long text of beginnings", () => {
    const text = "<".repeat(60_000) + "[".repeat(60_000) + "`".repeat(30_000);
    expect(readText(text, { size: 50 }).text).toBe(text);
  });
});

describe("the Harmony format", () => {
  it("is thinking and answer without its frames", () => {
    const text =
      "<|channel|>analysis<|message|>Easy.<|end|><|start|>assistant<|channel|>final<|message|>It is 4.<|return|>";
    for (const size of [text.length, 1, 6]) {
      expect(readText(text, { size })).toMatchObject({
        thinking: "Easy.",
        text: "It is 4.",
        shown: "It is 4.",
      });
    }
  });

  it("may lack the end of its thinking", () => {
    const text = "<|channel|>analysis<|message|>Easy.<|channel|>final<|message|>It is 4.";
    expect(readText(text, { size: 3 })).toMatchObject({ thinking: "Easy.", text: "It is 4." });
  });
});

describe("thinking in a field", () => {
  it.each(["reasoning_content", "reasoning", "thinking"])("is read from `%s`", (field) => {
    const reply = readReply([{ [field]: "Let me" }, { [field]: " see." }, { content: "4" }]);
    expect(reply).toMatchObject({ thinking: "Let me see.", text: "4" });
    expect(reply.events.slice(0, 2)).toEqual([
      { type: "thinking_delta", text: "Let me" },
      { type: "thinking_delta", text: " see." },
    ]);
  });

  it("counts once when it comes under two names", () => {
    expect(readReply([{ reasoning_content: "a", reasoning: "a" }]).thinking).toBe("a");
  });

  it("may be a part of the content", () => {
    const reply = readReply([
      {
        content: [
          { type: "thinking", thinking: [{ type: "text", text: "a" }] },
          { type: "text", text: "b" },
        ],
      },
    ]);
    expect(reply).toMatchObject({ thinking: "a", text: "b" });
  });

  it("alone makes an empty answer that the loop can recognise", () => {
    expect(readReply([{ reasoning_content: "hm" }])).toMatchObject({
      text: "",
      calls: [],
      thinking: "hm",
      finish: "stop",
    });
  });
});

describe("an answer", () => {
  it("is shown exactly as it is returned, without space around it", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ab \n`{}[]<>f"'.split("")), maxLength: 60 }),
        fc.integer({ min: 1, max: 9 }),
        (text, size) => {
          const reply = readText(text, { size });
          expect(reply.text).toBe(text.trim());
          expect(reply.shown).toBe(reply.text);
        },
      ),
    );
  });
});
