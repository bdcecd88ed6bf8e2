import { describe, expect, it } from "vitest";
import type { PermissionMode } from "../../src/core/approval.ts";
import { denyUnattended } from "../../src/core/approval.ts";
import { decidePermission, toPermissionMode } from "../../src/core/permission.ts";
import type { CallPreview, ToolAccess } from "../../src/core/tool.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { collect, last, textTool } from "./_run.ts";

const plain: CallPreview = { kind: "text", text: "", concerns: [] };

describe("the permission matrix", () => {
  it.each<[PermissionMode, ToolAccess, Partial<CallPreview>, string]>([
    ["auto", "read", {}, "run"],
    ["auto", "write", {}, "run"],
    ["auto", "execute", {}, "run"],
    ["auto", "write", { concerns: ["writes to `.git/hooks`"], refuseInAuto: true }, "refuse"],
    ["auto", "write", { concerns: ["a memory file"] }, "run"],
    ["normal", "read", {}, "run"],
    ["normal", "control", {}, "run"],
    ["normal", "write", {}, "run"],
    ["normal", "write", { concerns: ["a memory file"] }, "ask"],
    ["normal", "execute", {}, "ask"],
    ["normal", "execute", { harmless: true }, "run"],
    ["normal", "execute", { harmless: true, concerns: ["not isolated"] }, "ask"],
    ["normal", "network", {}, "ask"],
    ["manual", "read", {}, "ask"],
    ["manual", "control", {}, "ask"],
    ["manual", "execute", { harmless: true }, "ask"],
  ])("in %s mode for %s %o says %s", (mode, access, preview, decision) => {
    expect(decidePermission(mode, access, { ...plain, ...preview }).decision).toBe(decision);
  });

  it.each(["", "root", "AUTO!", "automatic", "__proto__"])("takes the unknown mode %j for manual", (text) => {
    expect(toPermissionMode(text)).toBe("manual");
  });
});

describe("a call that needs consent", () => {
  const write = textTool("write", () => ({ ok: true, output: "written" }), { access: "write" });

  it("is denied when nobody is there, and the run says so", async () => {
    const model = createScriptedModel([
      { calls: [scriptedCall("write", { text: "x" })] },
      { text: "I could not write." },
    ]);
    const { events, result } = await collect({
      model,
      tools: [write],
      mode: () => "manual",
      approver: denyUnattended,
    });
    expect(last(events)).toMatchObject({ reason: "denied", denied: ["write"], text: "I could not write." });
    expect(result.reason).toBe("denied");
    expect(events.some(({ type }) => type === "tool_started")).toBe(false);
  });

  it("is denied with the user's words for the model, and the run goes on", async () => {
    const model = createScriptedModel([{ calls: [scriptedCall("write", { text: "x" })] }, { text: "Fine." }]);
    const { events } = await collect({
      model,
      tools: [write],
      mode: () => "manual",
      approver: { ask: async () => ({ decision: "deny", note: "not there" }) },
    });
    expect(last(events)).toMatchObject({ reason: "done", denied: ["write"] });
    expect(model.requests[1]?.messages.at(-1)?.content).toContain("denied by user: not there");
  });

  it("is denied when the approver breaks", async () => {
    const model = createScriptedModel([{ calls: [scriptedCall("write", { text: "x" })] }, { text: "Fine." }]);
    const { events } = await collect({
      model,
      tools: [write],
      mode: () => "manual",
      approver: { ask: () => Promise.reject(new Error("gone")) },
    });
    expect(last(events).reason).toBe("denied");
  });

  it("runs once it is allowed, between a request and its answer", async () => {
    const model = createScriptedModel([{ calls: [scriptedCall("write", { text: "x" })] }, { text: "Fine." }]);
    const { events } = await collect({ model, tools: [write], mode: () => "manual" });
    const order = events.map(({ type }) => type).filter((type) => /approval|tool/.test(type));
    expect(order).toEqual([
      "tool_proposed",
      "approval_requested",
      "approval_resolved",
      "tool_started",
      "tool_finished",
    ]);
  });
});
