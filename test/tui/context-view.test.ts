import { expect, test } from "vitest";
import type { ContextUse } from "../../src/core/index.ts";
import { formatContextUse } from "../../src/tui/context-view.ts";

const parts = {
  system: 410,
  tools: 1_200,
  user: 30,
  assistant: 1_000,
  notes: 0,
  results: 600,
  newest_results: 856,
};

const USE: ContextUse = {
  windowTokens: 8_192,
  totalTokens: 4_096,
  freeTokens: 4_096,
  source: "server",
  parts,
  compactAt: 6_500,
};

test("shows what takes up the window, by the server's count", () => {
  expect(formatContextUse(USE)).toEqual([
    "4,096 of 8,192 tokens, as the server counts them",
    "  system message          410    5%  █",
    "  tools                 1,200   15%  ███",
    "  your messages            30   <1%",
    "  the model's messages  1,000   12%  ██",
    "  older results           600    7%  █",
    "  last results            856   10%  ██",
    "  free                  4,096   50%  ██████████",
    "The conversation is shortened at 6,500 tokens.",
  ]);
});

test("says so when it is an estimate, or the window is not known", () => {
  const { windowTokens: _window, freeTokens: _free, ...unknown } = USE;
  const lines = formatContextUse({ ...unknown, source: "estimate" });
  expect(lines[0]).toBe("4,096 tokens, estimated");
  expect(lines.join("\n")).not.toContain("free");
  expect(lines).toContain("The server does not say how large its window is.");
});

test("stays on its lines with nothing in it, and with more than fits", () => {
  const none = { system: 0, tools: 0, user: 0, assistant: 0, notes: 0, results: 0, newest_results: 0 };
  expect(formatContextUse({ ...USE, totalTokens: 0, freeTokens: 8_192, parts: none })).toHaveLength(3);
  const most = Math.max(
    ...formatContextUse({ ...USE, windowTokens: 100, freeTokens: 0 }).map((line) => line.length),
  );
  expect(most).toBeLessThan(80);
});
