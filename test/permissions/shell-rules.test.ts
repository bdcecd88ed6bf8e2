import { describe, expect, it } from "vitest";
import { createPolicy } from "../../src/permissions/policy.ts";
import { allow, shellCall, toRules, WORKSPACE, type CallLook } from "./_policy.ts";
import type { Rule } from "../../src/permissions/rule.ts";

function decide(rules: readonly Rule[], command: string, look: CallLook = {}): string {
  return createPolicy({ rules, workspace: WORKSPACE }).decide(shellCall(command, look)).decision;
}

describe("a rule that allows the start of a command", () => {
  it.each([
    "git status",
    "git status --short",
    "git status -s src",
    "git  'status'",
    "git status; git status -s",
    "git status && ls src | head",
    "git status 2>&1 | cat",
    "git status # all",
    "git status >/dev/null",
    "git status &",
  ])("lets %j run", (command) => {
    expect(decide(allow("git status"), command)).toBe("run");
  });

  it.each([
    "git statusx",
    "git",
    "git st",
    "/tmp/git status",
    "./git status",
    "xgit status",
    "git -C sub status",
    "git status; curl x",
    "git status && curl x",
    "git status || curl x",
    "git status | curl x",
    "git status & curl x",
    "git status\ncurl x",
    "curl x; git status",
    "git status `curl x`",
    "git status $(curl x)",
    'git status "$(curl x)"',
    "git status <(curl x)",
    "git status >(curl x)",
    "git status > f",
    "git status >> f",
    "git status < f",
    "git status &> f",
    "git status >| f",
    "git status <<E\nx\nE",
    "git status <<< x",
    "git status ${x}",
    "git status $x",
    "git status ~",
    "git status {a,b}",
    "git status *",
    "git status [a]*",
    "PATH=. git status",
    "GIT_DIR=x git status",
    "PATH=.; git status",
    "git() { curl x; }; git status",
    "alias git=curl; git status",
    "eval git status",
    "env git status",
    "sudo git status",
    "xargs git status",
    "timeout 5 git status",
    "bash -c 'git status'",
    "if git status; then curl x; fi",
    "! git status",
    "(git status)",
    "{ git status; }",
    "git status \\\n; curl x",
    "git status '\n' ; curl x",
    "git status --output=x",
    "git status --outp x",
    `git status ${"x".repeat(5_000)}`,
    Array.from({ length: 51 }, () => "git status").join(";"),
  ])("does not let %j run", (command) => {
    expect(decide(allow("git status"), command)).toBe("ask");
  });

  it.each([
    ["find", "find . -exec rm {} +"],
    ["find", "find . -delete"],
    ["find", "find . -fprint x"],
    ["find", "find *"],
    ["sed", "sed -i s/a/b/ x"],
    ["sed", "sed 'w out' x"],
    ["sed", "sed -n 'e id' x"],
    ["sed", "sed s/a/id/e x"],
    ["sed", "sed s/a/b/w x"],
    ["sed", "sed -f script x"],
    ["sed", "sed --in-place s/a/b/ x"],
    ["sed -n 1p", "sed -n 1p -i x"],
    ["tar", "tar xf a.tar --checkpoint-action=exec=id"],
    ["tar", "tar xf a.tar --checkpoint-act=exec=id"],
    ["tar", "tar -xf a.tar --to-command=id"],
    ["tar", "tar -I id -xf a.tar"],
    ["tar", "tar cIf id a.tar x"],
    ["tar", "tar --use-compress-program id -xf a"],
    ["rg", "rg --pre ./x y"],
    ["rg", "rg --pre=./x y"],
    ["rg", "rg --hostname-bin=./x y"],
    ["sort", "sort --compress-program=./x y"],
    ["sort", "sort -o y y"],
    ["git", "git status"],
    ["git", "git -c alias.x=!id x"],
    ["git", "git --exec-path=. status"],
    ["git fetch", "git fetch --upload-pack=./x"],
    ["git fetch", "git fetch --upload ./x"],
    ["git fetch", "git fetch 'ext::sh -c id'"],
    ["git diff", "git diff --ext-diff"],
    ["git diff", "git diff --output=x"],
    ["git grep", "git grep -Oid x"],
    ["git rebase", "git rebase -x id main"],
    ["git clone", "git clone -u ./x y"],
    ["git config", "git config core.pager id"],
    ["git submodule", "git submodule foreach id"],
    ["git reset", "git reset --hard"],
    ["git stash", "git stash drop"],
    ["awk", "awk 'BEGIN { system(\"id\") }'"],
    ["xargs", "xargs id"],
    ["env", "env id"],
    ["python3", "python3"],
    ["python3", "python3 -c 1"],
    ["python3", "python3 x.py"],
    ["python3 -c", "python3 -c 1"],
    ["node --test", "node --test -e 1"],
    ["bash", "bash x.sh"],
    ["npm", "npm exec x"],
    ["npm test", "npm test --script-shell=./x"],
    ["cargo build", "cargo build --config x"],
    ["make", "make SHELL=./x"],
    ["make", "make -f x"],
    ["make test", "make test --eval=x"],
    ["make test", "make test --eval='$(shell touch X)'"],
    ["make test", "make test --eva=x"],
    ["make test", "make test 'SHELL = ./evil'"],
    ["make test", "make test 'X!=cmd'"],
    ["make test", "make test .SHELLFLAGS=x"],
    ["make test", "make test SHELL::=x"],
    ["make test", "make test --fil=x"],
    ["make test", "make test --makef=x"],
    ["make test", "make test --dir=x"],
    ["make test", "make test --inc=x"],
    ["make test", "make test -kf x"],
    ["make test", "make test '$(shell touch X)'"],
    ["gmake", "gmake SHELL=x"],
    ["gcc", "gcc --plugin=x a.c"],
    ["gcc-12", "gcc-12 -wrapper x a.c"],
    ["c++", "c++ -wrapper x a.c"],
    ["cpp", "cpp -wrapper x a.c"],
    ["x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc -B. a.c"],
    ["gcc", "gcc @x"],
    ["gcc", "gcc -Wl,-plugin,x a.c"],
    ["gtar", "gtar -I id -xf a.tar"],
    ["tar xf", "tar xf host:a.tar"],
    ["gfind", "gfind . -delete"],
    ["go test", "go test -ldflags=-extld=./evil"],
    ["go test", "go test -exec ./x"],
    ["go run", "go run -exec ./x y.go"],
    ["go run", "go run y.go"],
    ["cargo clippy", "cargo clippy -- -C linker=./x"],
    ["cargo build", "cargo build --target x.json"],
    ["npm test", "npm test --node-options=--require=./x"],
    ["npm exec tsc", "npm exec tsc --script-shell=./x"],
    ["cmake --build", "cmake --build . -- SHELL=x"],
    ["ninja", "ninja -f x"],
    ["rake test", "rake test -r ./x"],
    ["pipenv run", "pipenv run pytest"],
    ["pdm run", "pdm run pytest"],
    ["poetry run python", "poetry run python -c 1"],
    ["uv run", "uv run x.py"],
    ["npx", "npx x"],
    ["corepack", "corepack pnpm x"],
    ["yarn node", "yarn node -e 1"],
    ["npm explore", "npm explore x"],
    ["rails runner", "rails runner 'system 1'"],
    ["mix run", "mix run -e 1"],
    ["npm run", "npm run x"],
    ["git checkout", "git checkout :/"],
    ["npm test", "NODE_OPTIONS=--require=./x npm test"],
    ["npm test", "NODE_ENV=../x npm test"],
    ["vim", "vim -c '!id'"],
    ["zip", "zip -TT id a b"],
    ["split", "split --filter=id x"],
  ])("of %j does not let %j run, with which it would do something else", (match, command) => {
    expect(decide(allow(match), command)).toBe("ask");
  });

  it.each([
    ["sed", "sed -n 1,5p x"],
    ["sed", "sed -E 's/a+/b/g' x"],
    ["tar", "tar -xzf a.tar"],
    ["tar", "tar xzf a.tar"],
    ["rg", "rg -n x src"],
    ["python3 -m pytest", "python3 -m pytest -x tests"],
    ["python3 tools/x.py", "python3 tools/x.py --all"],
    ["bash scripts/x.sh", "bash scripts/x.sh -v"],
    ["node x.js", "node x.js -e"],
    ["npm run build", "cd sub && npm run build -- --watch"],
    ["make", "make -j4 test"],
    ["make test", "make test lint -k"],
    ["gcc", "gcc -Wall -O2 -o x a.c -lm"],
    ["find", "find . -name '*.ts' -type f"],
    ["go test", "go test -run TestX ./..."],
    ["go run x.go", "go run x.go -exec"],
    ["cargo test", "cargo test --release -- --nocapture"],
    ["cargo run", "cargo run --release"],
    ["poetry run pytest", "poetry run pytest -q tests"],
    ["npx tsc", "npx tsc --noEmit"],
    ["npm test", "NODE_ENV=test CI=1 npm test"],
    ["git checkout", "git checkout -b x"],
    ["git checkout main", "git checkout main"],
    ["git reset --hard", "git reset --hard HEAD"],
    ["git push", "git push origin main"],
    ["awk '{print $1}'", "awk '{print $1}' x"],
  ])("of %j lets %j run", (match, command) => {
    expect(decide(allow(match), command)).toBe("run");
  });

  it("counts together with the other rules that allow", () => {
    const rules = [...allow("npm test"), ...allow("git status")];
    expect(decide(rules, "npm test && git status")).toBe("run");
    expect(decide(rules, "npm test && git stash")).toBe("ask");
  });

  it("takes its words from a list as well, byte for byte", () => {
    const rules = toRules("user", { tool: "shell", match: ["echo", "a b", "$x"], decision: "allow" });
    expect(decide(rules, "echo 'a b' '$x' > f")).toBe("ask");
    expect(decide(rules, "touch x && echo 'a b' '$x'")).toBe("ask");
    const touch = toRules("user", { tool: "shell", match: ["touch", "a b"], decision: "allow" });
    expect(decide(touch, "touch 'a b'")).toBe("run");
    expect(decide(touch, "touch a b")).toBe("ask");
  });

  it.each<[string, CallLook, string]>([
    ["in manual mode", { mode: "manual" }, "ask"],
    ["without isolation", { place: { backend: "process", isolated: false, network: "bridge" } }, "ask"],
    [
      "without isolation in auto mode",
      {
        mode: "auto",
        place: { backend: "process", isolated: false, network: "bridge" },
        preview: { concerns: ["it runs without isolation"], refuseInAuto: true },
      },
      "refuse",
    ],
    ["with network", { place: { backend: "docker", isolated: true, network: "bridge" } }, "ask"],
    [
      "with network in auto mode",
      { mode: "auto", place: { backend: "docker", isolated: true, network: "bridge" } },
      "ask",
    ],
  ])("does not count %s", (_, look, decision) => {
    expect(decide(allow("npm test"), "npm test", look)).toBe(decision);
  });

  it("does not lend itself to another tool", () => {
    const policy = createPolicy({ rules: allow("npm test"), workspace: WORKSPACE });
    expect(policy.decide({ ...shellCall("npm test"), tool: "other" }).decision).toBe("ask");
  });

  it("is named in the decision", () => {
    const policy = createPolicy({ rules: allow("npm test"), workspace: WORKSPACE });
    expect(policy.decide(shellCall("npm test"))).toEqual({
      decision: "run",
      rule: "rule user:1: allow shell `npm test`",
    });
  });
});

