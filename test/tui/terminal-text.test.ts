import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import {
  createTextStream,
  toTerminalJson,
  toTerminalLine,
  toTerminalText,
  toVisibleLine,
  toVisibleText,
} from "../../src/tui/terminal-text.ts";

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
        "\u200d",
        "\u200c",
        "\ufe0f",
        "\u{e0101}",
        "م",
        "\r\n",
      ),
    )
    .map((parts) => parts.join("")),
);

// oxlint-disable-next-line no-control-regex -- looks for control characters
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;
const INVISIBLE =
  /[\u00ad\u061c\u115f\u1160\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e00ff}]/u;

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
    ["pass\u00adword\u034f", "pass<U+00AD>word<U+034F>"],
    ["a\u115f\u1160\u3164\uffa0b", "a<U+115F><U+1160><U+3164><U+FFA0>b"],
    ["\ufff9a\ufffab\ufffb", "<U+FFF9>a<U+FFFA>b<U+FFFB>"],
    ["a\u2028b\u2029c", "a<U+2028>b<U+2029>c"],
    ["a\ufe0f b\u{e0100}", "a<U+FE0F> b<U+E0100>"],
    ["😀\u{e0101}\u{e0102}\u{e0103}", "😀\u{e0101}<U+E0102><U+E0103>"],
    ["ex\u200dec \u200c", "ex<U+200D>ec <U+200C>"],
    ["👩\u200d\u200d👩", "👩\u200d<U+200D>👩"],
  ])("shows %j as %j", (text, shown) => {
    expect(toTerminalText(text)).toBe(shown);
  });

  test.each(["👩🏽‍💻 🏳️‍🌈 ❤️ 1️⃣ ☂︎", "葛\u{e0100}城", "می‌خواهم ක්‍ෂ क्‍ष", "a\u00a0b\u3000c"])(
    "leaves %j alone, where the marks are part of the spelling",
    (text) => {
      expect(toTerminalText(text)).toBe(text);
      const stream = createTextStream();
      expect(text.split("").map(stream.push).join("") + stream.flush()).toBe(text);
    },
  );

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

describe("text that a decision hangs on", () => {
  test("shows every character that cannot be seen or is no plain space", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(toVisibleText(text)).not.toMatch(/(?![ \n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Z}\p{DI}]/u);
        expect(toVisibleLine(text)).not.toMatch(/(?! )[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Z}\p{DI}]/u);
      }),
    );
  });

  test.each([
    ["a\r\nb\tc", "a␍␊b␉c"],
    ["👩\u200d👩 ❤\ufe0f", "👩<U+200D>👩 ❤<U+FE0F>"],
    ["rm\u00a0-rf\u2003\u3000\u2800\ue000", "rm<U+00A0>-rf<U+2003><U+3000><U+2800><U+E000>"],
    ["für 日本語 ~/x", "für 日本語 ~/x"],
  ])("shows %j as %j", (text, shown) => {
    expect(toVisibleLine(text)).toBe(shown);
  });
});

test("JSON says the same with nothing a terminal would act on", () => {
  const value = { "k\u202e": ["\u009b2J\u001b", "\u{e0041}\u200b\u2028\u007f", "\ud800", "für 😀"] };
  const text = toTerminalJson(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toBe(
    '{"k\\u202e":["\\u009b2J\\u001b","\\udb40\\udc41\\u200b\\u2028\\u007f","\\ud800","für 😀"]}',
  );
});
