import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { isIgnoredBy, parseIgnoreRules, toFolderRules } from "../../src/workspace/ignore-rules.ts";
import { openTemporary } from "./_fixture.ts";

const isIgnored = (rules: string, path: string) =>
  isIgnoredBy(parseIgnoreRules(rules), path.replace(/\/$/, "").split("/"), path.endsWith("/"));

describe("a rule of .gitignore", () => {
  test.each([
    ["*.log", ["a.log", "x/y/a.log", ".log"], ["a.log.txt", "alog"]],
    ["/a", ["a", "a/"], ["x/a"]],
    ["a/b", ["a/b"], ["x/a/b", "a/x/b"]],
    ["dist/", ["dist/", "x/dist/"], ["dist"]],
    ["**/a", ["a", "x/a", "x/y/a"], ["ab"]],
    ["a/**", ["a/b", "a/b/c"], ["a/", "a"]],
    ["a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "b"]],
    ["a?c", ["abc", "aéc"], ["ac", "a/c"]],
    ["*.py[cod]", ["a.pyc", "a.pyo"], ["a.py", "a.pyx"]],
    ["[!a-c]x", ["dx"], ["ax", "bx"]],
    ["[]]x", ["]x"], ["ax"]],
    ["\\#a", ["#a"], ["a"]],
    ["\\!a", ["!a"], ["a"]],
    ["a\\*", ["a*"], ["ab"]],
    ["a  ", ["a"], ["a  "]],
    ["a\\ ", ["a "], ["a"]],
    ["a**b", ["ab", "axxb"], ["a/b"]],
  ])("%j", (rule, wanted, unwanted) => {
    for (const path of wanted) expect([path, isIgnored(rule, path)]).toEqual([path, true]);
    for (const path of unwanted) expect([path, isIgnored(rule, path)]).toEqual([path, undefined]);
  });

  test.each(["", "# comment", "!", "/", "[", "a[", "\\", "a//b", "x".repeat(600)])(
    "%j says nothing",
    (rule) => {
      for (const path of ["a", "a/b", "[", "#", "\\"]) expect(isIgnored(rule, path)).toBeUndefined();
    },
  );

  test("is overruled by a later one", () => {
    expect(isIgnored("*.log\n!keep.log", "keep.log")).toBe(false);
    expect(isIgnored("!keep.log\r\n*.log\r\n", "keep.log")).toBe(true);
    expect(toFolderRules("# c\n*.log\nout/\n!x\n[\n")).toBe("*.log/\nout/\n!x/");
  });

  test("matches in time, whatever it is", () => {
    const started = Date.now();
    expect(isIgnored("*a".repeat(200), `${"a".repeat(250)}b`)).toBeUndefined();
    expect(isIgnored(`${"**/a/".repeat(90)}b`, "a/".repeat(500) + "c")).toBeUndefined();
    expect(isIgnored(`a${" ".repeat(250_000)}b`, "a")).toBeUndefined();
    expect(Date.now() - started).toBeLessThan(1_000);
  });
});

test("property: files are found exactly when git does not ignore them", { timeout: 60_000 }, async () => {
  const name = fc.constantFrom("a", "b", "ab", "a.b", "-a");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
  const part = fc.constantFrom("a", "b", "*", "**", "a*", "*b", "?", "[ab]", "[!a]", "a.b");
  const rule = fc
    .tuple(fc.constantFrom("", "!", "/", "!/"), fc.array(part, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([start, parts, isFolder]) => `${start}${parts.join("/")}${isFolder ? "/" : ""}`);
  const rules = fc.array(rule, { minLength: 1, maxLength: 4 }).map((lines) => lines.join("\n"));
  await fc.assert(
    fc.asyncProperty(fc.array(path, { minLength: 1, maxLength: 8 }), rules, async (paths, text) => {
      await using temporary = await openTemporary({ ".gitignore": text });
      for (const each of paths) tryToWrite(join(temporary.root, each));
      expect((await temporary.workspace.findFiles("**", { limit: 100 })).paths).toEqual(
        gitFiles(temporary.root),
      );
    }),
    { numRuns: 40 },
  );
});

function tryToWrite(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, "");
  } catch {
    // A file has the name of the folder, or the other way round.
  }
}

/** What git would add, with a repository beside the folder. */
function gitFiles(folder: string): string[] {
  const repository = mkdtempSync(join(tmpdir(), "lmagent-ignore-"));
  const git = (...args: readonly string[]) =>
    execFileSync("git", ["-c", "core.excludesFile=/dev/null", ...args], {
      cwd: folder,
      encoding: "utf8",
      env: {
        PATH: process.env["PATH"],
        GIT_DIR: repository,
        GIT_WORK_TREE: folder,
        GIT_CONFIG_GLOBAL: "/dev/null",
      },
    });
  try {
    git("init", "-q");
    return git("ls-files", "-z", "--others", "--exclude-standard").split("\0").filter(Boolean).sort();
  } finally {
    rmSync(repository, { recursive: true });
  }
}

describe("in a search", () => {
  const FILES = {
    ".gitignore": "*.log\nbuild/\n/only-here\n",
    "a.log": "needle",
    "build/x.ts": "needle",
    "only-here": "needle",
    "sub/only-here": "needle",
    "sub/.gitignore": "!kept.log\nown.ts\n/deep/*.js\n",
    "sub/kept.log": "needle",
    "sub/own.ts": "needle",
    "sub/deep/a.js": "needle",
    "sub/deep/b.ts": "needle",
    "own.ts": "needle",
  };
  const WANTED = ["own.ts", "sub/deep/b.ts", "sub/kept.log", "sub/only-here"];

  test("rules hold for their folder and below, the nearest first", async () => {
    await using temporary = await openTemporary(FILES);
    const { workspace } = temporary;
    expect(
      (await workspace.findFiles("**", { limit: 50 })).paths.filter((path) => !path.endsWith("ignore")),
    ).toEqual(WANTED);
    expect((await workspace.searchText("needle", { maxBytes: 5_000 })).text.split("\n")).toEqual(
      WANTED.map((path) => `${path}:1:needle`),
    );
  });

  test("a .gitignore that is no ordinary file says nothing and holds nothing up", async () => {
    await using temporary = await openTemporary({
      "a/x.ts": "needle",
      "b/x.ts": "needle",
      "c/x.ts": "needle",
    });
    const { workspace, root, outside } = temporary;
    execFileSync("mkfifo", [join(root, "a/.gitignore"), join(root, "a/pipe"), join(root, ".ignore")]);
    symlinkSync("/dev/zero", join(root, "b/.gitignore"));
    symlinkSync("/dev/zero", join(root, "b/.rgignore"));
    writeFileSync(join(outside, "rules"), "*.ts\n");
    symlinkSync(join(outside, "rules"), join(root, "c/.gitignore"));
    mkdirSync(join(root, "d"));
    writeFileSync(join(root, "d/.gitignore"), "*.ts\n");
    truncateSync(join(root, "d/.gitignore"), 20_000_000_000);
    writeFileSync(join(root, "d/x.ts"), "needle");
    const started = Date.now();
    const wanted = ["a/x.ts", "b/x.ts", "c/x.ts", "d/x.ts"];
    expect(await workspace.findFiles("*.ts", { limit: 50 })).toEqual({ paths: wanted, truncated: false });
    expect(await workspace.searchText("needle", { maxBytes: 5_000 })).toMatchObject({
      files: 4,
      truncated: false,
    });
    expect(Date.now() - started).toBeLessThan(4_000);
  });
});