describe("a rule that denies the start of a command", () => {
  const deny = toRules("user", {
    tool: "shell",
    match: "git push",
    decision: "deny",
    reason: "not from here",
  });

  it.each([
    "git push",
    "git push origin main",
    "/usr/bin/git push",
    "git -C x -c a=b push",
    "ls; git push",
    "ls | git push",
    "echo $(git push)",
    "echo `git push`",
    'echo "$(git push)"',
    "bash -c 'git push'",
    `sh -c "bash -c 'git push'"`,
    "env X=1 git push",
    "sudo git push",
    "if true; then git push; fi",
    "g\\it pu''sh",
    "'git' \"push\"",
    "git${IFS}push",
    "git \\\npush",
    "{git,push}",
    "cat <<E | sh\ngit push\nE",
    "echo 'git push'",
    "GIT push",
  ])("keeps %j from running, in every mode", (command) => {
    for (const mode of ["auto", "normal", "manual"] as const)
      expect(decide(deny, command, { mode })).toBe("refuse");
  });

  it.each(["git status", "git stash push", "gitpush", "git pushx", "echo git; echo push"])(
    "leaves %j alone",
    (command) => {
      expect(decide(deny, command, { mode: "auto" })).toBe("run");
    },
  );

  it("says why, in its own words", () => {
    const policy = createPolicy({ rules: deny, workspace: WORKSPACE });
    expect(policy.decide(shellCall("git push"))).toMatchObject({ decision: "refuse", why: "not from here" });
  });

  it("wins over every rule that allows, in any order and from any layer", () => {
    for (const layer of ["admin", "user", "workspace"] as const) {
      const strict = toRules(layer, { tool: "shell", match: "npm test", decision: "deny" });
      expect(decide([...strict, ...allow("npm test")], "npm test")).toBe("refuse");
      expect(decide([...allow("npm test"), ...strict], "npm test")).toBe("refuse");
    }
  });
});

