import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { failureOf, openTemporary, SECRET } from "./_fixture.ts";

const FILES = {
  "src/a.ts": "const one = 1;\nconst two = 2;\nuse(one);\n",
  "src/deep/b.ts": "const One = 3;\n",
  "README.md": "one readme\n",
  ".hidden/c.ts": "one hidden\n",
  ".gitignore": "dist/\n*.log\n",
  "dist/out.ts": "one built\n",
  "debug.log": "one log\n",
  "node_modules/m/index.ts": "one module\n",
  ".git/config.ts": "one git\n",
  ".lmagent/outputs/x.txt": "one output\n",
};
const options = { limit: 100 };
const size = { maxBytes: 10_000 };

describe("finding files", () => {
  test("by name at any depth, without what git ignores", async () => {
    await using temporary = await openTemporary(FILES);
    const { workspace } = temporary;
    expect((await workspace.findFiles("*.ts", options)).paths).toEqual([
      ".hidden/c.ts",
      "src/a.ts",
      "src/deep/b.ts",
    ]);
    expect((await workspace.findFiles("src/*.ts", options)).paths).toEqual(["src/a.ts"]);
    expect((await workspace.findFiles("./src/**", options)).paths).toEqual(["src/a.ts", "src/deep/b.ts"]);
    expect((await workspace.findFiles("src/", options)).paths).toEqual(["src/a.ts", "src/deep/b.ts"]);
    expect((await workspace.findFiles(`${temporary.root}/*.md`, options)).paths).toEqual(["README.md"]);
    expect((await workspace.findFiles("*.{md,ts}", { ...options, path: "src" })).paths).toEqual([
      "src/a.ts",
      "src/deep/b.ts",
    ]);
    expect(await workspace.findFiles("*.ts", { limit: 2 })).toEqual({
      paths: [".hidden/c.ts", "src/a.ts"],
      truncated: true,
    });
    expect(await workspace.findFiles("nothing*", options)).toEqual({ paths: [], truncated: false });
    expect((await workspace.findFiles("*", { ...options, path: "dist" })).paths).toEqual(["dist/out.ts"]);
  });

  test.each([
    "../../**",
    "/etc/*",
    "**/../..",
    "~/*",
    "a/{b,../..}/c",
    "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
    "x".repeat(600),
    "a\nb",
  ])("pattern %j is refused", async (pattern) => {
    await using temporary = await openTemporary(FILES);
    expect(await failureOf(temporary.workspace.findFiles(pattern, options))).toMatch(/^path_refused/);
  });

  test("does not follow links, out of the workspace or in a circle", async () => {
    await using temporary = await openTemporary(FILES);
    const { workspace, root, outside } = temporary;
    symlinkSync("/", join(root, "src", "everything"));
    symlinkSync(outside, join(root, "outside"));
    symlinkSync(join(outside, "secret"), join(root, "secret.ts"));
    symlinkSync("..", join(root, "src", "up"));
    expect((await workspace.findFiles("**", options)).paths).toEqual([
      ".gitignore",
      ".hidden/c.ts",
      "README.md",
      "src/a.ts",
      "src/deep/b.ts",
    ]);
    expect((await workspace.searchText("one|OUTSIDE", size)).text).not.toContain(SECRET);
    expect(await failureOf(workspace.findFiles("*", { ...options, path: "outside" }))).toMatch(
      /leads outside/,
    );
    expect(await failureOf(workspace.findFiles("*", { ...options, path: "none" }))).toMatch(
      /no such folder: none/,
    );
  });
});

