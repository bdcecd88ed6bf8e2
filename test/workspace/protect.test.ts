import { mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { OBEYED_FILES } from "../../src/sandbox/pins.ts";
import { pathConcerns } from "../../src/workspace/protect.ts";
import { failureOf, namesBelow, openTemporary } from "./_fixture.ts";

test.each(OBEYED_FILES)("%s is kept from commands, so file tools do not write it unasked either", (path) => {
  expect(pathConcerns(path).refuseInAuto).toBe(true);
});

describe("files that other programs run or obey raise a concern that auto mode refuses", () => {
  test.each([
    ".git",
    ".git/hooks/pre-commit",
    ".git/config",
    "./.git/../.git/hooks/pre-push",
    "sub/.GIT/config",
    "a/b/c/.git/info/attributes",
    ".git./config",
    ".git /config",
    ".g\u200bit/config",
    "\uff0egit/config",
    "GIT~1/config",
    "fixtures/repo.git/config",
    "vendor/HEAD",
    "HEAD",
    ".gitmodules",
    ".husky/pre-commit",
    ".hu\u017fky/pre-commit",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    ".hg/hgrc",
    ".vscode/tasks.json",
    ".vscode/settings.json",
    ".VSCode/mcp.json",
    "app.code-workspace",
    ".idea/x.xml",
    ".idea/runConfigurations/run.xml",
    ".zed/tasks.json",
    ".devcontainer/devcontainer.json",
    "packages/a/.devcontainer.json",
    ".nvim.lua",
    ".exrc",
    ".dir-locals.el",
    ".envrc",
    "sub/.EnvRC",
    ".tool-versions",
    "mise.toml",
    ".mise.toml",
    ".config/mise/config.toml",
    ".npmrc",
    ".yarnrc.yml",
    ".yarn/releases/yarn.cjs",
    ".cargo/config.toml",
    "rust-toolchain.toml",
    ".mvn/extensions.xml",
    "gradle/wrapper/gradle-wrapper.properties",
    ".gdbinit",
    ".pdbrc",
    ".Rprofile",
    ".mcp.json",
    ".claude/settings.json",
    ".cursor/mcp.json",
    ".lmagent.md",
    "sub/.Soul.md",
  ])("%s", async (path) => {
    await using temporary = await openTemporary();
    const { workspace } = temporary;
    const relative = workspace.toRelative(path);
    const wanted = { refuseInAuto: true, concerns: [expect.stringContaining(relative)], writes: [relative] };
    expect(await workspace.previewWrite(path, "x")).toMatchObject({ kind: "diff", ...wanted });
    expect(await workspace.previewMakeFolder(path)).toMatchObject({ kind: "text", ...wanted });
    expect(namesBelow(temporary.root)).toEqual([]);
  });
});

test.each(["docs/AGENTS.md", "CLAUDE.md", ".github/workflows/test.yml", ".gitlab-ci.yml", ".cursorrules"])(
  "%s, which users ask agents to write, raises a concern only",
  (path) => {
    expect(pathConcerns(path)).toEqual({ concerns: [expect.stringContaining(path)] });
  },
);

test.each([
  ".gitignore",
  ".gitattributes",
  ".github/CODEOWNERS",
  "package.json",
  "Makefile",
  "src/git/config",
  "config",
  "hooks/useThing.ts",
  "src/head.tsx",
  "src/head/title.tsx",
  "legit/config",
  ".editorconfig",
  ".prettierrc",
  "docs/vscode/tasks.json",
  ".config/app.toml",
  "claude.py",
])("%s is an ordinary file", (path) => {
  expect(pathConcerns(path)).toEqual({ concerns: [] });
});

describe("protected files behind links", () => {
  test("are recognised, and both names are among the files written", async () => {
    await using temporary = await openTemporary({ ".git/config": "[core]\n" });
    const { workspace, root } = temporary;
    symlinkSync(".git/config", join(root, "innocent"));
    symlinkSync(".git", join(root, "dir"));
    const through = { refuseInAuto: true, writes: ["innocent", ".git/config"] };
    expect(await workspace.previewWrite("innocent", "x")).toMatchObject(through);
    expect(await workspace.previewEdit("innocent", { old: "core", new: "x" })).toMatchObject(through);
    expect(await workspace.previewMakeFolder("dir/hooks")).toMatchObject({
      refuseInAuto: true,
      writes: ["dir/hooks", ".git/hooks"],
    });
    expect(await workspace.previewWrite("dir/new/deep/x", "x")).toMatchObject({
      refuseInAuto: true,
      writes: ["dir/new/deep/x", ".git/new/deep/x"],
    });
    symlinkSync(".git/config", join(root, "AGENTS.md"));
    expect((await workspace.previewWrite("AGENTS.md", "x")).refuseInAuto).toBe(true);
    expect(readFileSync(join(root, ".git/config"), "utf8")).toBe("[core]\n");
    expect(namesBelow(join(root, ".git"))).toEqual(["config"]);
  });

  test("are written only when the preview led to the same place", async () => {
    await using temporary = await openTemporary({ ".git/config": "[core]\n", "notes/config": "core" });
    const { workspace, root } = temporary;
    symlinkSync("notes", join(root, "dir"));
    expect((await workspace.previewWrite("dir/config", "x")).concerns).toEqual([]);
    expect((await workspace.previewMakeFolder("dir/hooks")).concerns).toEqual([]);
    rmSync(join(root, "dir"));
    symlinkSync(".git", join(root, "dir"));
    for (const attempt of [
      workspace.writeText("dir/config", "x"),
      workspace.editText("dir/config", { old: "core", new: "x" }),
      workspace.makeFolder("dir/hooks"),
    ])
      expect(await failureOf(attempt)).toMatch(/^path_refused: .*leads to `\.git\/.*ask again/);
    expect(readFileSync(join(root, ".git/config"), "utf8")).toBe("[core]\n");
    expect(namesBelow(join(root, ".git"))).toEqual(["config"]);
    await workspace.previewWrite("dir/config", "[user]\n");
    await workspace.writeText("dir/config", "[user]\n");
    expect(readFileSync(join(root, ".git/config"), "utf8")).toBe("[user]\n");
  });

  test("ordinary files behind links need no preview", async () => {
    await using temporary = await openTemporary();
    mkdirSync(join(temporary.root, "real"));
    symlinkSync("real", join(temporary.root, "dir"));
    await temporary.workspace.writeText("dir/a.txt", "x");
    expect(namesBelow(temporary.root)).toContain("real/a.txt");
  });
});
