import { existsSync } from "node:fs";
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Tool } from "../../src/core/tool.ts";
import { createProcessSandbox } from "../../src/sandbox/index.ts";
import { createGitAddTool } from "../../src/tools/git-add.ts";
import { createGitBranchTool } from "../../src/tools/git-branch.ts";
import { createGitCommitTool } from "../../src/tools/git-commit.ts";
import { createGitDiffTool } from "../../src/tools/git-diff.ts";
import { createGitStatusTool } from "../../src/tools/git-status.ts";
import { callTool, openCommands, type CommandFixture } from "./_commands.ts";

let commands: CommandFixture;
let tools: Readonly<Record<"add" | "branch" | "commit" | "diff" | "status", Tool>>;

beforeEach(async () => {
  commands = await openCommands();
  const { sandbox } = commands;
  tools = {
    add: createGitAddTool({ sandbox }),
    branch: createGitBranchTool({ sandbox }),
    commit: createGitCommitTool({ sandbox }),
    diff: createGitDiffTool({ sandbox }),
    status: createGitStatusTool({ sandbox }),
  };
});

afterEach(() => commands[Symbol.asyncDispose]());

const write = async (path: string, text: string) => writeFile(join(commands.workspace, path), text);
const initialise = async () => commands.sandbox.run("git init -q -b main .");

/** A repository with one commit of `a.txt`. */
async function initialiseWithCommit(): Promise<void> {
  await initialise();
  await write("a.txt", "one\n");
  await callTool(tools.add, { paths: "a.txt" });
  await callTool(tools.commit, { message: "First" });
}

