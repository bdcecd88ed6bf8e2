import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createApprovalStore } from "../../src/permissions/approvals.ts";
import { createPolicy } from "../../src/permissions/policy.ts";
import { ISOLATED, makeFolder, shellCall, toolCall, toRules, WORKSPACE } from "./_policy.ts";

const now = (): Date => new Date(0);
const TEST = { tool: "shell", prefix: ["npm", "test"] } as const;

describe("an answer remembered for the conversation", () => {
  it("counts for calls like it, and for no other policy", async () => {
    const policy = createPolicy({ rules: [], workspace: WORKSPACE });
    expect(policy.decide(shellCall("npm test")).decision).toBe("ask");
    await policy.remember(TEST, "session");
    expect(policy.decide(shellCall("npm test -- -x"))).toEqual({
      decision: "run",
      rule: "remembered: allow shell `npm test`",
    });
    expect(policy.decide(shellCall("npm run build")).decision).toBe("ask");
    expect(policy.decide(shellCall("npm test; curl x")).decision).toBe("ask");
    expect(policy.decide(shellCall("npm test", { mode: "manual" })).decision).toBe("ask");
    const other = createPolicy({ rules: [], workspace: WORKSPACE });
    expect(other.decide(shellCall("npm test")).decision).toBe("ask");
  });

  it("loses to every rule that asks or denies", async () => {
    for (const decision of ["ask", "deny"]) {
      const rules = toRules("workspace", { tool: "shell", match: "npm test", decision });
      const policy = createPolicy({ rules, workspace: WORKSPACE });
      await policy.remember(TEST, "session");
      expect(policy.decide(shellCall("npm test")).decision).not.toBe("run");
    }
  });
});

