import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { isHarmlessCommand } from "../../src/core/harmless-command.ts";

const HARMLESS = [
  "ls",
  "ls -la src/ && cat README.md",
  "cat 'a b.txt' \"c d.txt\" | head -n 5 | wc -l",
  "grep -rn 'foo(bar)$' src; echo done",
  "cd src && ls || true",
  "pwd;",
  "find . -name '*.ts' -type f -maxdepth 3",
  "find src -not -path node_modules -size +1k",
  "rg 'import .* from' src/*.ts",
  "ls *.txt",
  "sort -n -r file.txt | uniq -c",
  "sort -k2,2 file.txt",
  "cut -d, -f1 data.csv",
  "sed -n 10,20p file.txt",
  "sed -n '5p' file.txt",
  "git --version",
  "node --version",
  "python3 --version && node --version",
  "date +%Y-%m-%d",
  "test -f a.txt && echo yes",
  "echo grüße",
  "stat -c %s a.txt; du -sh .; df -h; file a.png; which node",
  "ls # comment",
  "ls \\\n-l",
  "ls\ncat a.txt\n",
  'echo "a\\"b"',
  "cat a\\ b.txt",
  "ls 2>&1 | head",
  "ls src 2>/dev/null || true",
  "grep -c x a.txt > /dev/null && echo found",
  "[ -f a.txt ] && cat a.txt",
  "printf '%s\\n' a b",
  "printf '100%%n' a",
  "printf '%d name\\n' 1",
  "cat a*.md",
  "sed -n 1,5p a*.ts",
];

const OF_ALLOWED_PROGRAMS = [
  "ls; curl x",
  "ls && curl x",
  "ls || curl x",
  "ls | sh",
  "ls & curl x",
  "ls `curl x`",
  "ls $(curl x)",
  "ls <(curl x)",
  "ls > f",
  "ls >> f",
  "ls < f",
  "ls >/dev/null/x",
  "ls >/dev/nullx",
  "ls &>/dev/null rm",
  "ls >&f",
  "ls 2>&1x",
  "ls 12>/dev/null",
  // These evaluate what stands in the brackets, in some shells.
  "test -v 'a[$(touch x)]'",
  "printf -v 'a[$(touch x)]' y",
  "ls << E\nx\nE",
  "ls\ncurl x",
  "ls\rcurl x",
  "find . -exec rm {} +",
  "find . -execdir rm x",
  "find . -delete",
  "find . -ok rm x",
  "find . -fprint out",
  "find . -fprintf out x",
  "find . -fls out",
  "find . -files0-from x",
  "sed 's/a/b/' f",
  "sed -i s/a/b/ f",
  "sed -n 'w out' f",
  "sed -n '1e id' f",
  "sed -n 1p -i f",
  "sed -n 1p -e 'w out'",
  "tar --checkpoint-action=exec=sh x",
  "rg --pre ./x y",
  "rg --pre=./x y",
  "rg -z y",
  "rg -iz y",
  "rg --hostname-bin=./x y",
  "sort -o out in",
  "sort -uo out in",
  "sort --output=out in",
  "sort --out=out in",
  "sort --compress-program=./x in",
  "sort -T . in",
  "uniq in out",
  "date -s 2020-01-01",
  "date 01020304",
  "date --set=2020-01-01",
  "file -C -m magic",
  "diff --paginate a b",
  // A file may be called `-delete`, `--pre=x` or `-oout`.
  "find *",
  "rg x *",
  "sort *.txt",
  "uniq [a-z]*",
  // One pattern can find two files, of which the second is written.
  "uniq AGENT*.md",
  "uniq -c a?",
  "date +%Y a*",
  // A file may be called `-v`, and another `a[$(touch x)]`.
  "test *",
  "[ * ]",
  "[ -f a* ]",
  "printf *",
  "printf '%s' *",
  // It sets a variable, such as the one that says where programs lie.
  "printf '%n' PATH",
  "printf 'a%-3.2n' PATH",
  "printf '%ln' PATH",
];

