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
});
