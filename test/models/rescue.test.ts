import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readReply, readText } from "./read-reply.ts";

const TOUCH = { command: "touch ran_a" };
const CALL = JSON.stringify({ name: "shell", arguments: TOUCH });

/** Every form, each saying `shell {"command": "touch ran_a"}`. */
const FORMS: Record<string, string> = {
  Hermes: `<tool_call>\n${CALL}\n</tool_call>`,
  "Hermes on one line": `<tool_call>${CALL}</tool_call>`,
  "Hermes without its closing tag": `<tool_call>\n${CALL}`,
  "Hermes closed by an end-of-turn token": `<tool_call>\n${CALL}<|im_end|>`,
  "Hermes with `parameters`": `<tool_call>{"name": "shell", "parameters": ${JSON.stringify(TOUCH)}}</tool_call>`,
  "Hermes with arguments as a string": `<tool_call>${JSON.stringify({ name: "shell", arguments: JSON.stringify(TOUCH) })}</tool_call>`,
  "Hermes with an OpenAI call inside": `<tool_call>${JSON.stringify({ type: "function", function: { name: "shell", arguments: TOUCH } })}</tool_call>`,
  "Hermes with flat parameters": `<tool_call>{"name": "shell", "command": "touch ran_a"}</tool_call>`,
  "Hermes with a list": `<tool_call>[${CALL}]</tool_call>`,
  "Hermes with broken JSON": `<tool_call>{'name': 'shell', 'arguments': {'command': 'touch ran_a',},}</tool_call>`,
  "Hermes with a missing brace": `<tool_call>{"name": "shell", "arguments": {"command": "touch ran_a"}</tool_call>`,
  "Hermes with a fence inside": `<tool_call>\n\`\`\`json\n${CALL}\n\`\`\`\n</tool_call>`,
  "function_call tag": `<function_call>${CALL}</function_call>`,
  "Qwen XML":
    "<tool_call>\n<function=shell>\n<parameter=command>\ntouch ran_a\n</parameter>\n</function>\n</tool_call>",
  "Qwen XML without the outer tag":
    "<function=shell>\n<parameter=command>\ntouch ran_a\n</parameter>\n</function>",
  "Qwen XML on one line": "<function=shell><parameter=command>touch ran_a</parameter></function>",
  "Qwen XML without the end of a parameter":
    "<function=shell>\n<parameter=command>\ntouch ran_a\n</function>\n</tool_call>",
  "Llama's function tag": `<function=shell>${JSON.stringify(TOUCH)}</function>`,
  "fenced JSON": `\`\`\`json\n${CALL}\n\`\`\``,
  "fenced JSON without a language": `\`\`\`\n${CALL}\n\`\`\``,
  "fenced tool_call": `\`\`\`tool_call\n${CALL}\n\`\`\``,
  "fenced JSON without its end": `\`\`\`json\n${CALL}`,
  "fenced JSON on one line": `\`\`\`json ${CALL}\`\`\``,
  "fenced Hermes": `\`\`\`xml\n<tool_call>${CALL}</tool_call>\n\`\`\``,
  "announced fenced JSON": `I'll create the file now:\n\n\`\`\`json\n${CALL}\n\`\`\`\n`,
  "bare JSON": CALL,
  "bare JSON with white space": `\n  ${JSON.stringify({ name: "shell", parameters: TOUCH }, null, 2)}\n`,
  "bare JSON of Llama": JSON.stringify({ type: "function", name: "shell", parameters: TOUCH }),
  "bare JSON of OpenAI": JSON.stringify({
    tool_calls: [
      { id: "1", type: "function", function: { name: "shell", arguments: JSON.stringify(TOUCH) } },
    ],
  }),
  "Mistral's list": `[TOOL_CALLS][${CALL}]`,
  "Mistral's list with a space": `[TOOL_CALLS] [${CALL}]</s>`,
  "Mistral's name and arguments": `[TOOL_CALLS]shell${JSON.stringify(TOUCH)}`,
  "Mistral with [ARGS]": `[TOOL_CALLS]shell[CALL_ID]abc123def[ARGS]${JSON.stringify(TOUCH)}`,
  "Llama's python tag": `<|python_tag|>${JSON.stringify({ type: "function", name: "shell", parameters: TOUCH })}<|eom_id|>`,
  "DeepSeek V3": `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>shell\n\`\`\`json\n${JSON.stringify(TOUCH)}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  "DeepSeek V3.1": `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>shell<｜tool▁sep｜>${JSON.stringify(TOUCH)}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  GLM: "<tool_call>shell\n<arg_key>command</arg_key>\n<arg_value>touch ran_a</arg_value>\n</tool_call>",
  "GLM on one line":
    "<tool_call>shell<arg_key>command</arg_key><arg_value>touch ran_a</arg_value></tool_call>",
  Kimi: `<|tool_calls_section_begin|><|tool_call_begin|>functions.shell:0<|tool_call_argument_begin|>${JSON.stringify(TOUCH)}<|tool_call_end|><|tool_calls_section_end|>`,
  Harmony: `<|channel|>commentary to=functions.shell <|constrain|>json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "Harmony with its role": `<|start|>assistant<|channel|>commentary to=functions.shell json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "Harmony with the recipient first": `<|start|>assistant to=functions.shell<|channel|>commentary json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "Harmony after thinking": `<|channel|>analysis<|message|>I must run it.<|end|><|start|>assistant<|channel|>commentary to=functions.shell <|constrain|>json<|message|>${JSON.stringify(TOUCH)}<|call|>`,
  "LM Studio": `[TOOL_REQUEST]${CALL}[END_TOOL_REQUEST]`,
  Gemma: '```tool_code\nshell(command="touch ran_a")\n```',
  "Gemma with print and a name space": "```tool_code\nprint(default_api.shell(command='touch ran_a'))\n```",
  Granite: `<|tool_call|>[${CALL}]`,
  Phi: `<|tool_call|>[${CALL}]<|/tool_call|>`,
  "Phi before 4": `functools[${CALL}]`,
};

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

  it.each(Object.entries(FORMS).filter(([name]) => !/fenced|bare|Gemma/.test(name)))(
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

describe("text meant for the user", () => {
  const fence = "```json\n" + CALL + "\n```";
  it.each([
    [
      "a fenced example with words after it",
      `Here is an example of a tool call:\n\n${fence}\n\nIt creates a file.`,
    ],
    ["a fenced example at the end", `A tool call looks like this:\n\n${fence}`],
    ["a fence that is offered to the user", `You can save this as call.json:\n\n${fence}`],
    ["an announced fence with words after it", `I'll run this:\n${fence}\nThat will create the file.`],
    ["a fence in another language", `\`\`\`python\n${CALL}\n\`\`\``],
    [
      "a Hermes block in a fence with words",
      `Hermes writes:\n\n\`\`\`\n<tool_call>${CALL}</tool_call>\n\`\`\`\n\nand waits.`,
    ],
    ["a Hermes block in inline code", `The model writes \`<tool_call>${CALL}</tool_call>\` to call it.`],
    ["a Hermes block in quotes", `The model writes "<tool_call>${CALL}</tool_call>" to call it.`],
    ["a Hermes block in a quotation", `> <tool_call>${CALL}</tool_call>\n\nis what it said.`],
    ["a Hermes block in a sentence", `First comes <tool_call>${CALL}</tool_call> and then the result.`],
    [
      "a Hermes block introduced as an example",
      `An example in the Hermes format:\n<tool_call>${CALL}</tool_call>\nThat is all.`,
    ],
    ["JSON of an undeclared tool", '{"name": "launch", "arguments": {"target": "moon"}}'],
    ["JSON with more than a call", '{"name": "shell", "arguments": {"command": "ls"}, "version": "1.0.0"}'],
    ["JSON without what the tool requires", '{"name": "write", "arguments": {"path": "a.txt"}}'],
    [
      "JSON with what the tool does not know",
      '{"name": "shell", "arguments": {"command": "ls", "sudo": true}}',
    ],
    ["a package.json", '```json\n{"name": "shell", "version": "1.0.0", "scripts": {}}\n```'],
    ["bare JSON with words after it", `${CALL}\n\nThis is the call.`],
    ["a tag on its own", "The <tool_call> tag opens a call and </tool_call> closes it."],
    ["Python code", '```python\nshell(command="ls")\n```'],
  ])("stays text and runs nothing: %s", (_name, text) => {
    for (const size of [text.length, 3]) {
      const reply = readText(text, { size });
      expect(reply.calls).toEqual([]);
      expect(reply).toMatchObject({ text, shown: text, finish: "stop" });
    }
  });

  it("is shown as it comes when it can be no call", () => {
    const { events } = readText("Use ```js\nlet a = {};\n``` or [this](that) and <b>so</b> on, f(x) too.", {
      size: 4,
    });
    expect(events.filter((event) => event.type === "text_delta").length).toBeGreaterThan(10);
  });

  it("is not looked through when no tools are offered", () => {
    const reply = readReply([{ content: FORMS["Hermes"] }], { tools: [] });
    expect(reply).toMatchObject({ calls: [], text: FORMS["Hermes"], shown: FORMS["Hermes"] });
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

describe("values in XML", () => {
  it("keep their lines, quotes and tags", () => {
    const content = "def f():\n    return \"<b>\" + 'x'\n";
    const { calls } = readText(
      `<function=write>\n<parameter=path>\na.py\n</parameter>\n<parameter=content>\n${content}\n</parameter>\n</function>`,
    );
    expect(calls).toMatchObject([{ arguments: { path: "a.py", content } }]);
  });

  it("become what the schema says", () => {
    const { calls } = readText(
      "<function=read><parameter=path>12</parameter><parameter=offset>12</parameter></function>\n<function=edit><parameter=path>a</parameter><parameter=old>true</parameter><parameter=new>x</parameter><parameter=all>True</parameter></function>",
    );
    expect(calls).toMatchObject([
      { arguments: { path: "12", offset: 12 } },
      { arguments: { old: "true", all: true } },
    ]);
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
