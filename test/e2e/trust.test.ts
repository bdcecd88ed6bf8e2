import { execFileSync } from "node:child_process";
import { realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createApprovalStore } from "../../src/permissions/index.ts";
import { BIN, createPlace, hasProgram, runAgent, type Place } from "./_agent.ts";
import { TOOL, writeTool } from "./_tool-file.ts";

describe("lmagent trust", () => {
  const HIDDEN = `// \u001b[2J\u202e hidden\n${TOOL}`;

  it("lists, adds and revokes", async () => {
    using place = createPlace();
    const nothing = await runAgent(["trust", "list"], { place });
    expect(nothing).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("nothing is trusted") as string,
    });
    writeTool(place, "hello.mjs", TOOL);
    writeTool(place, "Bad.ts", TOOL);
    const fresh = await runAgent(["trust", "list"], { place });
    expect(fresh.stdout).toMatch(/^new\s+tool hello\s+[0-9a-f]{12}\n$/);
    expect(fresh.stderr).toContain("`.lmagent/tools/Bad.ts` is no tool");
    const added = await runAgent(["trust", "add", "hello", "--yes", "--allow-unsandboxed"], { place });
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining("It says: say hello") as string });
    expect((await runAgent(["trust", "list"], { place })).stdout).toMatch(/^trusted\s+tool hello/);
    writeTool(place, "hello.mjs", TOOL.replace("hello", "bye"));
    const changed = await runAgent(["trust", "list", "--json"], { place });
    expect(JSON.parse(changed.stdout)).toEqual([
      expect.objectContaining({ state: "changed", name: "hello" }),
    ]);
    const revoked = await runAgent(["trust", "revoke", "hello"], { place });
    expect(revoked).toMatchObject({ code: 0, stdout: "No longer trusted: tool hello\n" });
    expect((await runAgent(["trust", "list"], { place })).stdout).toMatch(/^new\s+tool hello/);
    expect(await runAgent(["trust", "revoke", "hello"], { place })).toMatchObject({ code: 64 });
  });

  it("forgets with the trust in a tool what was answered about its calls", async () => {
    using place = createPlace();
    writeTool(place, "hello.mjs", TOOL);
    await runAgent(["trust", "add", "hello", "--yes", "--allow-unsandboxed"], { place });
    const store = createApprovalStore({ file: join(place.home, "approvals.json"), now: () => new Date(0) });
    const workspace = realpathSync(place.workspace);
    await store.add(workspace, { tool: "custom_hello", version: "a" });
    await store.add(workspace, { tool: "custom_hello_too", version: "b" });
    await store.add("/elsewhere", { tool: "custom_hello", version: "a" });
    const revoked = await runAgent(["trust", "revoke", "hello"], { place });
    expect(revoked.stdout).toBe("No longer trusted: tool hello\nNo longer remembered: allow custom_hello\n");
    expect(store.list().map(({ tool, workspace: where }) => [tool, where])).toEqual([
      ["custom_hello_too", workspace],
      ["custom_hello", "/elsewhere"],
    ]);
  });

  it("shows agreements whose file is gone, and those of other workspaces", async () => {
    using place = createPlace();
    using elsewhere = createPlace();
    const path = writeTool(place, "hello.mjs", TOOL);
    const home = { ...elsewhere, home: place.home };
    writeTool(home, "other.mjs", TOOL);
    for (const each of [place, home])
      await runAgent(["trust", "add", "--yes", "--allow-unsandboxed"], { place: each });
    rmSync(path);
    const { stdout } = await runAgent(["trust", "list"], { place });
    expect(stdout).toMatch(/^gone\s+tool hello/m);
    expect(stdout).toMatch(
      new RegExp(`^elsewhere\\s+tool other.*in ${realpathSync(elsewhere.workspace)}$`, "m"),
    );
  });

  it("trusts nothing unseen: without a terminal it needs to be told", async () => {
    using place = createPlace();
    writeTool(place, "hello.mjs", TOOL);
    const run = await runAgent(["trust", "add", "hello"], { place, stdin: "y\n" });
    expect(run).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("Read the file, then add `--yes`") as string,
    });
    expect((await runAgent(["trust", "list"], { place })).stdout).toMatch(/^new/);
  });

  it("says what a tool that breaks did, and does not trust it", async () => {
    using place = createPlace();
    writeTool(place, "broken.mjs", "throw new Error('no \\u001b[31mway')");
    const run = await runAgent(["trust", "add", "broken", "--yes", "--allow-unsandboxed"], { place });
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("broken is not trusted: no ␛[31mway (broken.mjs:1:7).");
    expect((await runAgent(["trust", "list"], { place })).stdout).toMatch(/^new/);
  });

  it("needs more than a yes in a script where nothing isolates the tool", async () => {
    using place = createPlace();
    writeTool(place, "hello.mjs", TOOL);
    const words = ["trust", "add", "hello", "--yes", "--sandbox", "process"];
    const run = await runAgent(words, { place });
    expect(run).toMatchObject({
      code: 64,
      stdout: expect.stringContaining("It would run WITHOUT isolation") as string,
      stderr: expect.stringContaining("Add `--allow-unsandboxed` to accept that.") as string,
    });
    expect((await runAgent(["trust", "list"], { place })).stdout).toMatch(/^new/);
    const outside = await runAgent(["trust", "add", "hello", "--yes", "--outside-sandbox"], { place });
    expect(outside).toMatchObject({ code: 0 });
    expect((await runAgent(["trust", "list"], { place })).stdout).toMatch(
      /^trusted .* outside the sandbox$/m,
    );
  });

  it("names the tools that are not there", async () => {
    using place = createPlace();
    const run = await runAgent(["trust", "add", "nothing", "--yes"], { place });
    expect(run).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("No tool `nothing` can be trusted here") as string,
    });
  });

  it("asks on a terminal, with hidden signs made visible, and takes only a plain yes", async ({ skip }) => {
    skip(!(await hasProgram("tmux")), "tmux is not installed");
    using place = createPlace();
    writeTool(place, "hello.mjs", HIDDEN);
    using terminal = openTerminal(place, ["trust", "add", "hello"]);
    await terminal.sees(/Trust hello\? \[y\] yes {2}\[n\] no:/);
    const screen = terminal.screen();
    expect(screen).toContain("tool hello (new)");
    expect(screen).toContain("// ␛[2J<U+202E> hidden");
    await delay(300);
    terminal.type("maybe", "Enter");
    await terminal.sees(/no: maybe\s+Trust hello\?/);
    terminal.type("n", "Enter");
    await terminal.sees("left with 1");
    expect(terminal.screen()).toContain("hello is not trusted.");
    expect((await runAgent(["trust", "list"], { place })).stdout).toMatch(/^new/);
    using again = openTerminal(place, ["trust", "add", "hello"]);
    await again.sees("Trust hello?");
    await delay(300);
    again.type("y", "Enter");
    await again.sees("left with 0");
    writeTool(place, "hello.mjs", HIDDEN.replace("hello ", "goodbye "));
    using changed = openTerminal(place, ["trust", "add"]);
    await changed.sees("Trust hello?");
    expect(changed.screen()).toContain("tool hello (changed)");
    expect(changed.screen()).toContain('  | +export default ({ name }) => "goodbye " + name;');
  });
});

function openTerminal(place: Place, args: readonly string[]) {
  const socket = `lmagent-trust-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const tmux = (...words: readonly string[]) =>
    execFileSync("tmux", ["-L", socket, "-f", "/dev/null", ...words], {
      encoding: "utf8",
      env: { ...process.env, LANG: "C.UTF-8" },
    });
  const env = `HOME='${join(place.home, "..")}' LMAGENT_HOME='${place.home}'`;
  const command = `cd '${place.workspace}' && ${env} '${process.execPath}' '${BIN}' ${args.join(" ")}; echo left with $?; cat`;
  tmux("-u", "new-session", "-d", "-x", "120", "-y", "40", command);
  const screen = () => tmux("capture-pane", "-p", "-S", "-200");
  return {
    screen,
    type: (...keys: readonly string[]) => void tmux("send-keys", ...keys),
    async sees(text: string | RegExp): Promise<void> {
      for (let round = 0; round < 100; round += 1) {
        if (typeof text === "string" ? screen().includes(text) : text.test(screen())) return;
        await delay(100);
      }
      throw new Error(`never saw ${String(text)}:\n${screen()}`);
    },
    [Symbol.dispose]: () => void tmux("kill-server"),
  };
}
