import { spawnSync } from "node:child_process";
import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { parseShellLine } from "../../src/core/shell-line.ts";
import { coversLine } from "../../src/permissions/shell-cover.ts";

const SHELLS = ["bash", "dash"].filter((shell) => spawnSync(`/bin/${shell}`, ["-c", "true"]).status === 0);

/** The lines in which a shell starts anything but `p x`, `ls` and `echo`. */
function findEscapes(shell: string, lines: readonly string[]): string[] {
  const script = `for line; do (
    p() { [ "$1" = x ] || printf bad >&3; }
    for name in q qx xq qq lsq qls; do eval "$name() { printf bad >&3; }"; done
    ls() { :; }; echo() { :; }
    set --
    eval "$line"
    wait
  ); printf '\\034' >&3; done`;
  const { output, status } = spawnSync(`/bin/${shell}`, ["-c", script, shell, ...lines], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { PATH: "/nowhere" },
    cwd: "/proc/self",
  });
  expect(status).toBe(0);
  const said = String(output[3]).split("\u001c");
  return lines.filter((_, index) => said[index] !== "");
}

describe.each(SHELLS)("a line that a rule for `p x` covers", (shell) => {
  const piece = fc.constantFrom(
    ..." x'\"\\\n)`;|&q#!<>{},~*-/".split(""),
    ..."$( && || <<E\n \nE\n eval  echo  /dev/null 2>&1 a= $a ; p x \np x ls".split(" "),
    " p x ",
  );
  const line = fc
    .tuple(fc.constantFrom("p x", "p x ", "ls;p x"), fc.array(piece, { minLength: 1, maxLength: 7 }))
    .map(([start, pieces]) => start + pieces.join(""));

  it(`starts nothing else in ${shell}`, () => {
    let covered = 0;
    fc.assert(
      fc.property(fc.array(line, { minLength: 800, maxLength: 800 }), (lines) => {
        const some = lines.filter((each) => coversLine([["p", "x"]], parseShellLine(each)));
        covered += some.length;
        expect(findEscapes(shell, some)).toEqual([]);
      }),
      { numRuns: 4 },
    );
    expect(covered).toBeGreaterThan(200);
  });

  it(`would be caught by this test if it did in ${shell}`, () => {
    expect(findEscapes(shell, ["p x", "p x; q", "p x $(q)", "p y", "ls"])).toEqual([
      "p x; q",
      "p x $(q)",
      "p y",
    ]);
  });
});
