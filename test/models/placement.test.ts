import { describe, expect, it } from "vitest";
import { CALL, FORMS, TOUCH } from "./call-forms.ts";
import { readReply, readText } from "./read-reply.ts";

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
    ["a Hermes block between tildes", `Hermes writes\n~~~\n<tool_call>${CALL}</tool_call>\n~~~`],
    ["a Hermes block that is indented", `Hermes writes\n\n    <tool_call>${CALL}</tool_call>`],
    [
      "a Hermes block further down an indented block",
      `Hermes writes\n\n    assistant:\n    <tool_call>${CALL}</tool_call>`,
    ],
    ["a Hermes block in HTML", `Hermes writes\n<pre>\n<tool_call>${CALL}</tool_call>\n</pre>`],
    ["a Hermes block in HTML code", `Hermes writes\n<code><tool_call>${CALL}</tool_call></code>`],
    [
      "a Hermes block between prose",
      `In Hermes format the model answers with\n<tool_call>${CALL}</tool_call>\nand waits for the result.`,
    ],
    [
      "a Hermes block that is explained",
      `Let me explain. In Hermes format the model answers with\n<tool_call>${CALL}</tool_call>\nThen it waits.`,
    ],
    [
      "an answer that begins with a call and goes on about it",
      `<tool_call>${CALL}</tool_call>\nis what the model writes.`,
    ],
    ["JSON that is given", `I'll give the JSON:\n\n${fence}`],
    ["JSON that is explained", `Let me explain. The tool call is written as follows.\n\n${fence}`],
    [
      "a list of formats",
      "The formats are\n- Mistral: [TOOL_CALLS][...]\n- Hermes: <tool_call>{...}</tool_call>",
    ],
    [
      "a list of formats with whole calls",
      `The formats are\n- Hermes: <tool_call>${CALL}</tool_call>\n- Mistral: [TOOL_CALLS][${CALL}]`,
    ],
    ["JSON of an undeclared tool", '{"name": "launch", "arguments": {"target": "moon"}}'],
    ["JSON with more than a call", '{"name": "shell", "arguments": {"command": "ls"}, "version": "1.0.0"}'],
    ["JSON without what the tool requires", '{"name": "write", "arguments": {"path": "a.txt"}}'],
    [
      "JSON with what the tool does not know",
      '{"name": "shell", "arguments": {"command": "ls", "sudo": true}}',
    ],
    ["a link", "[shell](https://example.org) and [read(more)](x)"],
    ["a list that is no call", '[launch(target="moon")]'],
    ["a package.json", '```json\n{"name": "shell", "version": "1.0.0", "scripts": {}}\n```'],
    ["JSON on its own line with words after it", `I'll run it:\n${CALL}\nand then we see.`],
    ["JSON on its own line that is offered", `Your call could be:\n${CALL}`],
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

describe("forms that are shown", () => {
  const forms = Object.entries(FORMS).filter(
    ([name]) => !/fence|announced|Gemma|DeepSeek V3$|08-2024/.test(name),
  );
  it.each(forms)("do not run in a fence: %s", (_name, form) => {
    for (const mark of ["```text", "~~~"]) {
      const text = `The model writes\n${mark}\n${form}\n${mark.slice(0, 3)}\nand waits.`;
      for (const size of [text.length, 3])
        expect(readText(text, { size })).toMatchObject({ text, calls: [] });
    }
  });

  it.each(forms)("do not run between prose: %s", (_name, form) => {
    const text = `In this format the model answers with\n${form}\nand waits for the result.`;
    expect(readText(text, { size: 3 }).calls).toEqual([]);
  });

  it.each(forms)("do not run after an introduction: %s", (_name, form) => {
    const text = `For example:\n\n${form}`;
    expect(readText(text, { size: 3 }).calls).toEqual([]);
  });
});

