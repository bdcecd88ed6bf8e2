import { describe, expect, test } from "vitest";
import { formatDiffSize, toDiffLines } from "../../src/tui/diff-lines.ts";
import {
  formatBytes,
  formatCall,
  formatCount,
  formatDuration,
  formatRate,
  formatTokens,
  formatUsage,
  shorten,
} from "../../src/tui/format.ts";
import { COLOURED, COLOURLESS } from "../../src/tui/style.ts";

describe("numbers", () => {
  test.each([
    [0, "0 ms"],
    [-3, "0 ms"],
    [12.4, "12 ms"],
    [999.4, "999 ms"],
    [999.6, "1.0 s"],
    [9_949, "9.9 s"],
    [9_960, "10 s"],
    [59_400, "59 s"],
    [59_600, "1 min"],
    [125_000, "2 min 5 s"],
    [3_780_000, "1 h 3 min"],
  ])("a duration of %d ms reads %s", (ms, text) => expect(formatDuration(ms)).toBe(text));

  test("sizes, counts and rates", () => {
    expect([0, 999, 1_200, 99_000, 1_500_000, 2_100_000_000].map(formatBytes)).toEqual([
      "0 B",
      "999 B",
      "1.2 kB",
      "99 kB",
      "1.5 MB",
      "2.1 GB",
    ]);
    expect([0, 999, 1_000, 1_234_567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
    expect([999, 3_400, 32_768, 1_000_000].map(formatTokens)).toEqual(["999", "3.4k", "33k", "1.0M"]);
    expect([3.21, 99.96, 250.4].map(formatRate)).toEqual(["3.2 tok/s", "100 tok/s", "250 tok/s"]);
  });

  test("usage tells only what the server said", () => {
    expect(formatUsage({})).toBe("");
    expect(formatUsage({ promptTokens: 10 })).toBe("10 in");
    expect(formatUsage({ promptTokens: 10, cachedTokens: 12, completionTokens: 3 })).toBe(
      "12 cached · 0 new · 3 out",
    );
  });

  test("shortening cuts no character in half", () => {
    expect(shorten("abcdef", 4)).toBe("abc…");
    expect(shorten("ab😀cd", 4)).toBe("ab…");
    expect(shorten("abcd", 4)).toBe("abcd");
  });
});

describe("a call on one line", () => {
  test.each([
    ["read", { path: "notes.txt" }, "read notes.txt"],
    ["read", { path: "a.ts", offset: 10, limit: 5 }, "read a.ts:10-14"],
    ["shell", { command: "npm test\n  --watch" }, "shell npm test --watch"],
    ["grep", { pattern: "TODO", path: "src", glob: "*.ts" }, "grep TODO in src *.ts"],
    ["git_add", { paths: ["a", "b"] }, "git_add a b"],
    ["todo_list", {}, "todo_list"],
    ["todo_complete", { todo_id: 3 }, "todo_complete 3"],
    ["x", '{"broken', 'x {"broken'],
    ["x", null, "x"],
    ["x", { deep: { er: 1 } }, "x"],
  ])("%s %j", (name, input, text) => expect(formatCall(name, input)).toBe(text));
});

describe("diffs", () => {
  const diff =
    "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n keep\n--- sql comment\n+++ plus\n end\n\\ No newline at end of file\n";

  test("a changed line that looks like a file name is a changed line", () => {
    const lines = toDiffLines(diff, COLOURED);
    expect(lines[0]).toBe("\u001b[1m--- a/x\u001b[22m");
    expect(lines[4]).toBe("\u001b[31m--- sql comment\u001b[39m");
    expect(lines[5]).toBe("\u001b[32m+++ plus\u001b[39m");
    expect(formatDiffSize(diff)).toBe("+1 −1");
  });

  test("without colour the text is the diff", () => {
    expect(toDiffLines(diff, COLOURLESS).join("\n")).toBe(diff.trimEnd());
    expect(toDiffLines("", COLOURLESS)).toEqual([""]);
    expect(toDiffLines("no diff\u001b[2J", COLOURLESS)).toEqual(["no diff␛[2J"]);
  });
});
