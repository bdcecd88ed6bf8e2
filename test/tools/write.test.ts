import { expect, test } from "vitest";
import { createWriteTool } from "../../src/tools/write.ts";
import { openBench } from "./_fixture.ts";

test("says whether the file is new, with bytes and lines", async () => {
  await using bench = await openBench(createWriteTool);
  expect(await bench.call({ path: "a/b.txt", content: "one\n" })).toEqual({
    ok: true,
    output: "created a/b.txt (4 bytes, 1 line)",
  });
  expect(await bench.call({ path: "a/b.txt", content: "one\ntwo\n" })).toEqual({
    ok: true,
    output: "wrote 8 bytes to a/b.txt (2 lines)",
  });
  expect(bench.text("a/b.txt")).toBe("one\ntwo\n");
});

test("refuses what leaves the workspace, state, folders and left-out text, and changes nothing", async () => {
  await using bench = await openBench(createWriteTool, { "a.ts": "one();\ntwo();\n" });
  for (const [input, error] of [
    [{ path: "/etc/passwd", content: "x" }, /outside the workspace/],
    [{ path: ".lmagent/mcp.json", content: "x" }, /own state/],
    [{ path: ".", content: "x" }, /it is a folder/],
    [{ path: "a.ts", content: "one(1);\n// ... existing code ...\n" }, /write the whole file/],
    [{ path: "a.ts" }, /`content` is missing/],
  ] as const) {
    expect(await bench.call(input)).toMatchObject({ ok: false, error: expect.stringMatching(error) });
  }
  expect(bench.text("a.ts")).toBe("one();\ntwo();\n");
});

test("an aborted call writes nothing", async () => {
  await using bench = await openBench(createWriteTool, { "a.txt": "old" });
  const controller = new AbortController();
  controller.abort(new Error("stop"));
  await expect(bench.call({ path: "a.txt", content: "new" }, { signal: controller.signal })).rejects.toThrow(
    "stop",
  );
  expect(bench.text("a.txt")).toBe("old");
});
