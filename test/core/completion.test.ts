import { describe, expect, it } from "vitest";
import { findOpenTodos } from "../../src/core/completion.ts";
import { Inbox } from "../../src/core/inbox.ts";
import { describeState } from "../../src/core/state-note.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { collect, echo, last, textTool, sentLast } from "./_run.ts";

const done = { text: "All done." };
const endless = () => createScriptedModel(Array.from({ length: 300 }, () => done));
const refusals = (events: Awaited<ReturnType<typeof collect>>["events"]): number =>
  events.filter((event) => event.type === "warning" && event.code === "completion_refused").length;

describe("a model that wants to be done while work is open", () => {
  it("is told what is open, and goes on", async () => {
    let open: string | undefined = "Step 2 of the plan is open.";
    const finish = textTool("finish", () => {
      open = undefined;
      return { ok: true, output: "step 2 completed" };
    });
    const model = createScriptedModel([
      done,
      { calls: [scriptedCall("finish", { text: "" })] },
      { text: "Now it is." },
    ]);
    const { events } = await collect({ model, tools: [finish], completionGate: () => open });
    expect(last(events)).toMatchObject({ reason: "done", text: "Now it is." });
    expect(refusals(events)).toBe(1);
    expect(model.requests[1]?.messages.slice(-2)).toMatchObject([
      { role: "assistant", content: "All done." },
      { role: "user", note: "nudge", content: expect.stringContaining("Step 2 of the plan is open.") },
    ]);
    expect(events.some(({ type }) => type === "prefix_broken")).toBe(false);
  });

  it("is told in words that cannot end a message", async () => {
    const model = createScriptedModel([{ text: "Let me run it:" }, done, { text: "BLOCKED: no" }]);
    await collect({ model, tools: [echo], completionGate: () => "Step <|im_end|> is open." });
    for (const request of [1, 2]) {
      expect(sentLast(model, request)).toContain("is open.");
      expect(sentLast(model, request)).not.toContain("<|im_end|>");
    }
  });

  it("is blocked after a few times, with what is open as the message: a model that never calls what it should", async () => {
    const model = endless();
    const { events } = await collect({
      model,
      tools: [echo],
      completionGate: () => "12 of 300 files are left.",
    });
    expect(last(events)).toMatchObject({
      reason: "blocked",
      message: "12 of 300 files are left.",
      text: "All done.",
    });
    expect(model.requests).toHaveLength(4);
  });

  it("is told once, and left the choice, where that was open before the user asked for something", async () => {
    const openBefore = "12 of 300 files are left.";
    const model = endless();
    const { events } = await collect({ model, completionGate: () => openBefore, openBefore });
    expect(last(events)).toMatchObject({ reason: "blocked", message: openBefore, text: "All done." });
    expect(model.requests).toHaveLength(2);
    expect(sentLast(model, 1)).toContain("only if the user's last message asks for it");
    const goingOn = endless();
    await collect({ model: goingOn, completionGate: () => "11 of 300 files are left.", openBefore });
    expect(goingOn.requests).toHaveLength(4);
    expect(sentLast(goingOn, 1)).toContain("You are not done yet.");
  });

  it("may be told often while what is open changes, though not for ever", async () => {
    let left = 8;
    const first = await collect({
      model: endless(),
      tools: [echo],
      completionGate: () => ((left -= 1) > 0 ? `${left} are left.` : undefined),
    });
    expect(last(first.events)).toMatchObject({ reason: "done", turns: 8 });
    let asked = 0;
    const second = await collect({ model: endless(), completionGate: () => `Asked ${(asked += 1)} times.` });
    expect(last(second.events)).toMatchObject({ reason: "blocked", turns: 13 });
  });

  it("is not let off by calls that bring nothing", async () => {
    const replies = Array.from({ length: 300 }, (_, index) =>
      index % 2 === 0 ? done : { calls: [scriptedCall("echo", { text: `idea ${index}` })] },
    );
    const model = createScriptedModel(replies);
    const { events } = await collect({ model, tools: [echo], completionGate: () => "Step 1 is open." });
    expect(["blocked", "loop"]).toContain(last(events).reason);
    expect(model.requests.length).toBeLessThan(25);
  });

  it("may say that it cannot go on", async () => {
    const model = createScriptedModel([{ text: "BLOCKED: the server is down" }]);
    const { events } = await collect({ model, completionGate: () => "Step 1 is open." });
    expect(last(events)).toMatchObject({ reason: "blocked", message: "the server is down" });
  });

  it("is blocked at once where a hint would be taken for the request", async () => {
    const model = createScriptedModel([done], { profile: { name: "small", recentRequests: 1 } });
    const { events } = await collect({ model, completionGate: () => "Step 1 is open." });
    expect(last(events)).toMatchObject({ reason: "blocked", message: "Step 1 is open." });
  });
});

describe("a model that announces a step", () => {
  const promise = { text: "Let me run the tests now." };

  it("is told once, and what is open", async () => {
    const model = createScriptedModel([promise, promise]);
    const todos = [
      { id: 1, text: "read the code", status: "completed" as const },
      { id: 2, text: "run the tests", status: "in_progress" as const },
      { id: 3, text: "write a summary", status: "pending" as const },
    ];
    const { events } = await collect({ model, tools: [echo], stateNote: () => describeState({ todos }) });
    expect(last(events).turns).toBe(2);
    const nudge = sentLast(model, 1);
    expect(nudge).toContain("Still open:\n2. [in_progress] run the tests\n3. [pending] write a summary");
    expect(nudge).not.toContain("read the code");
  });

  it("is told once for each request of the user", async () => {
    const inbox = new Inbox();
    inbox.followUp("and now the other one");
    const model = createScriptedModel([promise, { text: "They pass." }, promise, { text: "They pass too." }]);
    const { events } = await collect({ model, tools: [echo], inbox });
    expect(last(events)).toMatchObject({ reason: "done", text: "They pass too.", turns: 4 });
  });

  it("is told what keeps it from being done", async () => {
    const model = createScriptedModel([promise, { text: "BLOCKED: no tests here" }]);
    await collect({ model, completionGate: () => "Step 3 is open." });
    expect(sentLast(model, 1)).toContain("Still open:\nStep 3 is open.");
  });

  it("is told no more of a long list than fits", () => {
    const todos = Array.from({ length: 300 }, (_, index) => ({
      id: index,
      text: "x".repeat(500),
      status: "pending" as const,
    }));
    const open = findOpenTodos(describeState({ todos }, { maxBytes: 1_000_000 }));
    expect(open?.split("\n")).toHaveLength(9);
    expect(open).toContain("and 292 more");
    expect(open?.length).toBeLessThan(1_200);
    expect(findOpenTodos("")).toBeUndefined();
    expect(
      findOpenTodos(describeState({ todos: [{ id: 1, text: "a", status: "completed" }] })),
    ).toBeUndefined();
  });
});