/** Repository configuration can make each of these start a program. */
const OF_GIT = [
  "git",
  "git status",
  "git status --porcelain",
  "git diff",
  "git diff HEAD~1 -- src/a.ts",
  "git diff --no-ext-diff --no-textconv",
  "git log --oneline -n 5",
  "git show HEAD:README.md",
  "git branch -a",
  "git ls-files",
  "git rev-parse HEAD",
  "git push",
  "git commit -m x",
  "git config diff.external 'rm -f a.txt;:'",
  "git -c alias.status=!sh status",
  "git -C /elsewhere --version",
  "git --version status",
  "git --exec-path=. --version",
  "git --no-pager diff",
  "git constructor",
  "ls && git diff",
  "git --version; git status",
  "git diff | cat",
];

const OF_OTHER_PROGRAMS = [
  "",
  "   ",
  ";",
  "ls;;ls",
  "ls &&",
  "| ls",
  "ls | | wc",
  "rm a.txt",
  "mv a b",
  "touch a",
  "sh -c ls",
  "env ls",
  "xargs ls",
  "command ls",
  "exec ls",
  "eval ls",
  ". ./x",
  "./ls",
  "/bin/ls",
  "l* x",
  "X=1 ls",
  "PATH=. ls",
  "if true; then ls; fi",
  "ls() { rm x; }; ls",
  "! ls",
  "{ ls; }",
  "(ls)",
  'echo "$HOME"',
  'echo "`id`"',
  "alias ls=rm\nls x",
  "PATH=.; ls",
  "ls &&",
  "ls & & ls",
  "|& ls",
  "hash -p ./x ls; ls",
  'echo "unclosed',
  "echo 'unclosed",
  "cat ~/.ssh/id_rsa",
  "cat ~root/x",
  "echo $'a'",
  "echo {a,b}",
  "node -e 1",
  "node script.js --version",
  "npm --version --x",
  "npx --version",
  "python3 -c 1",
  "constructor",
  "__proto__ x",
  "ls\u0000",
  "ls\u00a0-l",
  "ls\u202e",
  `echo ${"x".repeat(5_000)}`,
  Array.from({ length: 60 }, () => "ls").join(";"),
];

describe("commands that run without a question", () => {
  it.each(HARMLESS)("hold %j", (command) => {
    expect(isHarmlessCommand(command)).toBe(true);
  });

  it.each(OF_ALLOWED_PROGRAMS)("do not hold %j, though its program is allowed", (command) => {
    expect(isHarmlessCommand(command)).toBe(false);
  });

  it.each(OF_GIT)("do not hold %j, as the repository decides what it runs", (command) => {
    expect(isHarmlessCommand(command)).toBe(false);
  });

  it.each(OF_OTHER_PROGRAMS)("do not hold %j", (command) => {
    expect(isHarmlessCommand(command)).toBe(false);
  });

  it("never hold an unquoted character that the shell gives a meaning", () => {
    const meta = fc.constantFrom(">", "<", "$", "`", "&x", "(", ")", "{", "}", ";", "\n", "\t\n", "\r", "\0");
    // In a comment, or after a backslash, they have none.
    const plain = HARMLESS.filter((command) => !/[#\\]/.test(command));
    fc.assert(
      fc.property(fc.constantFrom(...plain), meta, fc.nat(), (command, character, at) => {
        const place = findUnquoted(command, at);
        expect(isHarmlessCommand(`${command.slice(0, place)}${character}x${command.slice(place)}`)).toBe(
          false,
        );
      }),
    );
  });

  it("never hold an expansion inside double quotes", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("$", "`"), fc.string(), (before, character, after) => {
        const quoted = `${before}${character}${after}`.replaceAll(/["\\]/g, "");
        expect(isHarmlessCommand(`echo "${quoted}"`)).toBe(false);
      }),
    );
  });

  it("are found without fail in any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(isHarmlessCommand(text)).toBeTypeOf("boolean");
      }),
    );
  });
});

/** A place in the command that is in no quotes, near `at`. */
function findUnquoted(command: string, at: number): number {
  const places = Array.from({ length: command.length }, (_, index) => index + 1).filter((index) => {
    const before = command.slice(0, index);
    return before.split("'").length % 2 === 1 && before.split('"').length % 2 === 1;
  });
  return places[at % places.length] ?? command.length;
}
