import { describe, expect, it } from "vitest";
import { CALL, FORMS, TOUCH } from "./call-forms.ts";
import { readText } from "./read-reply.ts";

const BLOCK = `<tool_call>\n${CALL}\n</tool_call>`;
const FENCE = `\`\`\`json\n${CALL}\n\`\`\``;
const REACT = FORMS["ReAct"] as string;
const CLINE = FORMS["tags of tool names"] as string;

describe("words before a call that hold it back", () => {
  it.each([
    "I will not run this call:",
    "This call must never run:",
    "I won't run it.",
    "I won't.",
    "I am not allowed to run this:",
    "It is not allowed to call this:",
    "Please don't execute this:",
    "I'll show it, but it must not be run:",
    "Should I run this?",
    "Do you want me to create the file?",
    "If you approve, I'll run:",
    "Once you confirm, I will run this:",
    "It contains:",
    "It contains the following block:",
    "The log says:",
    "The last line of model.log is",
    "I found this in notes.txt:",
    "Output of `cat x`:",
    "The contents of notes.txt:",
    "Contents:",
    "I looked at the log, I'm quoting it:",
    "The resulting file is:",
    "I am attaching the file content below.",
    "**Hermes**",
    "**Hermes:**",
    "## Hermes",
    "1. Hermes:",
    "A ReAct agent writes:",
    "I looked at it.\n\nThe file says:",
  ])("run nothing: %s", (words) => {
    for (const call of [BLOCK, FENCE, CALL, REACT, CLINE]) {
      const text = `${words}\n${call}`;
      for (const size of [1000, 3])
        expect(readText(text, { size }), call).toMatchObject({ text, shown: text, calls: [] });
    }
  });

  it("run nothing on the same line", () => {
    const text = `The forms are\n1. Hermes: <tool_call>${CALL}</tool_call>`;
    expect(readText(text)).toMatchObject({ text, calls: [] });
  });

  it("run none of several", () => {
    const text = `The log says:\n${BLOCK}\n${BLOCK}`;
    expect(readText(text)).toMatchObject({ text, calls: [] });
  });

  it.each(["I'm a coding agent.", "I am sure of this:", "I'm glad you asked:"])(
    "announce nothing without an action: %s",
    (words) => {
      for (const call of [FENCE, CALL]) {
        const text = `${words}\n\n${call}`;
        expect(readText(text)).toMatchObject({ text, calls: [] });
      }
    },
  );
});

describe("words before a call that is meant", () => {
  it.each([
    "I'll create the file.",
    "Let me check:",
    "I'm running it now:",
    "I'm going to run the command:",
    "I won't touch the rest, so I'll write a new file:",
    "I can't find the file. Let me look:",
    "What is in there? Let me look:",
    "The next step is clear, I'll run it:",
    "I read the log. Now I will fix it:",
    "**Step 1: I'll create the file**",
  ])("run every form: %s", (words) => {
    for (const call of [BLOCK, FENCE, CALL, REACT, CLINE])
      expect(readText(`${words}\n${call}`).calls, call).toMatchObject([{ arguments: TOUCH }]);
  });

  it.each([
    "Sure, creating it.",
    "Running it now:",
    "Ich führe das jetzt aus:",
    "Je crée le fichier :",
    "The file does not exist yet.",
    "The next step is:",
    "I can't find the file, looking again:",
    "## Step 1",
    "**Create the file**",
    "1. Create file:",
    "I found the bug in notes.txt.",
    "The error says the module is missing.",
  ])("run a marked call: %s", (words) => {
    expect(readText(`${words}\n${BLOCK}`).calls).toMatchObject([{ arguments: TOUCH }]);
  });
});

describe("words of any length before a call", () => {
  it.each(["I found it ", "The log shows ", "not a b ", "**", " ", "1. "])("are read quickly: %j", (part) => {
    const started = performance.now();
    readText(`${part.repeat(20_000)}x\n${BLOCK}`);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
