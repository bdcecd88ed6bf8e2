import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { applyEdit } from "../../src/workspace/apply-edit.ts";
import { offsetsOf, windowsOf } from "../../src/workspace/match.ts";

const MILLION = 1_000_000;

describe("an edit is answered in seconds, whatever it is", () => {
  test.each([
    ["lines that repeat", "x\n".repeat(300_000), `${"x\n".repeat(20_000)}y`, /^old text not found/],
    [
      "a block of equal lines",
      "\tx \n".repeat(100_000),
      "  x\n".repeat(50_000),
      /^old text found 50001 times/,
    ],
    ["one letter", "a".repeat(2 * MILLION), "a".repeat(MILLION / 2), /^old text found at least 1000 times/],
    [
      "one letter but one",
      "a".repeat(2 * MILLION),
      `${"a".repeat(MILLION / 4)}b${"a".repeat(MILLION / 4)}`,
      /^old text not found/,
    ],
  ])("%s", (_name, content, old, wanted) => {
    const started = Date.now();
    const edit = applyEdit(content, { old, new: "z" }, "f");
    expect(edit).toMatchObject({ ok: false, error: expect.stringMatching(wanted) });
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test("also for every place at once", () => {
    const change = { old: "a".repeat(MILLION / 2), new: "z", all: true };
    expect(applyEdit("a".repeat(2 * MILLION), change, "f")).toMatchObject({
      ok: true,
      text: "zzzz",
      replacements: 4,
    });
  });
});

describe("property: what is found is what comparing everything finds", () => {
  const letters = fc.array(fc.constantFrom("a", "b"), { maxLength: 30 });
  const some = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 5 });
  const places = (items: readonly string[], wanted: readonly string[]) =>
    items.flatMap((_, at) => (wanted.every((each, offset) => items[at + offset] === each) ? [at] : []));

  test("for lines and for letters", () => {
    fc.assert(
      fc.property(letters, some, (items, wanted) => {
        expect(windowsOf(items, wanted)).toEqual(places(items, wanted));
        expect(offsetsOf(items.join(""), wanted.join(""))).toEqual(places(items, wanted));
      }),
    );
  });

  test("and more of them than are counted, when all are to be replaced", () => {
    expect(applyEdit("x\n".repeat(2_500), { old: "x", new: "y", all: true }, "f")).toMatchObject({
      text: "y\n".repeat(2_500),
      replacements: 2_500,
    });
  });

  test("and for texts too long for the quick search", () => {
    const content = `${"ab".repeat(120_000)}c`;
    const old = content.slice(-100_001);
    expect(offsetsOf(content, old)).toEqual([content.length - old.length]);
  });
});
