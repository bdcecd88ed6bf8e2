import { describe, expect, it } from "vitest";
import type { ModelEvent, ModelRequest } from "../../src/core/model.ts";
import { planFromText, rescuePlans } from "../../src/core/plan-rescue.ts";
import type { Plan } from "../../src/core/plan.ts";
import { createScriptedModel, scriptedCall, type ScriptedReply } from "../../src/testing/scripted-model.ts";

const JSON_PLAN =
  '{"title": "t", "steps": [{"description": "Read a.txt"}, {"description": "Write b.txt",},]}';

describe("a plan in a text", () => {
  it("is found in a code block, and the rest of the answer stays", () => {
    expect(planFromText(`Here is my plan:\n\n\`\`\`json\n${JSON_PLAN}\n\`\`\`\nShall I?`)).toEqual({
      arguments: { title: "t", steps: [{ description: "Read a.txt" }, { description: "Write b.txt" }] },
      rest: "Here is my plan:\n\n\nShall I?",
    });
  });

  it.each([
    ["bare", JSON_PLAN],
    ["after words with braces", `I use {braces}.\n\`\`\`\n${JSON_PLAN}\n\`\`\``],
    ["as a list of steps", '[{"step": "Read a.txt"}, {"step": "Write b.txt"}]'],
    ["as a call in words", `{"name": "plan_propose", "arguments": ${JSON_PLAN}}`],
    ["below `plan`", '{"plan": [{"task": "Read a.txt"}, {"task": "Write b.txt"}]}'],
  ])("is found %s", (_, text) => {
    expect(planFromText(text)?.arguments["steps"]).toHaveLength(2);
  });

  it.each([
    ["words", "1. Read a.txt\n2. Write b.txt"],
    ["other JSON", '```json\n{"name": "lmagent", "version": "1.0.0"}\n```'],
    ["a list of names", '["a.txt", "b.txt"]'],
    ["broken JSON", '{"title": "t", "steps": [{"description": "Read'],
    ["an empty plan", '{"title": "t", "steps": []}'],
    ["depth", `${"[".repeat(100_000)}${"]".repeat(100_000)}`],
    ["nothing", ""],
  ])("is not seen in %s", (_, text) => {
    expect(planFromText(text)).toBeUndefined();
  });
});

const PLANNING: Plan = { title: "", steps: [], status: "planning" };
const tool = {
  type: "function",
  function: { name: "plan_propose", description: "", parameters: {} },
} as const;

async function replyTo(
  reply: ScriptedReply,
  { plan = PLANNING, request = {} }: { plan?: Plan | undefined; request?: Partial<ModelRequest> } = {},
): Promise<ModelEvent | undefined> {
  const model = rescuePlans(createScriptedModel([reply]), () => plan);
  const events: ModelEvent[] = [];
  const { signal } = new AbortController();
  for await (const event of model.stream({ messages: [], tools: [tool], ...request }, { signal }))
    events.push(event);
  return events.at(-1);
}

describe("a model whose plans are rescued", () => {
  it("calls plan_propose where it wrote the plan as text", async () => {
    expect(await replyTo({ text: `My plan:\n${JSON_PLAN}` })).toMatchObject({
      type: "finished",
      reply: {
        text: "My plan:",
        finish: "tool_calls",
        calls: [
          { name: "plan_propose", arguments: { title: "t" }, rescued: "a plan in the text of the answer" },
        ],
      },
    });
  });

  it("is left alone when no plan is wanted, or the reply is something else", async () => {
    const untouched = { reply: { text: JSON_PLAN, calls: [] } };
    for (const status of ["proposed", "approved", "completed", "abandoned"] as const)
      expect(await replyTo({ text: JSON_PLAN }, { plan: { ...PLANNING, status } })).toMatchObject(untouched);
    expect(await replyTo({ text: JSON_PLAN }, { request: { tools: [] } })).toMatchObject(untouched);
    expect(await replyTo({ text: JSON_PLAN }, { request: { toolChoice: "none" } })).toMatchObject(untouched);
    expect(await replyTo({ text: JSON_PLAN, finish: "length" })).toMatchObject(untouched);
    expect(await replyTo({ text: JSON_PLAN, finish: "cut" })).toMatchObject(untouched);
    const call = scriptedCall("ls", {});
    expect(await replyTo({ text: JSON_PLAN, calls: [call] })).toMatchObject({
      reply: { calls: [{ name: "ls" }] },
    });
  });

  it("puts a plan that nobody has decided about to the user first, and asks for no reply", async () => {
    const steps = [{ id: 1, description: "Read", dependencies: [], status: "pending" as const }];
    const model = createScriptedModel([{ text: "Go on." }]);
    const rescued = rescuePlans(model, () => ({ title: "t", steps, status: "proposed" }));
    const { signal } = new AbortController();
    const ask = async () => {
      const events: ModelEvent[] = [];
      for await (const event of rescued.stream({ messages: [], tools: [tool] }, { signal }))
        events.push(event);
      return events;
    };
    expect(await ask()).toMatchObject([
      { reply: { calls: [{ name: "plan_propose", arguments: { title: "t", steps: [{ id: 1 }] } }] } },
    ]);
    expect(model.requests).toEqual([]);
    expect((await ask()).at(-1)).toMatchObject({ reply: { text: "Go on.", calls: [] } });
  });

  it("is the same model in all else, with the slot that it has", async () => {
    const model = { ...createScriptedModel([]), id: "one", acquireSlot: async () => 3 };
    const rescued = rescuePlans(model, () => undefined);
    expect(await rescued.acquireSlot?.("main")).toBe(3);
    model.id = "two";
    expect(rescued.id).toBe("two");
    expect(rescuePlans(createScriptedModel([]), () => undefined)).not.toHaveProperty("acquireSlot");
  });
});
