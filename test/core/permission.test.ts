import { describe, expect, it } from "vitest";
import type { CommandPlace, PermissionMode } from "../../src/core/approval.ts";
import { denyUnattended } from "../../src/core/approval.ts";
import {
  decidePermission,
  stricterMode,
  toPermissionMode,
  type PermissionDecision,
} from "../../src/core/permission.ts";
import type { CallPreview, ToolAccess } from "../../src/core/tool.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { collect, last, textTool } from "./_run.ts";

const ISOLATED: CommandPlace = { backend: "bubblewrap", isolated: true, network: "none" };
const NETWORKED: CommandPlace = { backend: "docker", isolated: true, network: "bridge" };
const BARE: CommandPlace = { backend: "process", isolated: false, network: "bridge" };

interface Look extends Partial<CallPreview> {
  writesInTurn?: number;
}

function decide(
  mode: string,
  access: ToolAccess,
  { writesInTurn = 0, ...preview }: Look,
): PermissionDecision {
  return decidePermission({
    tool: "tool",
    access,
    input: {},
    preview: { kind: "text", text: "", concerns: [], ...preview },
    mode: mode as PermissionMode,
    writesInTurn,
  });
}

const isolated = (command: string, harmless = false): Look => ({ command, place: ISOLATED, harmless });
const networked = (command: string, harmless = false): Look => ({ command, place: NETWORKED, harmless });
const bare = (command: string, refuseInAuto = true): Look => ({
  command,
  place: BARE,
  concerns: ["it runs without isolation"],
  refuseInAuto,
});

describe("the permission matrix", () => {
  it.each<[string, ToolAccess, Look, string, string, string]>([
    ["reading a file", "read", {}, "run", "run", "ask"],
    ["a todo", "control", {}, "run", "run", "ask"],
    ["git status in the sandbox", "read", isolated("git status"), "run", "run", "ask"],
    ["git status in a sandbox with network", "read", networked("git status"), "run", "run", "ask"],
    ["git status without isolation", "read", bare("git status"), "refuse", "ask", "ask"],
    ["writing a file", "write", {}, "run", "run", "ask"],
    ["writing a protected file", "write", { concerns: ["x"], refuseInAuto: true }, "refuse", "ask", "ask"],
    ["writing the project's memory file", "write", { concerns: ["x"] }, "run", "ask", "ask"],
    ["the 20th file of a turn", "write", { writes: ["a"], writesInTurn: 19 }, "run", "run", "ask"],
    ["the 21st file of a turn", "write", { writes: ["a"], writesInTurn: 20 }, "run", "ask", "ask"],
    ["a command that reads", "execute", isolated("ls", true), "run", "run", "ask"],
    ["a command", "execute", isolated("npm test"), "run", "ask", "ask"],
    ["a command with network", "execute", networked("npm test"), "ask", "ask", "ask"],
    ["a command that reads with network", "execute", networked("ls", true), "ask", "ask", "ask"],
    ["a command without isolation", "execute", bare("npm test"), "refuse", "ask", "ask"],
    [
      "a command without isolation that was accepted",
      "execute",
      bare("npm test", false),
      "run",
      "ask",
      "ask",
    ],
    ["a command of which nothing says where it runs", "execute", {}, "ask", "ask", "ask"],
    ["a push", "execute", isolated("git push"), "ask", "ask", "ask"],
    ["a push without isolation that was accepted", "execute", bare("git push", false), "ask", "ask", "ask"],
    ["an install with network", "execute", networked("npm install x"), "ask", "ask", "ask"],
    ["an install without isolation", "execute", bare("pip install x", false), "ask", "ask", "ask"],
    ["an install without network", "execute", isolated("npm install x"), "run", "ask", "ask"],
    ["a fetch from the network", "network", {}, "ask", "ask", "ask"],
  ])("for %s %s %o says %s in auto, %s in normal, %s in manual mode", (_, access, look, ...decisions) => {
    expect(["auto", "normal", "manual"].map((mode) => decide(mode, access, look).decision)).toEqual(
      decisions,
    );
  });

  it.each([
    "git reset --hard",
    "git reset HEAD~3 --hard",
    "git reset --har",
    "git -C sub -c a.b=c --no-pager reset --hard",
    "git clean -fdx",
    "git checkout -- .",
    "git checkout -f main",
    "git stash drop",
    "git branch -D x",
    "/usr/bin/git push",
    "g\\it 'push'",
    "ls && git push",
    "bash -c 'git clean -fd'",
    "sudo git clean -fd",
    "echo $(git reset --hard)",
    "if true; then git clean -f; fi",
  ])("asks before %s in auto mode too", (command) => {
    expect(decide("auto", "execute", isolated(command)).decision).toBe("ask");
  });

  it.each([
    "git reset HEAD a",
    "git commit -m 'clean up; push'",
    "git checkout -b main",
    "git switch main",
    "echo git push",
    "git stash",
  ])("runs %s in auto mode", (command) => {
    expect(decide("auto", "execute", isolated(command)).decision).toBe("run");
  });

  it.each(["", "root", "AUTO!", "automatic", "__proto__"])("takes the unknown mode %j for manual", (text) => {
    expect(toPermissionMode(text)).toBe("manual");
    expect(decide(text, "read", {}).decision).toBe("ask");
  });

  it("lets what inherits a mode only be stricter", () => {
    expect(stricterMode("auto", "normal")).toBe("normal");
    expect(stricterMode("manual", "auto")).toBe("manual");
    expect(stricterMode("normal", "normal")).toBe("normal");
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
    expect(last(events)).toMatchObject({
      message: expect.stringContaining("allow it by a rule in `permissions.yaml`") as string,
    });
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
