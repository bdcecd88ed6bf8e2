import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { compileSchema, validateJson } from "../../src/engine/schema/compile.ts";
import { accepts, derive, findDeadRules, parseGrammar } from "./_gbnf.ts";
import { anySchema } from "./_any-schema.ts";
import { createJudge, pair, toDocument } from "./_schemas.ts";

function compile(schema: unknown, { strict = true } = {}) {
  const result = compileSchema(schema, { strict });
  if (!result.ok) throw new Error(`refused: ${JSON.stringify(result.refusal)} ${JSON.stringify(schema)}`);
  return { ...result, rules: parseGrammar(result.grammar) };
}

describe("the grammar of a schema, over random schemas", () => {
  test("accepts every value that was made to fit", () => {
    const cases = pair.chain((one) => fc.tuple(fc.constant(toDocument(one)), one.value));
    fc.assert(
      fc.property(cases, ([schema, value]) => {
        const { rules } = compile(schema);
        expect(accepts(rules, JSON.stringify(value)), JSON.stringify(value)).toBe(true);
        expect(validateJson(schema, value)).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });

  test("accepts doubles as JSON writes them, but for the largest and the smallest", () => {
    const { rules } = compile({ type: "array", items: { type: "number" } });
    // With an exponent beyond 279 and many digits before it a number would be infinite.
    const doubles = fc
      .double({ noNaN: true, min: -1e279, max: 1e279 })
      .filter((value) => value === 0 || Math.abs(value) > 1e-279);
    fc.assert(
      fc.property(fc.array(doubles, { maxLength: 4 }), (numbers) => {
        expect(accepts(rules, JSON.stringify(numbers)), JSON.stringify(numbers)).toBe(true);
      }),
      { numRuns: 300, examples: [[[-0.000_001_000_007_573_144_580_3, 1e-7, 1e21, 1.5e278]]] },
    );
  });

  test("writes only values that an independent validator takes", () => {
    fc.assert(
      fc.property(pair, fc.infiniteStream(fc.nat()), (one, numbers) => {
        const schema = toDocument(one);
        const { rules, unenforced } = compile(schema);
        const judge = createJudge(schema);
        const text = derive(rules, (count) => (numbers.next().value as number) % count);
        const value = JSON.parse(text) as unknown;
        if (unenforced.length === 0) expect(judge?.(value), text).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  test("keeps any mix of keywords, or names those that only validation can keep", () => {
    const seen = { kept: 0, left: 0, refused: 0 };
    fc.assert(
      fc.property(anySchema, anySchema, anySchema, fc.infiniteStream(fc.nat()), (root, one, two, numbers) => {
        const schema = typeof root === "boolean" ? root : { ...root, $defs: { one, two } };
        const judge = createJudge(schema);
        const result = compileSchema(schema, { strict: true });
        if (!result.ok || judge === undefined) {
          seen.refused += 1;
          return;
        }
        const rules = parseGrammar(result.grammar);
        expect(findDeadRules(rules)).toEqual([]);
        for (let run = 0; run < 3; run += 1) {
          const value = JSON.parse(
            derive(rules, (count) => (numbers.next().value as number) % count),
          ) as unknown;
          const verdict = tryJudge(judge, value);
          // The judge's own multiples are not exact.
          if (verdict === undefined || /\de|\d{15}/i.test(JSON.stringify(value))) return;
          if (result.unenforced.length === 0) expect(verdict, JSON.stringify(value)).toBe(true);
          else expect(validateJson(schema, value) === undefined, JSON.stringify(value)).toBe(verdict);
        }
        seen[result.unenforced.length === 0 ? "kept" : "left"] += 1;
      }),
      { numRuns: 700 },
    );
    expect(seen.kept).toBeGreaterThan(100);
    expect(seen.left).toBeGreaterThan(30);
  });
});

/** A schema that refers to itself without end is too much for the judge. */
function tryJudge(judge: (value: unknown) => boolean, value: unknown): boolean | undefined {
  try {
    return judge(value);
  } catch {
    return undefined;
  }
}
