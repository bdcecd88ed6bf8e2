import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findRisk, findRiskOfCommand } from "../../src/core/risky-command.ts";
import { parseShellLine } from "../../src/core/shell-line.ts";

/** Not understood because of the substitution, so that every word may start a command. */
const open = (words: readonly string[]) => parseShellLine(`${words.join(" ")} $(x)`);

describe("a line that is not understood", () => {
  it("is as risky as the riskiest command that may start in it", () => {
    const word = fc.constantFrom(
      ..."git npm pip yarn apt -c -C -Sy -x --no-pager reset checkout --hard --force -- . stash drop push install test a".split(
        " ",
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), fc.boolean(), (words, network) => {
        const isRisky = words.some(
          (each, index) =>
            /^(?:git|npm|pip|yarn|apt)$/.test(each) &&
            findRiskOfCommand([...words.slice(index), "x"], network) !== undefined,
        );
        expect(findRisk(open(words), { network }) !== undefined).toBe(isRisky);
      }),
    );
  });

  it.each([
    ["git "],
    ["git -c "],
    ["git reset "],
    ["git stash "],
    ["npm -x "],
    ["git a "],
    ["npm "],
    ["yarn -x git -C "],
  ])("is judged soon when it is full of `%s`", (words) => {
    const started = performance.now();
    findRisk(parseShellLine(`${words.repeat(Math.floor(130_000 / words.length))}$(x)`), { network: true });
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