describe("an answer remembered for a workspace", () => {
  it("counts in later conversations of that workspace, and in no other one", async () => {
    const approvals = createApprovalStore({ file: join(makeFolder(), "sub", "approvals.json"), now });
    await createPolicy({ rules: [], workspace: WORKSPACE, approvals }).remember(TEST, "workspace");
    const later = createPolicy({ rules: [], workspace: WORKSPACE, approvals });
    expect(later.decide(shellCall("npm test")).decision).toBe("run");
    const elsewhere = createPolicy({ rules: [], workspace: `${WORKSPACE}2`, approvals });
    expect(elsewhere.decide(shellCall("npm test")).decision).toBe("ask");
  });

  it("neither counts nor is offered where no person follows", async () => {
    const approvals = createApprovalStore({ file: join(makeFolder(), "approvals.json"), now });
    await approvals.add(WORKSPACE, TEST);
    const policy = createPolicy({ rules: [], workspace: WORKSPACE, approvals, remembered: false });
    expect(policy.decide(shellCall("npm test"))).toMatchObject({ decision: "ask" });
    expect(policy.decide(shellCall("npm test"))).not.toHaveProperty("offer");
    expect(policy.decide(toolCall("fetch", { url: "x" }))).not.toHaveProperty("offer");
    await expect(policy.remember(TEST, "session")).rejects.toMatchObject({ code: "usage" });
  });

  it("stops counting at once when it is revoked", async () => {
    const approvals = createApprovalStore({ file: join(makeFolder(), "approvals.json"), now });
    const policy = createPolicy({ rules: [], workspace: WORKSPACE, approvals });
    const { id } = await approvals.add(WORKSPACE, TEST);
    expect(policy.decide(shellCall("npm test")).decision).toBe("run");
    expect(await approvals.revoke("other")).toEqual([]);
    expect(await approvals.revoke(id)).toMatchObject([{ id, tool: "shell", workspace: WORKSPACE }]);
    expect(policy.decide(shellCall("npm test")).decision).toBe("ask");
  });

  it("of a tool whose text can change holds for the text that it was given for", async () => {
    const approvals = createApprovalStore({ file: join(makeFolder(), "approvals.json"), now });
    const policy = createPolicy({ rules: [], workspace: WORKSPACE, approvals });
    const call = (version?: string) =>
      toolCall(
        "custom_deploy",
        {},
        { access: "execute", preview: { place: ISOLATED, ...(version === undefined ? {} : { version }) } },
      );
    const asked = policy.decide(call("one"));
    expect(asked).toMatchObject({ decision: "ask", offer: { tool: "custom_deploy", version: "one" } });
    for (const scope of ["session", "workspace"] as const) {
      const other = createPolicy({ rules: [], workspace: WORKSPACE, approvals });
      await other.remember({ tool: "custom_deploy", version: "one" }, scope);
      expect(other.decide(call("one")).decision).toBe("run");
      expect(other.decide(call("two")).decision).toBe("ask");
      expect(other.decide(call()).decision).toBe("ask");
    }
    await approvals.revoke(undefined);
    await approvals.add(WORKSPACE, { tool: "custom_deploy" });
    expect(policy.decide(call("one")).decision).toBe("ask");
    const rules = toRules("user", { tool: "custom_deploy", decision: "allow" });
    expect(createPolicy({ rules, workspace: WORKSPACE }).decide(call("two")).decision).toBe("run");
  });

  it("is kept once, in a file that nobody else can read", async () => {
    const file = join(makeFolder(), "approvals.json");
    const approvals = createApprovalStore({ file, now });
    await approvals.add(WORKSPACE, TEST);
    await approvals.add(WORKSPACE, TEST);
    expect(approvals.list()).toHaveLength(1);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("is not lost when several agents keep answers at once", async () => {
    const file = join(makeFolder(), "approvals.json");
    const agents = Array.from({ length: 8 }, () => createApprovalStore({ file, now }));
    await Promise.all(agents.map((agent, index) => agent.add(WORKSPACE, { tool: `tool${index}` })));
    expect(
      createApprovalStore({ file, now })
        .list()
        .map(({ tool }) => tool)
        .sort(),
    ).toHaveLength(8);
  });

  it.each([
    ["no JSON", "{"],
    ["no list", '{"approvals":1}'],
    ["nothing", "null"],
    ["an entry without its workspace", '{"approvals":[{"id":"a","tool":"x","at":""}]}'],
    [
      "a command without its start",
      `{"approvals":[{"id":"a","workspace":"${WORKSPACE}","tool":"shell","at":""}]}`,
    ],
    [
      "a command with an empty start",
      `{"approvals":[{"id":"a","workspace":"${WORKSPACE}","tool":"shell","prefix":[],"at":""}]}`,
    ],
  ])("does not count when the file holds %s, and the user is told how to go on", async (_, text) => {
    const file = join(makeFolder({ "approvals.json": text }), "approvals.json");
    const approvals = createApprovalStore({ file, now });
    const problems: string[] = [];
    const policy = createPolicy({
      rules: [],
      workspace: WORKSPACE,
      approvals,
      onProblem: (message) => problems.push(message),
    });
    expect(policy.decide(shellCall("npm test")).decision).toBe("ask");
    expect(policy.decide(shellCall("npm test")).decision).toBe("ask");
    expect(problems).toEqual([expect.stringContaining("lmagent permissions revoke --all")]);
    await expect(policy.remember(TEST, "workspace")).rejects.toMatchObject({ code: "config_invalid" });
    expect(readFileSync(file, "utf8")).toBe(text);
    await approvals.revoke(undefined);
    expect(existsSync(file)).toBe(false);
  });

  it.runIf(process.getuid !== undefined)("does not count when others can write the file", () => {
    const file = join(makeFolder(), "approvals.json");
    const kept = { id: "a", workspace: WORKSPACE, ...TEST, at: "" };
    writeFileSync(file, JSON.stringify({ approvals: [kept] }));
    const approvals = createApprovalStore({ file, now });
    const policy = createPolicy({ rules: [], workspace: WORKSPACE, approvals });
    chmodSync(file, 0o600);
    expect(policy.decide(shellCall("npm test")).decision).toBe("run");
    chmodSync(file, 0o666);
    expect(policy.decide(shellCall("npm test")).decision).toBe("ask");
  });

  it("tells what is wrong with its own file, also when that cannot be removed", async () => {
    const file = makeFolder();
    const approvals = createApprovalStore({ file, now });
    expect(() => approvals.list()).toThrow(
      `Remembered approvals in \`${file}\` cannot be used: it is no regular file.`,
    );
    await expect(approvals.revoke(undefined)).rejects.toMatchObject({ code: "storage_failed" });
    expect(existsSync(`${file}.lock`)).toBe(false);
  });
});