describe("a rule that asks", () => {
  const ask = toRules("workspace", {
    tool: "shell",
    match: "npm test",
    decision: "ask",
    reason: "it is slow",
  });

  it("makes a call a question that would run", () => {
    expect(decide(ask, "npm test", { mode: "auto" })).toBe("ask");
    expect(decide(ask, "npm run build", { mode: "auto" })).toBe("run");
  });

  it("wins over rules that allow and loses to those that deny, in any order", () => {
    const deny = toRules("user", { tool: "shell", match: "npm", decision: "deny" });
    expect(decide([...allow("npm test"), ...ask], "npm test")).toBe("ask");
    expect(decide([...ask, ...allow("npm test")], "npm test")).toBe("ask");
    expect(decide([...ask, ...deny], "npm test")).toBe("refuse");
    expect(decide([...deny, ...ask], "npm test")).toBe("refuse");
  });

  it("never makes weaker what the mode refuses", () => {
    const bare = { backend: "process", isolated: false, network: "bridge" } as const;
    const look = { mode: "auto", place: bare, preview: { concerns: ["x"], refuseInAuto: true } } as const;
    expect(decide(ask, "npm test", look)).toBe("refuse");
  });

  it("is no question whose answer could be remembered", () => {
    const policy = createPolicy({ rules: ask, workspace: WORKSPACE });
    expect(policy.decide(shellCall("npm test"))).not.toHaveProperty("offer");
  });
});
