import { expect, test } from "vitest";
import * as z from "zod/mini";
import type { ChangeRecorder } from "../../src/core/checkpoint.ts";
import { defineTool } from "../../src/core/define-tool.ts";
import { run } from "../../src/core/loop.ts";
import { createRedactor } from "../../src/core/redact.ts";
import type { CallPreview, Tool, ToolAccess } from "../../src/core/tool.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { allowAll, collect, types } from "./_run.ts";

/** Notes what it is told, and what the tool did meanwhile. */
function createLog(options: { breaks?: boolean; says?: string } = {}) {
  const log: string[] = [];
  const shown = (paths: readonly string[] | undefined): string => paths?.join(",") ?? "anything";
  let changed = false;
  const recorder: ChangeRecorder = {
    id: "checkpoint-1",
    get changed() {
      return changed;
    },
    before: async (paths) => {
      log.push(`before ${shown(paths)}`);
      if (options.breaks) throw new Error("disk full");
      changed = true;
      return options.says;
    },
    after: async (paths) => {
      log.push(`after ${shown(paths)}`);
      return undefined;
    },
  };
  return { log, recorder };
}

function toolOf(log: string[], access: ToolAccess, preview: Partial<CallPreview> = {}, fail = false): Tool {
  return defineTool({
    name: "act",
    description: "act",
    access,
    parameters: z.object({}),
    preview: async () => ({ kind: "text", text: "act", concerns: [], ...preview }),
    execute: async () => {
      log.push("act");
      if (fail) throw new Error("broken tool");
      return { ok: true, output: "" };
    },
  });
}

const oneCall = () => createScriptedModel([{ calls: [scriptedCall("act", {})] }, { text: "done" }]);

test.each([
  ["write", { writes: ["a.txt", "b.txt"] }, ["before a.txt,b.txt", "act", "after a.txt,b.txt"]],
  ["write", {}, ["before anything", "act", "after anything"]],
  ["execute", { writes: ["a.txt"] }, ["before anything", "act", "after anything"]],
  ["network", {}, ["before anything", "act", "after anything"]],
  ["execute", { harmless: true }, ["act"]],
  ["read", {}, ["act"]],
  ["control", {}, ["act"]],
] as const)(
  "tells the recorder around a call with access %s and preview %j",
  async (access, preview, expected) => {
    const { log, recorder } = createLog();
    await collect({ model: oneCall(), tools: [toolOf(log, access, preview)], changes: recorder });
    expect(log).toEqual(expected);
  },
);

test("names the checkpoint before the first call starts, and only once", async () => {
  const { log, recorder } = createLog();
  const model = createScriptedModel([
    { calls: [scriptedCall("act", {}), scriptedCall("act", {}, "call-2")] },
    { text: "done" },
  ]);
  const { events } = await collect({
    model,
    tools: [toolOf(log, "write", { writes: ["a"] })],
    changes: recorder,
  });
  expect(events.filter(({ type }) => type === "checkpoint_made")).toEqual([
    { type: "checkpoint_made", id: "checkpoint-1" },
  ]);
  const order = types(events);
  expect(order.indexOf("checkpoint_made")).toBeLessThan(order.indexOf("tool_started"));
});

test("the consumer has written down the checkpoint before the call changes anything", async () => {
  const { log, recorder } = createLog();
  const events = run({
    model: oneCall(),
    tools: [toolOf(log, "execute")],
    messages: [{ role: "system", content: "system" }],
    input: "do it",
    mode: () => "auto",
    approver: allowAll,
    changes: recorder,
  });
  for await (const event of events) if (event.type === "checkpoint_made") break;
  expect(log).toEqual(["before anything"]);
});

test("a call that is refused is not recorded", async () => {
  const { log, recorder } = createLog();
  await collect({
    model: oneCall(),
    tools: [toolOf(log, "execute")],
    mode: () => "normal",
    approver: { ask: async () => ({ decision: "deny" }) },
    changes: recorder,
  });
  expect(log).toEqual([]);
});

test("is told of the end of a call that broke", async () => {
  const { log, recorder } = createLog();
  await collect({ model: oneCall(), tools: [toolOf(log, "execute", {}, true)], changes: recorder });
  expect(log).toEqual(["before anything", "act", "after anything"]);
});

test("what the recorder says is a warning, without the secrets in it", async () => {
  const { log, recorder } = createLog({ says: "too large: token-123" });
  const redactor = createRedactor(["token-123"]);
  const { events } = await collect({
    model: oneCall(),
    tools: [toolOf(log, "execute")],
    changes: recorder,
    redactor,
  });
  const warning = events.find((event) => event.type === "warning");
  expect(warning).toMatchObject({
    code: "checkpoint_incomplete",
    message: expect.stringContaining("too large"),
  });
  expect(JSON.stringify(warning)).not.toContain("token-123");
});

test("a recorder that breaks does not keep a call from running", async () => {
  const { log, recorder } = createLog({ breaks: true });
  const { events } = await collect({ model: oneCall(), tools: [toolOf(log, "execute")], changes: recorder });
  expect(log).toContain("act");
  expect(events).toContainEqual({
    type: "warning",
    code: "checkpoint_incomplete",
    message: "This call cannot be undone: disk full",
  });
});
