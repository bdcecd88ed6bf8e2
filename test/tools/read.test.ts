import { expect, test } from "vitest";
import { createReadTool } from "../../src/tools/read.ts";
import { openBench } from "./_fixture.ts";

const LINES = Array.from({ length: 30 }, (_, at) => `line ${at + 1}`);

test("a whole file comes plain, a part with line numbers and how to go on", async () => {
  await using bench = await openBench(createReadTool, { "a.txt": `${LINES.join("\n")}\n` });
  expect(await bench.call({ path: "a.txt" })).toEqual({ ok: true, output: `${LINES.join("\n")}\n` });
  expect(await bench.call({ path: "a.txt", offset: "9", limit: 2 })).toEqual({
    ok: true,
    output: "9: line 9\n10: line 10\n[20 more lines, use offset=11]",
    truncated: true,
  });
  expect(await bench.call({ path: "a.txt", offset: 30 })).toEqual({ ok: true, output: "30: line 30" });
  expect(await bench.call({ path: "a.txt", offset: 0, limit: 1 })).toMatchObject({
    output: expect.stringMatching(/^1: line 1\n/),
  });
  expect(await bench.call({ path: "a.txt", offset: 31 })).toEqual({
    ok: false,
    error: "a.txt has only 30 lines; offset=31 is past its end",
  });
});

test("a long file is cut at a line within the budget, whatever it is", async () => {
  await using bench = await openBench(createReadTool, {
    "a.txt": `${LINES.join("\n")}\n`.repeat(100),
    "one.txt": "x".repeat(10_000),
  });
  for (const resultBytes of [300, 500, 4_000]) {
    for (const input of [{ path: "a.txt" }, { path: "a.txt", offset: 100 }]) {
      const result = await bench.call(input, { resultBytes });
      const output = String("output" in result ? result.output : "");
      expect(Buffer.byteLength(output)).toBeLessThanOrEqual(resultBytes);
      const [, left, next] = /\[(\d+) more lines, use offset=(\d+)\]$/.exec(output) ?? [];
      expect(Number(left) + Number(next)).toBe(3_001);
    }
  }
  expect(await bench.call({ path: "one.txt" }, { resultBytes: 1_000 })).toMatchObject({
    truncated: true,
    output: expect.stringMatching(/^x+\n\[line 1 is cut, the file has 10000 bytes\]$/),
  });
});

test("failures begin with what is wrong and name the way out", async () => {
  await using bench = await openBench(createReadTool, { "src/main.py": "", "data.bin": "\0\x01" });
  expect(await bench.call({ path: "main.py" })).toEqual({
    ok: false,
    error: "no such file: main.py; did you mean src/main.py?",
  });
  expect(await bench.call({ path: "src" })).toEqual({
    ok: false,
    error: "src is a folder, not a file; use ls",
  });
  expect(await bench.call({ path: "data.bin" })).toEqual({
    ok: false,
    error: "cannot read data.bin as text: binary file, 2 bytes",
  });
  expect(await bench.call({ path: "src/main.py" })).toEqual({ ok: true, output: "(empty file)" });
  expect(await bench.call({ path: "../x" })).toMatchObject({
    ok: false,
    error: expect.stringContaining("outside the workspace"),
  });
  expect(await bench.call({})).toMatchObject({
    ok: false,
    error: expect.stringContaining("`path` is missing"),
  });
});