describe("git in the workspace", () => {
  it("is refused in plain words where there is no repository", async () => {
    for (const [tool, input] of [
      [tools.status, {}],
      [tools.diff, {}],
      [tools.add, { paths: ["."] }],
      [tools.commit, { message: "x" }],
      [tools.branch, {}],
    ] as const) {
      const result = await callTool(tool, input);
      expect(result).toMatchObject({ ok: false, error: expect.stringContaining("not a git repository") });
    }
  });

  it("does not look above the workspace for a repository, even where nothing isolates", async () => {
    await initialise();
    const below = join(commands.workspace, "below");
    await mkdir(below);
    await using sandbox = createProcessSandbox({ workspaceRoot: below });
    expect(await callTool(createGitStatusTool({ sandbox }), {})).toMatchObject({
      ok: false,
      error: expect.stringContaining("not a git repository"),
    });
  });

  it("goes from new files to a commit without any identity", async () => {
    await initialise();
    await write("a.txt", "one\n");
    expect(await callTool(tools.status, {})).toEqual({
      ok: true,
      output: "?? a.txt",
      branch: "main (no commits yet)",
    });
    expect(await callTool(tools.commit, { message: "x" })).toEqual({
      ok: false,
      error: "nothing is staged; use git_add first",
    });
    expect(await callTool(tools.add, { paths: "a.txt" })).toEqual({ ok: true, output: "add 'a.txt'" });
    const committed = await callTool(tools.commit, { message: "First" });
    expect(committed["output"]).toMatch(/^\[main [0-9a-f]{7,}\] First$/);
    expect(await callTool(tools.status, {})).toEqual({
      ok: true,
      output: "nothing to commit, working tree clean",
      branch: "main",
    });
    let said = "";
    await commands.sandbox.run("git log --format='%an <%ae>'", {
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    expect(said).toBe("LMAgent <lmagent@localhost>\n");
  });

  it("does not see the agent's own folder", async () => {
    await initialise();
    await commands.sandbox.run("true");
    expect(await callTool(tools.status, {})).toMatchObject({
      output: "nothing to commit, working tree clean",
    });
  });

  it("uses the identity that the repository names", async () => {
    await initialise();
    await appendFile(
      join(commands.workspace, ".git/config"),
      "[user]\nname = Ann\nemail = ann@example.org\n",
    );
    await callTool(tools.commit, { message: "Empty", allow_empty: true });
    let said = "";
    await commands.sandbox.run("git log --format='%an <%ae>'", {
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    expect(said).toBe("Ann <ann@example.org>\n");
  });

  it("takes a message as it is", async () => {
    await initialise();
    const message = "-m \"quoted\" 'it''s' $(touch planted) `x`\n\n--amend\n# no comment";
    expect(await callTool(tools.commit, { message, allow_empty: true })).toMatchObject({ ok: true });
    let said = "";
    await commands.sandbox.run("git log --format=%B", {
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    expect(said.trim()).toBe(message);
    expect(existsSync(join(commands.workspace, "planted"))).toBe(false);
    expect(await callTool(tools.commit, { message: "  ", allow_empty: true })).toMatchObject({ ok: false });
  });

  it("shows what changed, unstaged and staged", async () => {
    await initialiseWithCommit();
    expect(await callTool(tools.diff, {})).toEqual({ ok: true, output: "no unstaged changes" });
    await write("a.txt", "one\ntwo\n");
    await write("b.txt", "b\n");
    expect((await callTool(tools.diff, { path: "a.txt" }))["output"]).toContain("+two\n");
    expect(await callTool(tools.diff, { staged: true })).toEqual({ ok: true, output: "no staged changes" });
    await callTool(tools.add, { paths: ["a.txt", "b.txt"] });
    expect((await callTool(tools.diff, { staged: true }))["output"]).toMatch(/\+two\n[^]*\+b\n/);
    expect((await callTool(tools.status, {}))["output"]).toBe("M  a.txt\nA  b.txt");
  });

  it("cuts a long diff and says what to do", async () => {
    await initialiseWithCommit();
    await write("a.txt", "x\n".repeat(50_000));
    const result = await callTool(tools.diff, {}, { resultBytes: 2_000 });
    expect(result["output"]).toMatch(/bytes left out; name one path/);
    expect(JSON.stringify(result).length).toBeLessThanOrEqual(2_000);
  });

  it("lists, makes and switches branches", async () => {
    await initialiseWithCommit();
    expect(await callTool(tools.branch, { name: "dev" })).toMatchObject({
      ok: true,
      output: "created branch dev",
    });
    expect(await callTool(tools.branch, { name: "feature/x", create: true, switch: true })).toMatchObject({
      ok: true,
    });
    expect(await callTool(tools.branch, {})).toEqual({ ok: true, output: "  dev\n* feature/x\n  main" });
    expect(await callTool(tools.branch, { name: "main", switch: true })).toMatchObject({ ok: true });
    expect(await callTool(tools.branch, { name: "dev", create: true })).toMatchObject({ ok: false });
    expect(await callTool(tools.branch, { name: "none", switch: true })).toMatchObject({ ok: false });
    expect(await callTool(tools.branch, { create: true })).toMatchObject({ ok: false });
  });
});

describe("hostile arguments of git", () => {
  const NAMES = [
    "--upload-pack=x",
    "-c",
    "-D",
    "-",
    "@{-1}",
    "@",
    "..",
    "a..b",
    "a b",
    "a\nb",
    "a.lock",
    "a/",
    "/a",
    "HEAD",
    "a:b",
    "a~1",
    "$(x)",
  ];

  it.each(NAMES)("as a branch name are refused: %j", async (name) => {
    await initialiseWithCommit();
    expect(await callTool(tools.branch, { name, create: true })).toMatchObject({
      ok: false,
      error: expect.stringContaining("no branch name"),
    });
  });

  it("as a path are only paths", async () => {
    await initialiseWithCommit();
    for (const path of ["--output=planted", "-o", "--no-index", "/etc/passwd", "../..", "--all", "--force"]) {
      await callTool(tools.diff, { path });
      expect(await callTool(tools.add, { paths: [path] })).toMatchObject({ ok: false });
    }
    expect(existsSync(join(commands.workspace, "planted"))).toBe(false);
    expect(await callTool(tools.add, { paths: [] })).toMatchObject({ ok: false });
    expect(await callTool(tools.add, { paths: [""] })).toMatchObject({ ok: false });
  });
});
