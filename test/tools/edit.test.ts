import { expect, test } from "vitest";
import { createEditTool } from "../../src/tools/edit.ts";
import { openBench } from "./_fixture.ts";

test("says how many places were replaced, and shows them", async () => {
  await using bench = await openBench(createEditTool, { "a.txt": "x = 1\ny = 2\nx = 1\n" });
  expect(await bench.call({ path: "a.txt", old: "y = 2", new: "y = 3" })).toEqual({
    ok: true,
    output: "replaced 1 occurrence in a.txt",
    diff: "@@ -1,3 +1,3 @@\n x = 1\n-y = 2\n+y = 3\n x = 1",
  });
  expect(await bench.call({ path: "a.txt", old: "x = 1", new: "x = 2", all: "true" })).toMatchObject({
    output: "replaced 2 occurrences in a.txt",
  });
  expect(bench.text("a.txt")).toBe("x = 2\ny = 3\nx = 2\n");
});

test("says what it overlooked", async () => {
  await using bench = await openBench(createEditTool, { "a.py": "def f():\n    return 1\n" });
  expect(await bench.call({ path: "a.py", old: "  return 1  ", new: "  return 2" })).toMatchObject({
    output:
      "replaced 1 occurrence in a.py; matched ignoring indentation (new was re-indented to fit), trailing spaces",
  });
  expect(bench.text("a.py")).toBe("def f():\n    return 2\n");
});

test("failures begin with what is wrong and name the way out", async () => {
  await using bench = await openBench(createEditTool, { "a.txt": "one\ntwo\none\n" });
  expect(await bench.call({ path: "a.txt", old: "three", new: "x" })).toMatchObject({
    error: expect.stringMatching(/^old text not found in a.txt/),
  });
  expect(await bench.call({ path: "a.txt", old: "one", new: "x" })).toMatchObject({
    error: expect.stringMatching(/2 times in a.txt, at lines 1, 3/),
  });
  expect(await bench.call({ path: "a.txt", old: "2", new: "two" })).toMatchObject({
    error: expect.stringMatching(/^already applied/),
  });
  expect(await bench.call({ path: "b.txt", old: "a", new: "b" })).toMatchObject({
    error: expect.stringMatching(/^no such file: b.txt/),
  });
  expect(await bench.call({ path: "a.txt", old: "", new: "b" })).toMatchObject({
    ok: false,
    error: expect.stringContaining("`old` is empty"),
  });
  expect(bench.text("a.txt")).toBe("one\ntwo\none\n");
});

test("a large change comes with the start of its diff only", async () => {
  await using bench = await openBench(createEditTool, { "a.txt": "x\n".repeat(2_000) });
  const result = await bench.call({ path: "a.txt", old: "x", new: "y", all: true });
  expect(String(result["diff"]).length).toBeLessThanOrEqual(800);
  expect(bench.text("a.txt")).toBe("y\n".repeat(2_000));
});
