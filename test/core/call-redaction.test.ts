import { describe, expect, it } from "vitest";
import type { ApprovalRequest } from "../../src/core/approval.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { createRedactor } from "../../src/core/redact.ts";
import type { Tool, ToolContext } from "../../src/core/tool.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { collect, textTool } from "./_run.ts";

const SECRET = "sk-live-0123456789abcdef";

function leaks(value: unknown): boolean {
  return JSON.stringify(value).includes(SECRET);
}

async function runTool(tool: Tool, mode: "auto" | "manual" = "auto", text = "x"): Promise<AgentEvent[]> {
  const model = createScriptedModel([{ calls: [scriptedCall(tool.name, { text })] }, { text: "." }]);
  const { events } = await collect({
    model,
    tools: [tool],
    mode: () => mode,
    redactor: createRedactor([SECRET]),
  });
  // The model's own words are its own; everything that a call adds to them is looked at.
  const added = events.filter(({ type }) => /tool|approval|warning|todos/.test(type));
  const messages = model.requests[1]?.messages.filter(({ role }) => role === "tool");
  expect(leaks([added, messages])).toBe(false);
  return events;
}

describe("a known secret", () => {
  it("is taken out of every text of a result, at any depth", async () => {
    const tool = textTool("read", () => ({
      ok: true,
      output: `key: ${SECRET}`,
      list: [{ [SECRET]: `${SECRET} ${SECRET}`, count: 3, none: null }],
    }));
    const events = await runTool(tool);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "tool_finished",
        result: {
          ok: true,
          output: "key: [redacted]",
          list: [{ "[redacted]": "[redacted] [redacted]", count: 3, none: null }],
        },
      }),
    );
  });

  it("is taken out of failures, expected and thrown", async () => {
    await runTool(textTool("read", () => ({ ok: false, error: `no ${SECRET}` })));
    await runTool(
      textTool("read", () => {
        throw new Error(`bad ${SECRET}`);
      }),
    );
  });

  it("is taken out of output that comes in pieces", async () => {
    const emit = (_: string, context: ToolContext) => {
      for (const piece of ["a ", SECRET.slice(0, 9), SECRET.slice(9), " b"])
        context.emit({ type: "output", text: piece });
      return { ok: true, output: "" } as const;
    };
    const events = await runTool(textTool("shell", emit, { access: "write" }));
    const shown = events.flatMap((event) => (event.type === "tool_output" ? [event.text] : [])).join("");
    expect(shown).toBe("a [redacted] b");
  });

  it("is taken out of arguments and previews that are shown, while the call gets it", async () => {
    let got = "";
    const tool = textTool("write", (text) => {
      got = text;
      return { ok: true, output: "" };
    });
    const previewed: Tool = {
      ...tool,
      preview: async () => ({
        kind: "diff",
        text: `+${SECRET}`,
        concerns: [`holds ${SECRET}`],
        command: SECRET,
      }),
    };
    const events = await runTool(previewed, "manual", SECRET);
    expect(got).toBe(SECRET);
    const asked = events.find((event) => event.type === "approval_requested");
    expect(asked).toMatchObject({
      request: { arguments: { text: "[redacted]" }, preview: { text: "+[redacted]" } },
    });
  });

  it("is never part of an answer that is kept", async () => {
    const tool = textTool("shell", () => ({ ok: true, output: "" }));
    const kept: unknown[] = [];
    for (const word of ["test", SECRET]) {
      const model = createScriptedModel([{ calls: [scriptedCall("shell", { text: "x" })] }, { text: "." }]);
      await collect({
        model,
        tools: [tool],
        redactor: createRedactor([SECRET]),
        policy: {
          decide: () => ({ decision: "ask", why: "x", offer: { tool: "shell", prefix: ["npm", word] } }),
          remember: async (calls) => void kept.push(calls),
        },
        approver: { ask: async ({ digest }) => ({ decision: "allow", digest, remember: "workspace" }) },
      });
    }
    expect(kept).toEqual([{ tool: "shell", prefix: ["npm", "test"] }]);
  });

  it("is taken out of warnings and todos", async () => {
    const emit = (_: string, context: ToolContext) => {
      context.emit({ type: "warning", message: `made ${SECRET}` });
      context.emit({ type: "todos_changed", todos: [{ id: 1, text: SECRET, status: "pending" }] as never });
      return { ok: true, output: "" } as const;
    };
    const events = await runTool(textTool("shell", emit));
    expect(events).toContainEqual({ type: "warning", code: "workspace_guard", message: "made [redacted]" });
  });

  it("is taken out of the ids and names of calls, in events, questions and the audit log", async () => {
    const audited: unknown[] = [];
    const questions: ApprovalRequest[] = [];
    const known = scriptedCall("shell", { text: "x" });
    const unknown = { ...scriptedCall(`x${SECRET}`, {}), id: `b${SECRET}` };
    const model = createScriptedModel([{ calls: [{ ...known, id: `a${SECRET}` }, unknown] }, { text: "." }]);
    const { events } = await collect({
      model,
      tools: [textTool("shell", () => ({ ok: true, output: "" }))],
      redactor: createRedactor([SECRET]),
      mode: () => "manual",
      audit: (record) => void audited.push(record),
      approver: {
        ask: async (request) => {
          questions.push(request);
          return { decision: "allow", digest: request.digest };
        },
      },
    });
    const about = events.filter((event) => "callId" in event || event.type === "approval_requested");
    expect(leaks([about, audited, questions])).toBe(false);
    expect(questions).toMatchObject([{ callId: "a[redacted]", tool: "shell" }]);
    expect(about.map((event) => ("callId" in event ? event.callId : event.type))).toEqual([
      "a[redacted]",
      "approval_requested",
      "a[redacted]",
      "a[redacted]",
      "a[redacted]",
      "b[redacted]",
      "b[redacted]",
    ]);
    expect(audited).toHaveLength(3);
  });

  it("is taken out of what is said about calls that cannot be used", async () => {
    const model = createScriptedModel([
      { calls: [scriptedCall(`x${SECRET}`, { a: SECRET })] },
      { text: "." },
    ]);
    const { events } = await collect({ model, tools: [], redactor: createRedactor([SECRET]) });
    const results = events.filter(({ type }) => type === "tool_finished");
    expect(results).toHaveLength(1);
    expect(JSON.stringify(results.map((event) => (event as { result?: unknown }).result))).not.toContain(
      SECRET,
    );
  });
});