describe("searching text", () => {
  test("gives path, line and text, sorted", async () => {
    await using temporary = await openTemporary(FILES);
    const { workspace } = temporary;
    expect(await workspace.searchText("one", size)).toEqual({
      text: [
        ".hidden/c.ts:1:one hidden",
        "README.md:1:one readme",
        "src/a.ts:1:const one = 1;",
        "src/a.ts:3:use(one);",
      ].join("\n"),
      files: 3,
      matches: 4,
      truncated: false,
    });
    expect((await workspace.searchText("ONE = \\d", { ...size, ignoreCase: true })).text).toBe(
      "src/a.ts:1:const one = 1;\nsrc/deep/b.ts:1:const One = 3;",
    );
    expect((await workspace.searchText("one", { ...size, glob: "*.md" })).text).toBe(
      "README.md:1:one readme",
    );
    expect((await workspace.searchText("one", { ...size, glob: "src/**", path: "src" })).files).toBe(1);
    expect((await workspace.searchText("two", { ...size, path: "src/a.ts", contextLines: 1 })).text).toBe(
      "src/a.ts-1-const one = 1;\nsrc/a.ts:2:const two = 2;\nsrc/a.ts-3-use(one);",
    );
    expect((await workspace.searchText("one", { ...size, path: "dist/out.ts" })).text).toBe(
      "dist/out.ts:1:one built",
    );
    expect((await workspace.searchText("one", { ...size, path: ".lmagent/outputs" })).text).toBe(
      ".lmagent/outputs/x.txt:1:one output",
    );
    expect((await workspace.searchText("nowhere", size)).text).toBe("");
  });

  test("takes what is no regular expression as it stands, and says so", async () => {
    await using temporary = await openTemporary(FILES);
    expect(await temporary.workspace.searchText("use(", size)).toMatchObject({
      text: "src/a.ts:3:use(one);",
      literal: expect.stringContaining("unclosed group"),
    });
    expect((await temporary.workspace.searchText("-e", size)).text).toBe("");
    expect((await temporary.workspace.searchText("--pre=sh", size)).text).toBe("");
    expect(await failureOf(temporary.workspace.searchText("", size))).toMatch(/`pattern` is empty/);
    expect(await failureOf(temporary.workspace.searchText("a\0b", size))).toMatch(/NUL/);
  });

  test("is cut at its budget, shortens long lines, and names binary files only", async () => {
    await using temporary = await openTemporary({
      "many.txt": "needle here\n".repeat(1_000),
      "long.txt": `needle ${"x".repeat(5_000)}\n`,
      "z.bin": "needle\0\n",
    });
    const cut = await temporary.workspace.searchText("needle", { path: "many.txt", maxBytes: 500 });
    expect(cut.truncated).toBe(true);
    expect(Buffer.byteLength(cut.text)).toBeLessThanOrEqual(500);
    expect(
      (await temporary.workspace.searchText("needle", { ...size, path: "long.txt" })).text.length,
    ).toBeLessThan(500);
    expect((await temporary.workspace.searchText("needle", { ...size, path: "z.bin" })).text).toBe(
      "z.bin: binary file matches",
    );
  });

  test("covers more files than are open at a time", async () => {
    await using temporary = await openTemporary();
    mkdirSync(join(temporary.root, "many"));
    for (let at = 0; at < 250; at += 1)
      writeFileSync(join(temporary.root, "many", `${String(at).padStart(3, "0")}.txt`), `needle ${at}\n`);
    const search = await temporary.workspace.searchText("needle \\d+", { maxBytes: 100_000 });
    expect(search).toMatchObject({ files: 250, matches: 250, truncated: false });
    expect(search.text.split("\n")[249]).toBe("many/249.txt:1:needle 249");
  });

  test("stops on abort", async () => {
    await using temporary = await openTemporary(FILES);
    const controller = new AbortController();
    const search = temporary.workspace.searchText("o.e", { ...size, signal: controller.signal });
    controller.abort(new Error("stop"));
    await expect(search).rejects.toThrow(/stop/);
  });

  test("runs with an empty environment and no configuration of the user's", async () => {
    await using temporary = await openTemporary({ ...FILES, rc: "--pre=/bin/false\n" });
    const before = process.env["RIPGREP_CONFIG_PATH"];
    process.env["RIPGREP_CONFIG_PATH"] = join(temporary.root, "rc");
    try {
      expect((await temporary.workspace.searchText("readme", size)).files).toBe(1);
    } finally {
      if (before === undefined) delete process.env["RIPGREP_CONFIG_PATH"];
      else process.env["RIPGREP_CONFIG_PATH"] = before;
    }
  });
});
