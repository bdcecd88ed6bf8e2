import { describe, expect, test } from "vitest";
import { compileGlob } from "../../src/workspace/glob.ts";

describe("a pattern of names", () => {
  test.each([
    ["*.ts", ["a.ts", "x/y/.b.ts", ".ts"], ["a.tsx", "a.ts/b"]],
    ["src/*.ts", ["src/a.ts"], ["a.ts", "x/src/a.ts", "src/x/a.ts"]],
    ["src/**", ["src/a", "src/x/y", "src/.x/y"], ["a", "x/src/a"]],
    ["src/", ["src/a", "src/x/y"], ["a"]],
    ["**", ["a", ".x/y"], []],
    [".", ["a", "x/y"], []],
    ["**/*.{ts,tsx}", ["a.ts", "x/y/b.tsx"], ["a.js"]],
    ["{src,test}/**/*.ts", ["src/a.ts", "test/x/y/b.ts"], ["lib/a.ts"]],
    ["a{,b,{c,d}x}.txt", ["a.txt", "ab.txt", "acx.txt", "adx.txt"], ["ac.txt"]],
    ["{a}.txt", ["{a}.txt"], ["a.txt"]],
    ["a{b,c", ["a{b,c"], ["ab"]],
    ["a?c", ["abc"], ["ac"]],
    ["[a-c]x", ["bx"], ["dx"]],
    ["[!a-c]x", ["dx"], ["bx"]],
    ["app/(group)/[[]id].tsx", ["app/(group)/[id].tsx"], ["app/group/i.tsx"]],
    ["(a+)+b", ["(a+)+b"], ["aab"]],
    ["!(a)", ["!(a)"], ["b"]],
    ["!a", ["!a"], ["b"]],
    ["a|b", ["a|b"], ["a"]],
    ["\\*.ts", ["*.ts"], ["a.ts"]],
    ["/workspace/src/*.ts", ["src/a.ts"], ["a.ts"]],
    ["/real/root/*.ts", ["a.ts"], []],
    ["[", [], ["[", "a"]],
  ])("%j", (pattern, wanted, unwanted) => {
    const matches = compileGlob(pattern, ["/real/root"]);
    for (const path of wanted) expect([path, matches(path)]).toEqual([path, true]);
    for (const path of unwanted) expect([path, matches(path)]).toEqual([path, false]);
  });

  test.each([
    "(a+)+b",
    "(a|aa)*b",
    "[a-z]+[a-z]+[a-z]+[a-z]+b",
    `${"*a".repeat(240)}b`,
    `${"?*".repeat(240)}b`,
    `${"**/a/".repeat(90)}b`,
    "{a,aa}*{a,aa}*{a,aa}*{a,aa}*{a,aa}*b",
    "{".repeat(400),
    "{a,".repeat(160),
    "{1..100000000}",
  ])("is answered in no time, whatever it is: %j", (pattern) => {
    const started = Date.now();
    const matches = compileGlob(pattern, []);
    for (const path of ["a".repeat(250), `${"a/".repeat(1_000)}c`]) expect(matches(path)).toBe(false);
    expect(Date.now() - started).toBeLessThan(1_000);
  });
});
