import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { CALL, FORMS, TOUCH } from "./call-forms.ts";
import { readReply, readText } from "./read-reply.ts";

describe("calls written as text", () => {
  it.each(Object.entries(FORMS))("recovers %s, whole and in pieces", (_name, text) => {
    for (const size of [text.length, 1, 2, 3, 7]) {
      const reply = readText(text, { size });
      expect(reply.calls, `pieces of ${size}`).toMatchObject([{ name: "shell", arguments: TOUCH }]);
      expect(reply.calls[0]?.problem).toBeUndefined();
      expect(reply.calls[0]?.rescued).toMatch(/\w/);
      expect(reply.finish).toBe("tool_calls");
    }
  });

  it.each(Object.entries(FORMS))("shows nothing of %s to the user", (name, text) => {
    for (const size of [text.length, 1, 4]) {
      const reply = readText(`\n${text}`, { size });
      expect(reply.shown.replace("I'll create the file now:", "")).toBe("");
      expect(reply.text).toBe(name.startsWith("announced") ? "I'll create the file now:" : "");
    }
  });

  it.each(Object.entries(FORMS).filter(([name]) => !/fenced|fence$|bare|Gemma/.test(name)))(
    "keeps the words before %s",
    (_name, text) => {
      const reply = readText(`I will run it.\n\n${text}`, { size: 5 });
      expect(reply).toMatchObject({ text: "I will run it.", shown: "I will run it." });
      expect(reply.calls).toMatchObject([{ arguments: TOUCH }]);
    },
  );

  it.each(Object.entries(FORMS))(
    "never runs %s when the reply was cut by its length limit",
    (_name, text) => {
      for (const finish of ["length", null]) {
        const { calls } = readText(text, { finish });
        for (const call of calls)
          expect(call).toMatchObject({ arguments: undefined, problem: expect.stringMatching(/cut off/) });
      }
    },
  );

  it.each(Object.entries(FORMS))(
    "runs no beginning of %s when the server calls it complete",
    (_name, text) => {
      const end = text.indexOf("touch ran_a") + 5;
      for (const call of readText(text.slice(0, end)).calls) expect(call.arguments).toBeUndefined();
    },
  );

  it.each(Object.entries(FORMS))("recovers %s wherever it is split", (_name, text) => {
    for (let at = 1; at < text.length; at += 1) {
      const reply = readReply([{ content: text.slice(0, at) }, { content: text.slice(at) }]);
      expect(reply.calls, `split at ${at}`).toMatchObject([{ name: "shell", arguments: TOUCH }]);
      expect(reply.text.startsWith(reply.shown)).toBe(true);
    }
  });

  it("does not depend on how the text was split", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.values(FORMS)),
        fc.constantFrom("", "Let me see.\n", "<think>a</think>\n"),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 30 }),
        (form, before, sizes) => {
          const text = before + form;
          const pieces: unknown[] = [];
          for (let at = 0, turn = 0; at < text.length; turn += 1) {
            const size = sizes[turn % sizes.length] ?? 1;
            pieces.push({ content: text.slice(at, at + size) });
            at += size;
          }
          const { events: _, shown, ...split } = readReply(pieces);
          const { events: __, shown: ___, ...whole } = readText(text);
          expect(split).toEqual(whole);
          expect(split.text.startsWith(shown)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("several calls", () => {
  const first = '{"name": "read", "arguments": {"path": "a.txt"}}';
  const second = '{"name": "ls", "arguments": {}}';
  it.each([
    ["two Hermes blocks", `<tool_call>${first}</tool_call>\n<tool_call>${second}</tool_call>`],
    ["one Hermes block with two lines", `<tool_call>[${first}, ${second}]</tool_call>`],
    [
      "two of MiniMax",
      '<minimax:tool_call>\n<invoke name="read">\n<parameter name="path">a.txt</parameter>\n</invoke>\n<invoke name="ls">\n</invoke>\n</minimax:tool_call>',
    ],
    ["one Hermes block with two objects", `<tool_call>${first}\n${second}</tool_call>`],
    ["a bare list in Python", '[read(path="a.txt"), ls()]'],
    ["two fences", `\`\`\`json\n${first}\n\`\`\`\n\`\`\`json\n${second}\n\`\`\``],
    ["bare JSON in two lines", `${first}\n${second}`],
    ["a bare list", `[${first}, ${second}]`],
    ["two of Mistral", '[TOOL_CALLS]read{"path": "a.txt"}[TOOL_CALLS]ls{}'],
    ["Llama with a semicolon", `<|python_tag|>${first}; ${second}`],
    [
      "two of GLM",
      "<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a.txt</arg_value>\n</tool_call><tool_call>ls\n</tool_call>",
    ],
    [
      "two of Kimi",
      '<|tool_calls_section_begin|><|tool_call_begin|>functions.read:0<|tool_call_argument_begin|>{"path": "a.txt"}<|tool_call_end|><|tool_call_begin|>functions.ls:1<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>',
    ],
    [
      "two of DeepSeek",
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>read<｜tool▁sep｜>{"path": "a.txt"}<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>ls<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
    ],
  ])("are all recovered from %s", (_name, text) => {
    const { calls } = readText(text, { size: 3 });
    expect(calls).toMatchObject([
      { name: "read", arguments: { path: "a.txt" } },
      { name: "ls", arguments: {} },
    ]);
    expect(new Set(calls.map((call) => call.id)).size).toBe(2);
  });

  it("are judged one by one: a broken one leaves the other usable", () => {
    const broken = '<tool_call>{"name": "read", "arguments": {"path": "b "x" c"}}</tool_call>';
    const { calls } = readText(`<tool_call>${first}</tool_call>\n${broken}`);
    expect(calls).toMatchObject([
      { name: "read", arguments: { path: "a.txt" } },
      { name: "read", arguments: undefined, problem: expect.stringMatching(/not valid JSON/) },
    ]);
  });

  it("are not doubled when the server delivers them and leaves them in the text", () => {
    const { calls, text } = readReply([
      { content: `<tool_call>${first}</tool_call>` },
      { tool_calls: [{ index: 0, id: "a", function: { name: "read", arguments: '{"path": "a.txt"}' } }] },
    ]);
    expect(calls).toHaveLength(1);
    expect(text).toBe("");
  });
});

describe("a call that cannot be used", () => {
  it("goes back with the names that are close", () => {
    const { calls } = readText('<tool_call>{"name": "git_stat", "arguments": {}}</tool_call>');
    expect(calls).toMatchObject([{ arguments: undefined, problem: expect.stringContaining("`git_status`") }]);
  });

  it("goes back when nothing in the tag can be read", () => {
    const { calls, text } = readText("<tool_call>\nrun the tests please\n</tool_call>");
    expect(text).toBe("");
    expect(calls).toMatchObject([
      { arguments: undefined, problem: expect.stringMatching(/could not be read/) },
    ]);
  });

  it("goes back when bare JSON begins as a declared call and breaks", () => {
    const { calls } = readText('{"name": "shell", "arguments": {"command": "echo "hi""}}');
    expect(calls).toMatchObject([
      { name: "shell", arguments: undefined, problem: expect.stringMatching(/quote/) },
    ]);
  });

  it("never writes a file of which the end is missing", () => {
    const text = '<tool_call>{"name": "write", "arguments": {"path": "a.txt", "content": "line one\\nline';
    const { calls } = readText(text);
    expect(calls).toMatchObject([
      { name: "write", arguments: undefined, problem: expect.stringMatching(/cut off/) },
    ]);
  });

  it("never takes a cut XML value for the whole", () => {
    const { calls } = readText(
      "<function=write>\n<parameter=path>\na.txt\n</parameter>\n<parameter=content>\nline one\nli",
    );
    expect(calls).toMatchObject([{ name: "write", arguments: undefined }]);
  });
});

describe("the content of a call written as text", () => {
  const content = "<think>a</think>\n</think>\n<|im_end|>\n<|end|>\n```json\n{}\n```\n[THINK]\n";
  it.each([
    [
      "Hermes",
      `<tool_call>${JSON.stringify({ name: "write", arguments: { path: "a", content } })}</tool_call>`,
    ],
    [
      "Qwen XML",
      `<function=write>\n<parameter=path>\na\n</parameter>\n<parameter=content>\n${content}\n</parameter>\n</function>`,
    ],
    ["Mistral", `[TOOL_CALLS]write${JSON.stringify({ path: "a", content })}`],
  ])("is kept to the letter in %s", (_name, text) => {
    for (const size of [text.length, 1, 3]) {
      expect(readText(`Here it comes.\n${text}`, { size }).calls).toMatchObject([
        { arguments: { path: "a", content } },
      ]);
    }
  });

  it("may be long", () => {
    const long = "0123456789abcde\n".repeat(12_000);
    const text = `<tool_call>${JSON.stringify({ name: "write", arguments: { path: "a", content: long } })}</tool_call>`;
    const reply = readText(text, { size: 4 });
    expect(reply.calls).toMatchObject([{ arguments: { content: long } }]);
    expect(reply.shown).toBe("");
  });
});

describe("a call inside thinking", () => {
  const block = `<tool_call>${CALL}</tool_call>`;
  it.each([
    ["a thinking field", [{ reasoning_content: `I should run it.\n${block}` }]],
    ["inline tags", [{ content: `<think>I should run it.\n${block}\n</think>` }]],
    ["inline tags that never close", [{ content: `<think>\n${block}` }]],
    ["a thinking field that is the call", [{ reasoning: CALL }]],
  ])("runs when nothing else came: %s", (_name, deltas) => {
    const { calls } = readReply(deltas);
    expect(calls).toMatchObject([
      { name: "shell", arguments: TOUCH, rescued: expect.stringMatching(/thinking/) },
    ]);
  });

  it.each([
    ["an answer came", [{ reasoning_content: block }, { content: "Done." }]],
    ["thinking went on", [{ reasoning_content: `Maybe ${block}\nor rather not.` }]],
    ["it is only considered", [{ reasoning_content: `${block}\nNo, that would be wrong.` }]],
    [
      "a native call came",
      [
        { reasoning_content: block },
        { tool_calls: [{ id: "a", function: { name: "ls", arguments: "{}" } }] },
      ],
    ],
  ])("does not run when %s", (_name, deltas) => {
    expect(readReply(deltas).calls.filter((call) => call.name === "shell")).toEqual([]);
  });
});

describe("what follows a call", () => {
  it("is dropped when it is a result that the model made up", () => {
    const { text, calls } = readText(
      `<tool_call>${CALL}</tool_call>\n<tool_response>\n{"ok": true}\n</tool_response>\nAll done!`,
    );
    expect(calls).toHaveLength(1);
    expect(text).toBe("");
  });
});
