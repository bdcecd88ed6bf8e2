import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { COLOURED } from "../../src/tui/style.ts";
import { createMarkdownBlock, findSettledEnd } from "../../src/tui/screen/markdown.ts";
import { createTheme } from "../../src/tui/screen/theme.ts";

const PARTS = [
  "# Title",
  "A paragraph with **bold** text\nover two lines.",
  "- one\n- two\n  - nested",
  "1. first\n2. second",
  "1. loose\n\n   with a second paragraph\n\n2. item",
  "```ts\nconst a = 1;\n\nconst b = 2;\n```",
  "~~~\n```\nnot a fence\n\n~~~",
  "| a | b |\n|---|---|\n| 1 | 2 |",
  "> quoted\n> text",
  "---",
  "Unicode: 漢字 😀",
];

function render(pieces: readonly string[]): readonly string[] {
  const { block, append } = createMarkdownBlock(createTheme(COLOURED));
  for (const piece of pieces) append(piece);
  return block.render(60, { expanded: false });
}

describe("markdown that grows", () => {
  test("looks the same in whatever pieces it came", () => {
    const document = fc.array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(document, fc.array(fc.nat()), (parts, cuts) => {
        const text = parts.join("\n\n");
        const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
        const pieces = [0, ...places].map((start, index) => text.slice(start, places[index] ?? text.length));
        expect(render(pieces)).toEqual(render(text.split("")));
      }),
    );
  });

  test.each([
    ["one", ""],
    ["one\n\n", ""],
    ["one\n\ntwo", "one\n\n"],
    ["one\n\ntwo\n\nthree", "one\n\ntwo\n\n"],
    ["- a\n\n- b", ""],
    ["- a\n\n  more of a", ""],
    ["```\na\n\nb", ""],
    ["```\na\n\nb\n```\n\nafter", "```\na\n\nb\n```\n\n"],
    ["````\n```\n\nstill code", ""],
  ])("%j is settled as far as %j", (text, settled) => {
    expect(text.slice(0, findSettledEnd(text))).toBe(settled);
  });
});
