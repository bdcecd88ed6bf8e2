import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Sandbox } from "../../src/core/sandbox.ts";
import type { Tool, ToolResult } from "../../src/core/tool.ts";
import { createProcessSandbox } from "../../src/sandbox/index.ts";
import { createGitAddTool } from "../../src/tools/git-add.ts";
import { createGitBranchTool } from "../../src/tools/git-branch.ts";
import { createGitCommitTool } from "../../src/tools/git-commit.ts";
import { createGitDiffTool } from "../../src/tools/git-diff.ts";
import { createGitStatusTool } from "../../src/tools/git-status.ts";
import { openBackend, TESTED_BACKENDS, whyUnavailable } from "../sandbox/_backends.ts";
import { callTool } from "./_commands.ts";

let base: string;
let workspace: string;
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-git-")));
  workspace = join(base, "app");
  for (const name of ["app", "outside-marks"]) mkdirSync(join(base, name));
});
afterEach(() => rmSync(base, { recursive: true }));

/** Git on the host, as the attacker who prepares the repository has it; ends of commands are not looked at. */
function git(folder: string, ...args: readonly string[]): string {
  const env = {
    PATH: process.env["PATH"],
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "a",
    GIT_AUTHOR_EMAIL: "a@example.org",
    GIT_COMMITTER_NAME: "a",
    GIT_COMMITTER_EMAIL: "a@example.org",
  };
  return execFileSync("git", ["-c", "protocol.file.allow=always", "-c", "safe.directory=*", ...args], {
    cwd: folder,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** A program that leaves a mark in the workspace and one outside it, and then hands on what it is given. */
function trap(name: string): string {
  const path = join(workspace, `trap-${name}`);
  const outside = join(base, "outside-marks", name);
  writeFileSync(
    path,
    `#!/bin/sh\ntouch '${outside}' 2>/dev/null\ntouch "\${0%/*}/mark-${name}"\ncat 2>/dev/null\n`,
  );
  chmodSync(path, 0o755);
  return name;
}

/** The path of a trap as commands see it: relative to the root of the working tree, or to the folder of a submodule. */
const program = (name: string, from = ".") => `${from}/trap-${trap(name)}`;

function marks(): string[] {
  const inside = readdirSync(workspace).filter((name) => name.startsWith("mark-"));
  return [...inside, ...readdirSync(join(base, "outside-marks")).map((name) => `outside ${name}`)].sort();
}

const HOOKS = [
  "pre-commit",
  "prepare-commit-msg",
  "commit-msg",
  "post-commit",
  "post-checkout",
  "post-index-change",
  "post-rewrite",
  "reference-transaction",
  "fsmonitor-watchman",
];

/** A repository with a submodule, in which everything that can name a program names one. */
function plantTraps(): void {
  git(workspace, "init", "-q", "-b", "main");
  for (const [file, text] of Object.entries({ "a.txt": "one\n", "b.txt": "one\n" }))
    writeFileSync(join(workspace, file), text);
  git(workspace, "add", "-A");
  git(workspace, "commit", "-q", "-m", "First");
  git(workspace, "clone", "-q", workspace, join(base, "source"));
  git(workspace, "submodule", "--quiet", "add", join(base, "source"), "sub");
  git(workspace, "commit", "-q", "-m", "Submodule");
  const drivers = (from: string, at: string) => [
    ["filter.evil.clean", program(`${at}clean`, from)],
    ["filter.evil.smudge", program(`${at}smudge`, from)],
    ["filter.evil.required", "true"],
    ["filter.odd=name.process", program(`${at}process`, from)],
    ["diff.evil.textconv", program(`${at}textconv`, from)],
    ["diff.evil.command", program(`${at}command`, from)],
    ["merge.evil.driver", program(`${at}merge`, from)],
  ];
  const settings = [
    ...drivers(".", ""),
    ["core.fsmonitor", program("fsmonitor")],
    ["core.sshCommand", program("ssh")],
    ["core.pager", program("pager")],
    ["core.editor", program("editor")],
    ["core.askPass", program("askpass")],
    ["core.gitProxy", program("proxy")],
    ["core.alternateRefsCommand", program("alternates")],
    ["pager.diff", program("pager-diff")],
    ["pager.status", "true"],
    ["sequence.editor", program("sequence")],
    ["diff.external", program("external")],
    ["interactive.diffFilter", program("interactive")],
    ["gpg.program", program("gpg")],
    ["gpg.ssh.program", program("gpg-ssh")],
    ["commit.gpgSign", "true"],
    ["commit.verbose", "true"],
    ["log.showSignature", "true"],
    ["credential.helper", program("credential")],
    ["trailer.evil.command", program("trailer")],
    ["trailer.evil.cmd", program("trailer-cmd")],
    ["alias.status", `!${program("alias")}`],
    ["web.browser", program("browser")],
    ["protocol.ext.allow", "always"],
    ["protocol.file.allow", "always"],
    ["url.ext::./trap-ext.insteadOf", "https:"],
    ["remote.origin.url", `ext::${program("ext")}`],
    ["remote.origin.promisor", "true"],
    ["remote.origin.uploadpack", program("uploadpack")],
    ["hook.evil.command", program("hook-command")],
    ["hook.evil.event", "pre-commit"],
    ["submodule.recurse", "true"],
    ["submodule.sub.ignore", "none"],
    ["status.submoduleSummary", "true"],
    ["diff.submodule", "diff"],
    ["diff.ignoreSubmodules", "none"],
  ];
  for (const [key, value] of settings) git(workspace, "config", key as string, value as string);
  const sub = join(workspace, "sub");
  for (const [key, value] of drivers("..", "sub-")) git(sub, "config", key as string, value as string);
  git(sub, "config", "core.fsmonitor", program("sub-fsmonitor", ".."));
  const attributes = "*.txt diff=evil filter=evil merge=evil\n";
  writeFileSync(join(workspace, ".gitattributes"), attributes);
  writeFileSync(join(sub, ".gitattributes"), attributes);
  mkdirSync(join(workspace, ".git/info"), { recursive: true });
  writeFileSync(join(workspace, ".git/info/attributes"), "b.txt filter=odd=name\n");
  for (const hook of HOOKS) {
    mkdirSync(join(workspace, ".git/hooks"), { recursive: true });
    writeFileSync(
      join(workspace, ".git/hooks", hook),
      `#!/bin/sh\ntouch '${join(base, "outside-marks", hook)}'; touch mark-${hook}\n`,
    );
    chmodSync(join(workspace, ".git/hooks", hook), 0o755);
  }
  writeFileSync(join(workspace, "a.txt"), "two\n");
  writeFileSync(join(workspace, "b.txt"), "two\n");
  writeFileSync(join(sub, "a.txt"), "two\n");
  for (const mark of marks()) rmSync(join(workspace, mark), { force: true });
  for (const mark of readdirSync(join(base, "outside-marks"))) rmSync(join(base, "outside-marks", mark));
}

function toTools(sandbox: Sandbox): Record<"add" | "branch" | "commit" | "diff" | "status", Tool> {
  return {
    add: createGitAddTool({ sandbox }),
    branch: createGitBranchTool({ sandbox }),
    commit: createGitCommitTool({ sandbox }),
    diff: createGitDiffTool({ sandbox }),
    status: createGitStatusTool({ sandbox }),
  };
}

describe("the traps themselves", () => {
  it("spring when git is used without care", () => {
    plantTraps();
    for (const args of [["status"], ["diff"], ["add", "-A"], ["switch", "-c", "dev"]]) {
      try {
        git(workspace, ...args);
      } catch {
        // Traps make some commands fail.
      }
    }
    for (const name of ["clean", "command", "fsmonitor", "process", "post-checkout", "sub-fsmonitor"])
      expect(marks()).toEqual(expect.arrayContaining([`outside ${name}`, `mark-${name}`]));
  });
});

/** The process group keeps nothing away, so there a mark outside would show that something ran at all. */
describe.each(TESTED_BACKENDS)("with the %s sandbox", (backend) => {
  let sandbox: Sandbox;
  beforeEach(async ({ skip }) => {
    const why = await whyUnavailable(backend);
    skip(why !== undefined && process.env["CI"] !== "true", why);
    sandbox = openBackend(backend, workspace);
  });
  afterEach(() => sandbox?.[Symbol.asyncDispose]());

  it("no program that a repository names is started by any tool", { timeout: 30_000 }, async () => {
    plantTraps();
    const tools = toTools(sandbox);
    const calls: [Tool, unknown, RegExp][] = [
      [tools.status, {}, / M a\.txt/],
      [tools.diff, {}, /\+two/],
      [tools.diff, { path: "sub" }, /no unstaged changes/],
      [tools.add, { paths: ["."] }, /add 'a\.txt'/],
      [tools.diff, { staged: true }, /\+two/],
      [tools.commit, { message: "x" }, /^\[main [0-9a-f]+\] x/],
      [tools.branch, { name: "dev" }, /created branch dev/],
      [tools.branch, { name: "dev", switch: true }, /switched to branch dev/],
      [tools.branch, { name: "again", create: true, switch: true }, /switched to branch again/],
      [tools.branch, {}, /\* again/],
    ];
    for (const [tool, input, wanted] of calls) {
      expect(await callTool(tool, input)).toEqual(
        expect.objectContaining({ ok: true, output: expect.stringMatching(wanted) }),
      );
      expect(marks()).toEqual([]);
    }
    // What is switched off by a filter is the filter, not the file.
    expect(git(workspace, "cat-file", "-p", "HEAD:a.txt")).toBe("two\n");
  });

  it("an object that is missing is not fetched by a program", async () => {
    plantTraps();
    git(workspace, "config", "extensions.partialClone", "origin");
    git(workspace, "config", "core.repositoryFormatVersion", "1");
    const id = git(workspace, "rev-parse", "HEAD:a.txt").trim();
    rmSync(join(workspace, ".git/objects", id.slice(0, 2), id.slice(2)));
    const result = await callTool(toTools(sandbox).diff, { path: "a.txt" });
    expect(result.ok).toBe(false);
    expect(marks()).toEqual([]);
  });

  async function expectRefused(wanted: RegExp): Promise<void> {
    const tools = toTools(sandbox);
    for (const [tool, input] of [
      [tools.status, {}],
      [tools.diff, {}],
      [tools.add, { paths: ["."] }],
      [tools.commit, { message: "x", allow_empty: true }],
      [tools.branch, { name: "dev" }],
    ] as const)
      expect(await callTool(tool, input)).toEqual({ ok: false, error: expect.stringMatching(wanted) });
  }

  function makeElsewhere(): string {
    const elsewhere = join(base, "elsewhere");
    mkdirSync(elsewhere);
    git(elsewhere, "init", "-q", "-b", "main");
    writeFileSync(join(elsewhere, "secret.txt"), "outside\n");
    git(elsewhere, "add", "-A");
    git(elsewhere, "commit", "-q", "-m", "Outside");
    return elsewhere;
  }

  it("a repository that lies elsewhere is refused in plain words", async () => {
    const elsewhere = makeElsewhere();
    const head = () => readFileSync(join(elsewhere, ".git/HEAD"), "utf8") + git(elsewhere, "branch");
    const before = head();
    writeFileSync(join(workspace, ".git"), `gitdir: ${join(elsewhere, ".git")}\n`);
    await expectRefused(/points to a repository elsewhere/);
    rmSync(join(workspace, ".git"));
    symlinkSync(join(elsewhere, ".git"), join(workspace, ".git"));
    await expectRefused(/`\.git` is a link/);
    rmSync(join(workspace, ".git"));
    mkdirSync(join(workspace, ".git"));
    writeFileSync(join(workspace, ".git/HEAD"), "ref: refs/heads/main\n");
    writeFileSync(join(workspace, ".git/commondir"), `${join(elsewhere, ".git")}\n`);
    await expectRefused(/`\.git\/commondir` makes this repository share another one/);
    expect(head()).toBe(before);
  });

  it("objects that lie elsewhere are refused", async () => {
    const elsewhere = makeElsewhere();
    git(base, "clone", "-q", "--shared", elsewhere, join(base, "clone"));
    renameSync(join(base, "clone/.git"), join(workspace, ".git"));
    await expectRefused(/`\.git\/objects\/info\/alternates` makes this repository share/);
    rmSync(join(workspace, ".git/objects"), { recursive: true });
    symlinkSync(join(elsewhere, ".git/objects"), join(workspace, ".git/objects"));
    await expectRefused(/`\.git\/objects` is a link/);
  });

  it("a working tree elsewhere is not looked at", async () => {
    const elsewhere = makeElsewhere();
    git(workspace, "init", "-q", "-b", "main");
    writeFileSync(join(workspace, "own.txt"), "own\n");
    git(workspace, "config", "core.worktree", elsewhere);
    expect(await callTool(toTools(sandbox).status, {})).toMatchObject({ ok: true, output: "?? own.txt" });
  });

  it("a bare repository in the workspace or below it is none of ours", async () => {
    const bare = join(workspace, "below");
    mkdirSync(bare);
    git(bare, "init", "-q", "--bare");
    git(bare, "config", "core.fsmonitor", "../trap-bare");
    trap("bare");
    await expectRefused(/^not a git repository/);
    git(workspace, "init", "-q", "--bare");
    await expectRefused(/^not a git repository/);
    expect(marks()).toEqual([]);
  });

  it("paths are names: no patterns, no options, nothing outside", async () => {
    git(workspace, "init", "-q", "-b", "main");
    const names = [":(exclude)a", ":!b", ":x", "[id].ts", "i.ts", "--output=x", "a b", "-n", "*"];
    for (const name of names) writeFileSync(join(workspace, name), "text\n");
    const { add, diff } = toTools(sandbox);
    for (const name of names) {
      expect(await callTool(add, { paths: [name] })).toEqual({ ok: true, output: `add '${name}'` });
    }
    for (const name of names) {
      writeFileSync(join(workspace, name), "changed\n");
      const shown = (await callTool(diff, { path: name }))["output"] as string;
      expect(shown.match(/^diff --git/gm)).toHaveLength(1);
      git(workspace, "--literal-pathspecs", "add", "--", name);
    }
    expect(existsSync(join(workspace, "x"))).toBe(false);
    for (const path of [":/", ":(top)", "*.ts", ":(glob)**", "../outside-marks", "/etc/passwd", "none"])
      expect(await callTool(add, { paths: [path] })).toMatchObject({ ok: false });
    expect(await callTool(add, { paths: ["*.ts"] })).toMatchObject({
      error: expect.stringMatching(/patterns are not expanded, name files or folders/),
    });
  });

  it("a message is a message, whatever it looks like", async () => {
    git(workspace, "init", "-q", "-b", "main");
    git(workspace, "config", "commit.cleanup", "strip");
    const messages = [
      "-m",
      "--amend",
      "--file=/etc/passwd",
      "# only a comment",
      "quotes \" ' ` $(touch mark-shell) \\",
      "first\n\nsecond\n\n--\nlast",
      "\u001b[31mred",
    ];
    for (const [at, message] of messages.entries()) {
      const commit = await callTool(toTools(sandbox).commit, { message, allow_empty: true });
      expect(commit).toMatchObject({ ok: true });
      expect(git(workspace, "log", "-1", "--format=%B").trim()).toBe(message);
      expect(git(workspace, "rev-list", "--count", "HEAD").trim()).toBe(String(at + 1));
    }
    expect(marks()).toEqual([]);
  });

  it("a message that no program can be given is refused", async () => {
    git(workspace, "init", "-q", "-b", "main");
    for (const message of ["a\0b", "x".repeat(200_000)]) {
      const commit = callTool(toTools(sandbox).commit, { message, allow_empty: true });
      await expect(commit).rejects.toMatchObject({ code: "usage" });
    }
  });

  it("the settings and the keys of the user are not there", async () => {
    git(workspace, "init", "-q", "-b", "main");
    const home = join(base, "home");
    mkdirSync(join(home, ".ssh"), { recursive: true });
    writeFileSync(
      join(home, ".gitconfig"),
      `[user]\nname = Host\nemail = h@h\n[core]\nfsmonitor = ${program("home")}\n`,
    );
    writeFileSync(join(home, ".git-credentials"), "https://u:p@example.org\n");
    const before = process.env["HOME"];
    process.env["HOME"] = home;
    try {
      const commit: ToolResult = await callTool(toTools(sandbox).commit, { message: "x", allow_empty: true });
      expect(commit).toMatchObject({ ok: true });
      expect(git(workspace, "log", "--format=%an <%ae> %cn <%ce>").trim()).toBe(
        "LMAgent <lmagent@localhost> LMAgent <lmagent@localhost>",
      );
    } finally {
      if (before === undefined) delete process.env["HOME"];
      else process.env["HOME"] = before;
    }
    expect(marks()).toEqual([]);
  });
});

it("what a person is asked shows where one argument ends", async () => {
  await using sandbox = createProcessSandbox({ workspaceRoot: workspace });
  const tools = toTools(sandbox);
  const textOf = async (tool: Tool, input: unknown) => (await tool.preview(input)).text;
  expect(await textOf(tools.add, { paths: ["a b", "c", "-n\n"] })).toBe('git add -- "a b" c "-n\\n"');
  expect(await textOf(tools.commit, { message: 'x" y' })).toBe('git commit "--message=x\\" y"');
  expect(await textOf(tools.diff, { path: "a.txt", staged: true })).toBe("git diff --staged -- a.txt");
});
