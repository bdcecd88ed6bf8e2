import { spawnSync } from "node:child_process";
import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { parseShellLine } from "../../src/core/shell-line.ts";

const SHELLS = ["bash", "dash"].filter((shell) => spawnSync(`/bin/${shell}`, ["-c", "true"]).status === 0);

function argvOf(line: string): string[][] {
  return parseShellLine(line).parts.map(({ argv }) => argv.map(({ text }) => text));
}

describe("a shell line", () => {
  it.each<[string, string[][]]>([
    ["git status", [["git", "status"]]],
    ["a 'b c' \"d $\" e\\ f", []],
    ["a 'b c' \"d e\" f\\ g", [["a", "b c", "d e", "f g"]]],
    ["a 'b'c\"d\"", [["a", "bcd"]]],
    ["a '' \"\"", [["a", "", ""]]],
    ['a "x\\"y\\\\z\\q\\$"', [["a", 'x"y\\z\\q$']]],
    ["a; b & c && d || e | f\ng", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"]]],
    ["a &&\n\n b", [["a"], ["b"]]],
    ["a # b; c\nd", [["a"], ["d"]]],
    ["a b#c '#d' \\#e", [["a", "b#c", "#d", "#e"]]],
    ["a b\\\nc \\\n d", [["a", "bc", "d"]]],
    ["a 2>&1 >/dev/null <  /dev/null b", [["a", "b"]]],
    ["X=1 Y='2 3' a Z=4", [["a", "Z=4"]]],
  ])("%j is read as %j", (line, argv) => {
    expect(argvOf(line)).toEqual(argv);
    expect(parseShellLine(line).understood).toBe(argv.length > 0);
  });

  it("gives the assignments before a program apart from its words", () => {
    expect(parseShellLine("X=1 Y='2 3' a; Z=")).toMatchObject({
      parts: [{ assignments: ["X=1", "Y=2 3"] }, { argv: [], assignments: ["Z="] }],
    });
  });

  it("says which words are patterns", () => {
    const [part] = parseShellLine("[ '*' *.ts \\* a?b ]").parts;
    expect(part?.argv.map(({ glob }) => glob)).toEqual([false, false, true, false, true, false]);
  });

  it.each([
    "a $b",
    "a ${b}",
    "a $(b)",
    "a `b`",
    "a $((1+1))",
    'a "$(b)"',
    'a "`b`"',
    "a <(b)",
    "a >(b)",
    "a > b",
    "a >> b",
    "a < b",
    "a <> b",
    "a >| b",
    "a &> /dev/null",
    "a >& /dev/null",
    "a 3>&1",
    "a 1>/dev/null/../../etc/x",
    "a <<E\nb\nE",
    "a <<< b",
    "a() { b; }",
    "function a { b; }",
    "(a)",
    "{ a; }",
    "a {b,c}",
    "if a; then b; fi",
    "for a in b; do c; done",
    "while a; do b; done",
    "case a in a) b;; esac",
    "! a",
    "[[ a ]]",
    "((a))",
    "time a",
    "coproc a",
    "a ~/b",
    "a ~",
    "a b=~/c",
    "X=~ a",
    "$a",
    "*a b",
    "a 'b",
    'a "b',
    "a \\",
    "a &&",
    "a ||",
    "a |",
    "; a",
    "a ;; b",
    "a | | b",
    "a && && b",
    "a\n&& b",
    "a |& b",
    "a\0b",
    "a\rb",
    "a\u00a0b",
    "a\u202eb",
    "a \ud800",
    "eval a",
    "exec a",
    "source a",
    ". a",
    "env a",
    "env X=1 a",
    "xargs a",
    "sudo a",
    "nohup a",
    "timeout 5 a",
    "nice a",
    "setsid a",
    "command a",
    "builtin a",
    "/usr/bin/env a",
    "bash -c a",
    "sh -c a",
    "bash -lc a",
    "sh",
    "a | sh",
    "bash +x a",
    "busybox sh",
    "find . -exec a {} +",
    "find . -exec a ';'",
    "find . -delete",
    "fd x -x a",
    "setarch x86_64 a",
    "linux64 a",
    "proot a",
    "fakeroot a",
    "unbuffer a",
    "valgrind a",
    "choom -n 1 -- a",
    "rlwrap a",
    "numactl a",
    "direnv exec . a",
    "mise exec -- a",
    "nix-shell --run a",
    "cmake -E rm a",
    "cmake -P a.cmake",
    "bwrap a",
    "firejail a",
    "/lib64/ld-linux-x86-64.so.2 /bin/a",
    "ld.so a",
    "gfind . -delete",
    "a sh -c b",
    "a run bash -lc b",
    "alias a=b",
    "trap a EXIT",
    "export PATH=.",
    "a & b & trap c EXIT",
    `a ${"x".repeat(5_000)}`,
    Array.from({ length: 51 }, () => "a").join(";"),
  ])("is not understood as %j", (line) => {
    expect(parseShellLine(line).understood).toBe(false);
  });

  it.each([
    "rm -rf x",
    "a; rm -rf x",
    "a $(rm -rf x)",
    "a `rm -rf x`",
    'a "$(rm -rf x)"',
    "bash -c 'rm -rf x'",
    `sh -c "bash -c 'rm -rf x'"`,
    `a "b \\"rm -rf x\\""`,
    "r\\m -rf x",
    "'rm' \"-rf\" x",
    "r''m -rf x",
    "rm${IFS}-rf x",
    "r$@m -rf x",
    "a=; rm$a -rf x",
    "r${x}m -r${y:-}f x",
    "r``m -rf x",
    "$'rm' -rf x",
    "rm \\\n-rf x",
    "{rm,-rf,x}",
    "if a; then rm -rf x; fi",
    "a <<E\nrm -rf x\nE",
    "a <(rm -rf x)",
    "a 'b rm -rf",
    `${"x ".repeat(50_000)}; rm -rf x`,
  ])("shows the words of a command that hides anywhere in it", (line) => {
    const found = parseShellLine(line).runs.some((run) =>
      run.some((word, index) => word === "rm" && run[index + 1] === "-rf"),
    );
    expect(found).toBe(true);
  });

  it.each([
    "${IFS".repeat(50_000),
    "{".repeat(100_000),
    "'\"".repeat(50_000),
    "\\".repeat(100_000),
    "$(".repeat(50_000),
    `sh -c ${"\"'".repeat(2_000)}`,
  ])("is read at once, however long and odd it is", (line) => {
    const started = performance.now();
    parseShellLine(line);
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it("never fails, and never understands what a shell cannot parse", () => {
    const piece = fc.constantFrom(
      ..."abc\"'\\ \t\n;&|<>#$`(){}!*?[]~=-/12".split(""),
      "&&",
      "||",
      "2>&1",
      ">/dev/null",
    );
    const line = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(fc.array(line, { minLength: 200, maxLength: 200 }), (lines) => {
        const understood = lines.filter((each) => parseShellLine(each).understood);
        for (const shell of SHELLS) expect(findUnparsable(shell, understood), shell).toEqual([]);
      }),
      { numRuns: 4 },
    );
  });
});

/** Runs a script once for all of these lines, each as `$line`; what it writes to descriptor 3. */
function runForEach(shell: string, script: string, lines: readonly string[]): string {
  const { output, status } = spawnSync(
    `/bin/${shell}`,
    ["-c", `for line; do ${script}\ndone`, shell, ...lines],
    {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
      env: { PATH: "/nowhere", end: "\u001d", next: "\u001c" },
      cwd: "/",
    },
  );
  expect(status).toBe(0);
  return String(output[3]);
}

function findUnparsable(shell: string, lines: readonly string[]): string[] {
  const script = `(eval "f() { :
$line
}") || printf '%s%s' "$line" "$end" >&3`;
  return runForEach(shell, script, lines).split("\u001d").slice(0, -1);
}

/** Runs lines in which only `p` is called, and gives the arguments of the calls of each line, sorted. */
function callsIn(shell: string, lines: readonly string[]): string[][] {
  const script = `(p() { printf '%s\\036' "$#" "$@" "$end" >&3; }
eval "$line"
wait)
printf '%s' "$next" >&3`;
  const calls = runForEach(shell, script, lines).split("\u001c").slice(0, -1);
  return calls.map((text) => text.split("\u001d\u001e").slice(0, -1).sort());
}

function callsRead(line: string): string[] {
  return parseShellLine(line)
    .parts.map(({ argv }) => [argv.length - 1, ...argv.slice(1).map(({ text }) => text), ""].join("\u001e"))
    .sort();
}

describe.each(SHELLS)("a line that is understood", (shell) => {
  const word = fc
    .array(
      fc.constantFrom(
        ..."abZ09_./:=@%+,^]!#-é".split(""),
        "'a b'",
        "'\"$`\\'",
        '"a b"',
        '"\\"\\$\\`\\\\\\a"',
        '"a\\\nb"',
        "'a\nb;#'",
        '""',
        "\\ ",
        "\\;",
        "\\#",
        "\\'",
        "\\\n",
        "\\*",
      ),
      { maxLength: 5 },
    )
    .map((pieces) => pieces.join(""));
  const gap = fc.constantFrom(" ", "  ", "\t", " \\\n ", " 2>&1 ", " >/dev/null ");
  const command = fc.array(fc.tuple(gap, word), { maxLength: 4 }).map((words) => `p${words.flat().join("")}`);
  const operator = fc.constantFrom(";", " && ", "\n", " | ", " & ", " &&\n", " # c\n", "|\\\n", ";\n\n");
  const line = fc
    .tuple(command, fc.array(fc.tuple(operator, command), { maxLength: 3 }))
    .map(([first, rest]) => [first, ...rest.flat()].join(""));

  const mess = fc
    .array(
      fc.constantFrom(
        ..."ab \t\n'\"\\;&|<>#$`(){}!]~=-/12p".split(""),
        " p ",
        "\np ",
        ";p ",
        "2>&1",
        ">/dev/null",
      ),
      { maxLength: 14 },
    )
    .map((pieces) => `p ${pieces.join("")}`);

  /** Whether it can be compared: only calls of `p`, and none that may be left out. */
  const isComparable = (text: string): boolean => {
    const { parts, understood } = parseShellLine(text);
    const usual = parts.every(({ argv, assignments }) => argv[0]?.text === "p" && assignments.length === 0);
    // Calls that run at once are written one line at a time.
    const mixed = parts.length > 1 && parts.some(({ argv }) => argv.some((each) => each.text.includes("\n")));
    return understood && usual && !mixed && !text.includes("||");
  };

  it.each([
    ["from words and operators", line, 50],
    ["from any mess of characters", mess, 400],
  ])(`has the words that ${shell} gives its programs, when it is made %s`, (_, lines, length) => {
    let compared = 0;
    fc.assert(
      fc.property(fc.array(lines, { minLength: length, maxLength: length }), (texts) => {
        const some = texts.filter(isComparable);
        compared += some.length;
        const read = some.map((text) => [text, callsRead(text)]);
        const calls = callsIn(shell, some);
        expect(some.map((text, index) => [text, calls[index]])).toEqual(read);
      }),
      { numRuns: 8 },
    );
    expect(compared).toBeGreaterThan(100);
  });
});
