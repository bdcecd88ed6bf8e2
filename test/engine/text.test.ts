import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { createCallWatch } from "../../src/engine/llama/call-watch.ts";
import { createJsonScanner } from "../../src/engine/json-scanner.ts";
import type { CallGrammar } from "../../src/engine/protocol.ts";
import { createStopScanner } from "../../src/engine/stop-scanner.ts";
import { createTextDecoder } from "../../src/engine/llama/text-decoder.ts";

/** A text together with random places to cut it. */
function inPieces(text: string): fc.Arbitrary<string[]> {
  return fc.uniqueArray(fc.nat({ max: text.length }), { maxLength: 8 }).map((cuts) => {
    const marks = [0, ...cuts.toSorted((a, b) => a - b), text.length];
    return marks.slice(1).map((mark, at) => text.slice(marks[at], mark));
  });
}

describe("the stop scanner", () => {
  function run(pieces: readonly string[], stops: readonly string[]): string {
    const scanner = createStopScanner(stops);
    let text = "";
    for (const piece of pieces) {
      const step = scanner.push(piece);
      text += step.text;
      if (step.stopped !== undefined) return text;
    }
    return text + scanner.flush();
  }

  test("ends before the first stop string wherever the text is cut", () => {
    const text = "one ENX END two STOP three";
    fc.assert(
      fc.property(inPieces(text), (pieces) => {
        expect(run(pieces, ["STOP", "END"])).toBe("one ENX ");
      }),
    );
  });

  test("loses nothing when no stop string comes", () => {
    const texts = fc.array(fc.stringMatching(/^[ab]{0,5}$/), { maxLength: 6 });
    fc.assert(
      fc.property(texts, (pieces) => {
        expect(run(pieces, ["abc", "bac", ""])).toBe(pieces.join(""));
      }),
    );
  });
});

describe("the text decoder", () => {
  /** One byte a token, the hardest case. */
  const bytesOf = (token: number): Uint8Array => Uint8Array.of(token);

  test("never shows half a character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), (source) => {
        const text = Buffer.from(source).toString().replaceAll("\uFFFD", "?");
        const decoder = createTextDecoder(bytesOf);
        const pieces = [...new TextEncoder().encode(text)].map((byte) => decoder.push(byte));
        expect(pieces.join("")).not.toContain("\uFFFD");
        expect(pieces.join("") + decoder.flush()).toBe(text);
      }),
    );
  });

  test("does not wait for ever for a character that never comes", () => {
    const decoder = createTextDecoder(bytesOf);
    const text =
      [0x80, 0x80, 0x80, 0x80, 0x41, 0x42].map((byte) => decoder.push(byte)).join("") + decoder.flush();
    expect(text).toContain("AB");
  });
});

describe("the JSON scanner", () => {
  test("finds the end of a value in pieces", () => {
    const values = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()));
    const cases = values
      .map((value) => JSON.stringify(value))
      .chain((text) => fc.tuple(fc.constant(text), inPieces(`${text} }tail]`)));
    fc.assert(
      fc.property(cases, ([text, pieces]) => {
        const scanner = createJsonScanner();
        let before = 0;
        for (const piece of pieces) {
          const end = scanner.push(piece);
          before += end ?? piece.length;
          if (end !== undefined) break;
        }
        expect(before).toBe(text.length);
      }),
    );
  });
});

describe("the call watch", () => {
  const grammar: CallGrammar = {
    afterOpen: "",
    open: "<tool_call>",
    close: "</tool_call>",
    single: false,
  };
  const thinking = { open: "<think>", close: "</think>", startsInside: false };

  function steps(
    pieces: readonly string[],
    { startsInside = false, ...options }: Partial<CallGrammar> & { startsInside?: boolean } = {},
  ): string[] {
    const watch = createCallWatch({ ...grammar, ...options }, { ...thinking, startsInside });
    return pieces.map((piece) => watch.push(piece).type).filter((type) => type !== "none");
  }

  test("sees calls open and close, letter by letter", () => {
    const text =
      '<think>a <tool_call> b</think>x<tool_call>{"name":"w","arguments":{"t":"</tool_call>{"}}</tool_call> <tool_call>{}</tool_call>';
    expect(steps(text.split(""))).toEqual(["opened", "closed", "opened", "closed"]);
  });

  test("reports what lies behind the opening tag in the same piece", () => {
    expect(createCallWatch(grammar).push('hello<tool_call>{"')).toEqual({ type: "opened", excess: 2 });
  });

  test("ignores calls in thinking that the prompt had opened", () => {
    expect(steps(["<tool_call>", "</think>", "<tool_call>"], { startsInside: true })).toEqual(["opened"]);
  });

  test("starts inside the call when the call is mandatory", () => {
    expect(steps(["<tool_call>", '{"a":1}', "</tool_", "call>"], { fromStart: "root ::= x" })).toEqual([
      "closed",
    ]);
  });
});
