import { describe, expect, it } from "vitest";
import type { ModelReply } from "../../src/core/model.ts";
import { promisesAction } from "../../src/core/promise.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { collect, echo, last } from "./_run.ts";

describe("a turn that came to nothing", () => {
  it.each<[string, Partial<ModelReply>, string]>([
    ["an empty answer", { text: "" }, "empty_reply"],
    ["an answer of blanks", { text: " \n" }, "empty_reply"],
    ["only thinking", { thinking: "hmm" }, "thinking_only"],
    ["an announced but absent call", { text: "I'll run the command now:" }, "promised_action"],
    ["an answer cut at the length limit", { text: "The first", finish: "length" }, "reply_truncated"],
    ["thinking cut at the length limit", { thinking: "so", finish: "length" }, "reply_truncated"],
    ["a broken connection", { text: "The fi", finish: "cut" }, "reply_cut"],
  ])("is tried again after %s", async (_name, reply, code) => {
    const model = createScriptedModel([
      reply,
      { calls: [scriptedCall("echo", { text: "x" })] },
      { text: "Done." },
    ]);
    const { events } = await collect({ model, tools: [echo] });
    expect(events.flatMap((event) => (event.type === "warning" ? [event.code] : []))).toEqual([code]);
    expect(last(events)).toMatchObject({ reason: "done", text: "Done.", toolCalls: 1 });
  });

  it.each<[string, Partial<ModelReply>, string, number]>([
    ["empty", { text: "" }, "empty", 3],
    ["only thinking", { thinking: "hmm" }, "empty", 3],
    ["announced again and again", { text: "Let me check the file:" }, "empty", 2],
    ["cut at the length limit", { text: "on", finish: "length" }, "truncated", 3],
    ["a broken connection", { text: "on", finish: "cut" }, "model_unavailable", 3],
  ])("ends the run with a name when it stays %s", async (_name, reply, reason, turns) => {
    const model = createScriptedModel(Array.from({ length: 9 }, () => reply));
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events)).toMatchObject({ reason, turns });
  });

  it("says what the server said when it broke off", async () => {
    const cut = { text: "The fi", finish: "cut" as const, failure: "out of memory" };
    const { events } = await collect({ model: createScriptedModel([cut, { text: "Done." }]), tools: [echo] });
    const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
    expect(warnings).toEqual(["The model server broke off in the middle of a reply: out of memory"]);
    expect(last(events)).toMatchObject({ reason: "done" });
  });

  it("counts announcements anew after each step that was taken", async () => {
    const step = (text: string) => [{ text: "Let me run it." }, { calls: [scriptedCall("echo", { text })] }];
    const model = createScriptedModel([
      ...step("a"),
      ...step("b"),
      ...step("c"),
      ...step("d"),
      { text: "Done." },
    ]);
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events)).toMatchObject({ reason: "done", toolCalls: 4 });
  });

  it("ends at once where a hint would be taken for the request", async () => {
    const profile = { name: "small", recentRequests: 1 };
    const { events } = await collect({
      model: createScriptedModel([{ text: "on and on", finish: "length" }], { profile }),
      tools: [echo],
    });
    expect(last(events)).toMatchObject({ reason: "truncated", turns: 1 });
  });

  it("never runs a call that came before the connection broke", async () => {
    const model = createScriptedModel([
      { calls: [scriptedCall("echo", { text: "x" })], finish: "cut" },
      { text: "ok" },
    ]);
    const { events } = await collect({ model, tools: [echo] });
    expect(events.some(({ type }) => type === "tool_started")).toBe(false);
  });
});

describe("an announced action", () => {
  it.each([
    "I'll run the command now:",
    "Let me read the file.",
    "Sure! I will create the file `a.txt` with that text.",
    "The tests are in place.\n\nNow I'll run them to check: let me run the tests",
    "I'm going to start by listing the files...",
    "I'll run the command now:\n\n```bash\nls -la\n```",
    "Running the command now...",
    "First, I will take a look at the project structure.",
    "I'll write the file for you. One moment, please.",
    "Ich werde jetzt den Befehl ausführen:",
    "The steps are:",
    "I'll go ahead and run the tests.",
    "Sure, creating the file now.",
    "Let me analyze the code.",
    "Calling the shell tool.",
    "I'm reading the file now.",
    "Allow me to read the file.",
    "I'll now write it.\n\nPlease wait...",
  ])("is seen in %j", (text) => expect(promisesAction(text)).toBe(true));

  it.each([
    "Done. Let me know if you want me to run the tests.",
    "I created a.txt.",
    "If you like, I will run the tests.",
    "Should I run the tests?",
    "The file says: I'll be back",
    "Here is the list:\n- a\n- b",
    "To run it, use `npm start`.",
    "Understood. From now on I will use tabs.",
    'The note says: "I will find you".',
    "To list the files, run this:\n\n```bash\nls\n```",
    "Running the tests takes a minute.",
    "The function `let me run` is in a.ts.",
    "db.sqlite looks unused. Please confirm and I'll delete it.",
    "Say the word and I'll start.",
    "Once confirmed, I'll delete the folder.",
    "Tell me which and I'll implement it.",
    "I cannot proceed without the password. Provide it and I'll continue.",
    "Understood, I'll use tabs for indentation.",
    "OK, I'll do that.",
    "Nice to meet you, Anna. I'll use that name.",
    "The content of a.txt is:\n\nI will read the book tomorrow.",
    "TODO.md lists two items:\n- I should fix the parser\n- I need to update the docs",
    "> I will add tests later",
    "In Python, a function header looks like def f():",
    "Yours sincerely:",
    "Which one should I use? I need to get this right.",
  ])("is not seen in %j", (text) => expect(promisesAction(text)).toBe(false));
});