describe("forms that are ordinary text elsewhere", () => {
  const input = JSON.stringify(TOUCH);
  it.each([
    ["a transcript", `Action: shell\nAction Input: ${input}\nObservation: done\nFinal Answer: it is there.`],
    ["an undeclared action", `Action: launch\nAction Input: ${input}`],
    ["a heading", "Action: run the tests\nAnd then rest."],
    ["the prompt of Python", '>>> shell("a")\nb'],
    ["a prompt with the name of a tool", ">>>shell\nls -l"],
    ["tags with words after them", "<shell><command>touch ran_a</command></shell>\nis the form."],
    ["tags in a sentence", "Write <shell><command>touch ran_a</command></shell>"],
    ["tags of an undeclared tool", "<run><command>touch ran_a</command></run>"],
    ["tags with an undeclared parameter", "<shell><command>a</command><cwd>b</cwd></shell>"],
    ["tags without what is required", "<shell></shell>"],
    ["tags that come twice", "<shell><command>a</command><command>b</command></shell>"],
    ["tags that do not end", "<shell><command>touch ran_a</command>"],
  ])("stay text: %s", (_name, text) => {
    for (const size of [text.length, 1, 4])
      expect(readText(text, { size })).toMatchObject({ text, shown: text, calls: [] });
  });

  it("keep a value that holds such tags", () => {
    const content = "<write>\n<content>a</content> b\n</write> c";
    const text = `<write>\n<path>a.xml</path>\n<content>\n${content}\n</content>\n</write>`;
    expect(readText(text).calls).toMatchObject([{ arguments: { path: "a.xml", content } }]);
  });

  it("run nothing when a value could end in two places", () => {
    const content = "<write>\n<path>b</path>\n<content>a</content>\n</write>";
    const text = `<write>\n<path>a.xml</path>\n<content>\n${content}\n</content>\n</write>`;
    expect(readText(text)).toMatchObject({ text, calls: [] });
  });
});

describe("a sentence after JSON alone", () => {
  it.each(["This will create the file.", "The command will create the file"])(
    "says what it does: %s",
    (words) => {
      for (const size of [1000, 3]) {
        expect(readText(`${CALL}\n\n${words}`, { size })).toMatchObject({
          text: words,
          shown: words,
          calls: [{ name: "shell", arguments: TOUCH }],
        });
      }
    },
  );

  it.each(["This is how a call looks.", "You can send this.", "This will work. Then wait."])(
    "presents it: %s",
    (words) => {
      expect(readText(`${CALL}\n\n${words}`).calls).toEqual([]);
    },
  );
});

describe("the words before a call", () => {
  const fence = `\`\`\`json\n${CALL}\n\`\`\``;
  const block = `<tool_call>\n${CALL}\n</tool_call>`;
  it.each([
    "I'll run the command now:",
    "Let me check your files first.",
    "Now I will create the file for you:",
    "I need to format the template:",
    "Running the tests:",
    "Good idea.\n\nFirst, let me look around:",
  ])("announce it: %s", (words) => {
    for (const call of [fence, block, CALL]) {
      expect(readText(`${words}\n\n${call}`)).toMatchObject({ text: words, calls: [{ arguments: TOUCH }] });
    }
  });

  it.each([
    "Here is an example of a tool call:",
    "The format is:",
    "For example:",
    "You can run this:",
    "Let me show you what to copy:",
    "A call looks like this:",
  ])("present it: %s", (words) => {
    for (const call of [fence, block, CALL]) {
      const text = `${words}\n\n${call}`;
      expect(readText(text)).toMatchObject({ text, shown: text, calls: [] });
    }
  });

  it("may speak of examples when they announce an action before a marked call", () => {
    expect(readText(`I'll create an example file:\n${block}`).calls).toHaveLength(1);
  });
});

describe("the words after a call", () => {
  const block = `<tool_call>${CALL}</tool_call>`;
  it.each([
    ["the call was announced", `I'll create the file.\n${block}\nIt will be empty.`],
    ["the writer goes on as if it had the result", `Sure, creating it.\n${block}\nThe file was created.`],
    ["the step is told without a person", `Step 1: make the file.\n${block}\nDone, the file is there.`],
    ["they announce what follows", `${block}\nI'll wait for the result.`],
    ["the answer opens with the call", `${block}\nThe file has been created.`],
    ["each call is announced", `I'll create it.\n${block}\nNow let me look.\n<tool_call>ls\n</tool_call>`],
    ["it is part of a list", `- I'll run it:\n\n    ${block}`],
    [
      "they speak of a tag",
      "<function=shell>\n<parameter=command>\ntouch ran_a\n</parameter>\n</function>\nI'll wait for </function> now.",
    ],
    ["an example came before", `Hermes writes\n${block}\nand waits.\n\nNow I'll do it:\n${block}`],
    ["a format was named before", `Mistral writes [TOOL_CALLS][...] as a rule.\n\nI'll run it.\n${block}`],
  ])("leave it a call when %s", (_name, text) => {
    for (const size of [1000, 3]) {
      const { calls, text: rest, shown } = readText(text, { size });
      expect(calls[0]).toMatchObject({ name: "shell", arguments: TOUCH });
      expect(rest.startsWith(shown) || shown === rest).toBe(true);
    }
  });
});
