import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createTextStream, toTerminalLine, toTerminalText } from "../../src/tui/terminal-text.ts";

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  // Lone surrogates, control characters and marks in all orders.
  fc
    .array(
      fc.constantFrom(
        "\ud83d",
        "\ude00",
        "\r",
        "\n",
        "\u001b[",
        "\u009b",
        "\u202e",
        "\t",
        "a",
        "é",
        "漢",
        "😀",
      ),
    )
    .map((parts) => parts.join("")),
);

// oxlint-disable-next-line no-control-regex -- looks for control characters
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
const INVISIBLE = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;

describe("text for the terminal", () => {
  test("never keeps a control character, a bidi mark or half a surrogate pair", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const safe = toTerminalText(text);
        expect(safe).not.toMatch(CONTROL);
        expect(safe).not.toMatch(INVISIBLE);
        expect(safe).not.toMatch(/\p{Cs}/u);
      }),
    );
  });

  test("is unchanged by a second pass", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(toTerminalText(toTerminalText(text))).toBe(toTerminalText(text));
      }),
    );
  });

  test("leaves ordinary text alone", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        fc.pre(!INVISIBLE.test(text) && !CONTROL.test(text));
        expect(toTerminalText(text)).toBe(text);
      }),
    );
    expect(toTerminalText("für 日本語 👩‍👩‍👧 می‌خواهم\n\tindented")).toBe("für 日本語 👩‍👩‍👧 می‌خواهم\n\tindented");
  });

  test.each([
    ["\u001b[2J", "␛[2J"],
    ["a\r\nb", "a\nb"],
    ["100%\rdone", "100%␍done"],
    ["\u009b31m", "<U+009B>31m"],
    ["\u007f", "␡"],
    ["if (a\u202e) {", "if (a<U+202E>) {"],
    ["\u{e0041}", "<U+E0041>"],
    ["\ud800", "\ufffd"],
  ])("shows %j as %j", (text, shown) => {
    expect(toTerminalText(text)).toBe(shown);
  });

  test("a line has no line end or tab left", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(toTerminalLine(text)).not.toMatch(/[\n\t]/);
      }),
    );
    expect(toTerminalLine("  a \n\n b\tc ")).toBe("a b c");
  });

  test("a stream of pieces reads like the whole", () => {
    fc.assert(
      fc.property(fc.array(anyText), (pieces) => {
        const stream = createTextStream();
        const shown = pieces.map((piece) => stream.push(piece)).join("") + stream.flush();
        expect(shown).toBe(toTerminalText(pieces.join("")));
      }),
    );
  });
});
