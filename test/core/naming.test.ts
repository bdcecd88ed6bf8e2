import { describe, expect, it } from "vitest";
import { findDoubt } from "../../src/core/naming.ts";
import { textTool } from "./_run.ts";

const write = { ...textTool("write", () => ({ ok: true, output: "" })), access: "write" as const };

function doubt(path: string, request: string): string | undefined {
  return findDoubt(write, { path, content: "" }, { request, texts: [request] });
}

describe("a path is named by a request", () => {
  it.each([
    ["a.txt", "make a.txt"],
    ["a.txt", "make 'a.txt'."],
    ["a.txt", "change a.txt's first line"],
    ["docs/my notes.txt", "put my notes.txt into docs/"],
    ["b.md", "a.md->b.md"],
    ["./a (1).txt", "empty “a (1).txt”!"],
    ["über/日本.txt", "write x to über/日本.txt, please"],
  ])("that has it as a whole: %s in %s", (path, request) => {
    expect(doubt(path, request)).toBeUndefined();
  });

  it.each([
    ["s.txt", "make it's.txt"],
    ["it", "put a title at the top of it"],
    ["a.txt", "make data.txt"],
    ["a.txt", "make new-a.txt"],
    ["a.txt", "make a.txt.bak"],
    ["a.t", "make a.txt"],
  ])("and not by a part of a word: %s in %s", (path, request) => {
    expect(doubt(path, request)).toContain(`does not name \`${path}\``);
  });
});
