import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createApprovalStore } from "../../src/permissions/index.ts";
import { callReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import { whyUnavailable } from "../sandbox/_backends.ts";
import { createPlace, lastEvent, runAgent, type AgentRun, type Place } from "./_agent.ts";

const isolated = (await whyUnavailable("bubblewrap")) === undefined;

function writeRules(place: Place, where: "home" | "workspace", text: string): void {
  const folder = where === "home" ? place.home : join(place.workspace, ".lmagent");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "permissions.yaml"), text);
}

/** One task in which the model runs `touch made` and then says what came of it; nobody is there to ask. */
async function runTouch(place: Place, ...flags: readonly string[]): Promise<AgentRun> {
  await using server = await startScriptedServer([
    callReply([{ name: "shell", arguments: { command: "touch made" } }]),
    textReply("That is all."),
  ]);
  return await runAgent(["--json", ...flags, "make it"], { place, url: server.url });
}

describe.runIf(isolated)("a command in normal mode, with nobody to ask", () => {
  it("is denied without a rule", async () => {
    using place = createPlace();
    expect(lastEvent(await runTouch(place))).toMatchObject({ reason: "denied", denied: ["shell"] });
    expect(existsSync(join(place.workspace, "made"))).toBe(false);
  });

  it("is denied with the way out, in a single call too, unless it was answered for before", async () => {
    using place = createPlace();
    const args = ["tool", "run", "shell", "--args", '{"command":"touch made"}'];
    expect(await runAgent(args, { place })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("allow it by a rule in `permissions.yaml`") as string,
    });
    const store = createApprovalStore({ file: join(place.home, "approvals.json"), now: () => new Date(0) });
    await store.add(realpathSync(place.workspace), { tool: "shell", prefix: ["touch", "made"] });
    expect(await runAgent(args, { place })).toMatchObject({ code: 0 });
    expect(existsSync(join(place.workspace, "made"))).toBe(true);
  });

  it("runs when a rule of the user allows it, and the audit log names the rule", async () => {
    using place = createPlace();
    writeRules(place, "home", "rules:\n  - {tool: shell, match: touch, decision: allow}\n");
    expect(lastEvent(await runTouch(place))).toMatchObject({ reason: "done", denied: [] });
    expect(existsSync(join(place.workspace, "made"))).toBe(true);
    const log = readFileSync(join(place.home, "logs", "audit.jsonl"), "utf8");
    expect(log).toContain("rule user:1: allow shell `touch`");
  });

  it("does not run when the workspace allows it, and does not in auto mode when the workspace denies it", async () => {
    using place = createPlace();
    writeRules(place, "workspace", "rules:\n  - {tool: shell, match: touch, decision: allow}\n");
    expect(lastEvent(await runTouch(place))).toMatchObject({ reason: "denied" });
    writeRules(place, "workspace", "rules:\n  - {tool: shell, match: touch, decision: deny}\n");
    expect(lastEvent(await runTouch(place, "--permission", "auto")).denied).toEqual(["shell"]);
    expect(existsSync(join(place.workspace, "made"))).toBe(false);
  });
});

describe("a file of rules that cannot be relied on", () => {
  it("keeps the agent from running anything, and is named with its rule and example", async () => {
    using place = createPlace();
    writeRules(place, "home", "rules:\n  - {tool: shell, match: rm, decision: deny, match_examples: [ls]}\n");
    const { code, stderr, stdout } = await runTouch(place, "--permission", "auto");
    expect(code).not.toBe(0);
    expect(`${stderr}${stdout}`).toContain("Rule 1 of");
    expect(`${stderr}${stdout}`).toContain("does not match its example `ls`");
    expect(existsSync(join(place.workspace, "made"))).toBe(false);
  });
});

describe("config.yaml", () => {
  it("is read by the command line as it is built", async () => {
    using place = createPlace();
    mkdirSync(place.home);
    writeFileSync(join(place.home, "config.yaml"), "lmagent_sandbox: nowhere\n");
    expect((await runAgent(["permissions", "list"], { place })).stderr).toContain(
      "`LMAGENT_SANDBOX` is `nowhere`",
    );
  });
});

describe("lmagent permissions", () => {
  it("lists rules of every layer and remembered answers, as lines and as JSON", async () => {
    using place = createPlace();
    writeRules(
      place,
      "home",
      "rules:\n  - {tool: shell, match: npm test, decision: allow, reason: it is mine}\n",
    );
    writeRules(place, "workspace", "rules:\n  - {tool: read, match: secrets/**, decision: deny}\n");
    const store = createApprovalStore({ file: join(place.home, "approvals.json"), now: () => new Date(0) });
    const workspace = realpathSync(place.workspace);
    const { id } = await store.add(workspace, { tool: "shell", prefix: ["git", "commit"] });
    await store.add("/elsewhere", { tool: "fetch" });
    const lines = (await runAgent(["permissions", "list"], { place })).stdout.split("\n");
    expect(lines.shift()).toMatch(/^id +from +does +tool and match +notes$/);
    expect(lines[0]).toMatch(/^user:1 +user +allow +shell npm test +it is mine$/);
    expect(lines[1]).toMatch(/^workspace:1 +workspace +deny +read secrets\/\*\*$/);
    expect(lines[2]).toMatch(new RegExp(`^${id} +remembered +allow +shell git commit +since 1970-01-01$`));
    expect(lines[3]).toMatch(/ fetch +since 1970-01-01, in \/elsewhere$/);
    const listed = JSON.parse(
      (await runAgent(["permissions", "list", "--json"], { place })).stdout,
    ) as unknown;
    expect(listed).toMatchObject([
      { id: "user:1", match: "npm test", reason: "it is mine" },
      { id: "workspace:1", layer: "workspace", decision: "deny" },
      { id, layer: "remembered", workspace, at: "1970-01-01T00:00:00.000Z" },
      { tool: "fetch" },
    ]);
  });

  it("shows the rules also when the remembered answers cannot be read", async () => {
    using place = createPlace();
    writeRules(place, "home", "rules:\n  - {tool: shell, match: rm, decision: deny}\n");
    writeFileSync(join(place.home, "approvals.json"), "{");
    const run = await runAgent(["permissions", "list"], { place });
    expect(run).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("user:1") as string,
      stderr: expect.stringContaining("`lmagent permissions revoke --all`") as string,
    });
  });

  it("takes back one answer, or all, and says when there is none", async () => {
    using place = createPlace();
    const store = createApprovalStore({ file: join(place.home, "approvals.json"), now: () => new Date(0) });
    const { id } = await store.add("/a", { tool: "fetch" });
    await store.add("/b", { tool: "fetch" });
    expect(await runAgent(["permissions", "revoke", id], { place })).toMatchObject({
      code: 0,
      stdout: "Revoked 1 remembered answer.\n",
    });
    expect(await runAgent(["permissions", "revoke", id], { place })).toMatchObject({ code: 1 });
    expect(await runAgent(["permissions", "revoke"], { place })).toMatchObject({ code: 64 });
    expect(await runAgent(["permissions", "revoke", "user:1"], { place })).toMatchObject({ code: 64 });
    expect(store.list()).toHaveLength(1);
    expect(await runAgent(["permissions", "revoke", "--all"], { place })).toMatchObject({ code: 0 });
    expect(store.list()).toEqual([]);
  });
});
