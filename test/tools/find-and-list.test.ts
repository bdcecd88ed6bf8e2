import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createEditTool } from "../../src/tools/edit.ts";
import { createGlobTool } from "../../src/tools/glob.ts";
import { createGrepTool } from "../../src/tools/grep.ts";
import { createLsTool } from "../../src/tools/ls.ts";
import { createMkdirTool } from "../../src/tools/mkdir.ts";
import { createReadTool } from "../../src/tools/read.ts";
import { createWriteTool } from "../../src/tools/write.ts";
import { openBench } from "./_fixture.ts";

const FILES = { "src/a.ts": "const a = 1;\nuse(a);\n", "src/b.ts": "const b = 2;\n", "README.md": "a\n" };

test("ls gives one name a line, folders first with a slash, links with an at sign", async () => {
  await using bench = await openBench(createLsTool, FILES);
  symlinkSync("src", join(bench.root, "link"));
  expect(await bench.call({})).toEqual({ ok: true, output: "src/\nREADME.md\nlink@" });
  expect(await bench.call({ path: "src/" })).toEqual({ ok: true, output: "a.ts\nb.ts" });
  expect(await bench.call({ path: "lib" })).toMatchObject({
    ok: false,
    error: expect.stringMatching(/^no such folder: lib/),
  });
  expect(await bench.call({ path: "README.md" })).toMatchObject({
    ok: false,
    error: "no such folder: README.md; it is a file",
  });
  await using empty = await openBench(createLsTool);
  expect(await empty.call({ path: "" })).toEqual({ ok: true, output: "(empty)" });
});

test("ls of a large folder stays within the budget and says how much is left", async () => {
  await using bench = await openBench(
    createLsTool,
    Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`file-${at}.txt`, ""])),
  );
  const result = await bench.call({}, { resultBytes: 1_000 });
  expect(Buffer.byteLength(String(result["output"]))).toBeLessThanOrEqual(1_000);
  expect(result["output"]).toMatch(/\[\d+ more names; use glob\]$/);
});

test("mkdir makes parents and does not mind a folder that is there", async () => {
  await using bench = await openBench(createMkdirTool, FILES);
  expect(await bench.call({ path: "x/y/" })).toEqual({ ok: true, output: "created folder x/y" });
  expect(await bench.call({ path: "x" })).toEqual({ ok: true, output: "folder x already exists" });
  expect(await bench.call({ path: "README.md" })).toMatchObject({
    ok: false,
    error: expect.stringContaining("a file has this name"),
  });
});

describe("glob", () => {
  test("gives one path a line, or no matches", async () => {
    await using bench = await openBench(createGlobTool, FILES);
    expect(await bench.call({ pattern: "*.ts" })).toEqual({ ok: true, output: "src/a.ts\nsrc/b.ts" });
    expect(await bench.call({ pattern: "**/*.md" })).toEqual({ ok: true, output: "README.md" });
    expect(await bench.call({ pattern: "*.py" })).toEqual({ ok: true, output: "no matches" });
    expect(await bench.call({ pattern: "../*" })).toMatchObject({ ok: false });
  });
});

describe("grep", () => {
  test("gives path, line and text, or no matches", async () => {
    await using bench = await openBench(createGrepTool, FILES);
    expect(await bench.call({ pattern: "const \\w" })).toEqual({
      ok: true,
      output: "src/a.ts:1:const a = 1;\nsrc/b.ts:1:const b = 2;",
    });
    expect(await bench.call({ pattern: "CONST B", ignore_case: true, glob: "*.ts", path: "src" })).toEqual({
      ok: true,
      output: "src/b.ts:1:const b = 2;",
    });
    expect(await bench.call({ pattern: "use", context: 1 })).toEqual({
      ok: true,
      output: "src/a.ts-1-const a = 1;\nsrc/a.ts:2:use(a);",
    });
    expect(await bench.call({ pattern: "zzz" })).toEqual({ ok: true, output: "no matches" });
    expect(await bench.call({ pattern: "use(" })).toMatchObject({
      output: "src/a.ts:2:use(a);",
      note: expect.stringContaining("searched for the text as it stands"),
    });
    expect(await bench.call({ pattern: "a", path: "/etc/passwd" })).toMatchObject({ ok: false });
  });

  test("stays within the budget", async () => {
    await using bench = await openBench(createGrepTool, { "a.txt": "needle\n".repeat(5_000) });
    const result = await bench.call({ pattern: "needle" }, { resultBytes: 600 });
    expect(Buffer.byteLength(String(result["output"]))).toBeLessThanOrEqual(600);
    expect(result["output"]).toMatch(/\[more matches; narrow the search\]$/);
  });
});

test("the schemas of the file tools stay small", async () => {
  const creators = [
    createReadTool,
    createWriteTool,
    createEditTool,
    createGlobTool,
    createGrepTool,
    createLsTool,
    createMkdirTool,
  ];
  await using bench = await openBench((workspace) => {
    const sizes = creators.map((create) => {
      const { name, description, parameters } = create(workspace);
      return JSON.stringify({ type: "function", function: { name, description, parameters } }).length;
    });
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(230 * creators.length);
    return createLsTool(workspace);
  });
  expect(await bench.call({})).toMatchObject({ ok: true });
});
