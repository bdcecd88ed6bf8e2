import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { findRisk } from "../../src/core/risky-command.ts";
import { parseShellLine } from "../../src/core/shell-line.ts";
import { findsCommand } from "../../src/core/shell-search.ts";

const riskOf = (line: string, network = false) => findRisk(parseShellLine(line), { network });

describe("a line that is risky", () => {
  it.each([
    "git --shallow-file /dev/null reset --hard",
    "git --unknown x reset --hard",
    "git --unknown reset --hard",
    "git -C stash stash drop",
    `git ${"-c a.b=c ".repeat(100)} push`,
    "git-push origin",
    "/usr/lib/git-core/git-clean -fd",
    "git reset --merge",
    "git checkout :/",
    "git checkout a.ts",
    "git checkout main",
    "git checkout HEAD a.ts",
    "git checkout --forc main",
    "git checkout -p",
    "git checkout --pathspec-from-file=x",
    "git checkout-index -fa",
    "git read-tree -u --reset HEAD",
    "git switch --disc main",
    "git switch -C main",
    "git branch --delete --force x",
    "git branch -df x",
    "git branch -d -f x",
    "git branch -f main HEAD~9",
    "git update-ref -d refs/heads/x",
    "git worktree remove --force x",
    "git tag -d v1",
    "git rm -rf src",
    "git gc --prune=now",
    "git -c alias.z='reset --hard' z",
    "git --config-env=alias.z=X z",
    "git -c include.path=x z",
    "git config alias.z 'reset --hard'; git z",
    "GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=alias.z GIT_CONFIG_VALUE_0='reset --hard' git z",
    "export GIT_CONFIG_PARAMETERS=x; git z",
    "git submodule foreach 'git reset --hard'",
    "anything run git push",
  ])("is %j", (line) => {
    expect(riskOf(line)).toBeDefined();
  });

  it.each([
    "git status",
    "git checkout -b fix/push",
    "git checkout -q -b x main",
    "git checkout --detach",
    "git checkout -",
    "git switch main",
    "git switch -c x",
    "git branch -d x",
    "git branch --format '%(refname)'",
    "git --no-pager log --grep push",
    "git -c user.name=x commit -m y",
    "git tag v1",
    "git worktree add ../x",
    "git rm x",
    "git reset HEAD a",
    "git commit -m 'git push later'",
    "echo git push",
    "grep -rn git push",
  ])("is not %j", (line) => {
    expect(riskOf(line)).toBeUndefined();
  });

  it.each([
    "npm install",
    "npm --prefix x install",
    "npm --tag x i",
    "pip --quiet install x",
    "python3 -m pip install x",
    "python3 -I -m pip install x",
    "python3 -Im pip install x",
    "yarn",
    "yarn --silent",
    "npx x",
    "pacman -Sy x",
    "foo run npm install x",
  ])("is %j where there is network", (line) => {
    expect(riskOf(line, true)).toBeDefined();
    expect(riskOf(line)).toBeUndefined();
  });

  it.each(["npm test", "npm run install-x", "yarn test", "python3 -m pytest", "pip list", "go build"])(
    "is not %j where there is network",
    (line) => {
      expect(riskOf(line, true)).toBeUndefined();
    },
  );
});

describe("a name after git checkout", () => {
  it("is told to be no risk where it can only be a branch", () => {
    expect(riskOf("git checkout main")).toContain("`git switch` takes branches only");
    expect(riskOf("git checkout -f main")).not.toContain("switch");
  });
});

describe("words of a command", () => {
  it("are found wherever options and their values stand between them", () => {
    const option = fc.constantFrom(["-x"], ["--long=value"], ["-C", "push"], ["--name", "value"], []);
    fc.assert(
      fc.property(fc.array(option), fc.array(option), (first, second) => {
        const words = ["ls", "git", ...first.flat(), "stash", ...second.flat(), "drop"];
        expect(findsCommand(words, ["git", "stash", "drop"])).toBe(true);
      }),
    );
  });

  it.each([
    ["git stash push", "git push", false],
    ["git --no-pager stash push", "git push", false],
    ["git pushx", "git push", false],
    ["npm --tag x publish", "npm publish", true],
    ["kubectl -n p delete x", "kubectl delete", true],
    ["rm x -rf", "rm -rf", true],
    ["/bin/RM x", "rm", true],
    ["git-push", "git push", true],
    ["git git push", "git push", true],
  ])("of %j hold %j: %s", (line, wanted, found) => {
    expect(findsCommand(line.split(" "), wanted.split(" "))).toBe(found);
  });
});

describe("a line of any length", () => {
  const PIECES =
    "git |git -c |git reset |git checkout -b |git stash |npm |npm -x |npm install-|git a |yarn -x git -C |python -m |-ffffff|f|$(x) |'|\"|\\|;|{a,b}|alias.|${x}".split(
      "|",
    );

  it("is judged soon, whatever it repeats", () => {
    const piece = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(piece, (pieces) => {
        const text = pieces.join("");
        const line = parseShellLine(text.repeat(Math.ceil(100_000 / text.length)));
        const started = performance.now();
        findRisk(line, { network: true });
        for (const run of line.runs) findsCommand(run, ["git", "no", "such", "--command"]);
        expect(performance.now() - started).toBeLessThan(2_000);
      }),
      { numRuns: 40 },
    );
  });
});
