import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { loadRules, type LoadedRules } from "../../src/permissions/load-rules.ts";
import { createPolicy } from "../../src/permissions/policy.ts";
import { makeFolder, shellCall, toolCall } from "./_policy.ts";

const ALLOW = "rules:\n  - {tool: shell, match: npm test, decision: allow}\n";
const DENY = "rules:\n  - {tool: shell, match: npm publish, decision: deny}\n";

function load(folder: string): Promise<LoadedRules> {
  return loadRules({
    home: join(folder, "home"),
    workspace: join(folder, "project"),
    adminFile: join(folder, "admin", "permissions.yaml"),
  });
}

async function failure(folder: string): Promise<AgentError> {
  const error: unknown = await load(folder).catch((caught: unknown) => caught);
  if (!AgentError.is(error, "config_invalid")) throw new Error("the rules were taken", { cause: error });
  return error;
}

describe("files of rules", () => {
  it("need not be there", async () => {
    expect(await load(makeFolder())).toEqual({ rules: [], warnings: [] });
    expect(await load(makeFolder({ "home/permissions.yaml": "" }))).toEqual({ rules: [], warnings: [] });
    expect(await load(makeFolder({ "home/permissions.yaml": "rules: []" }))).toEqual({
      rules: [],
      warnings: [],
    });
  });

  it("count together, each rule with its layer", async () => {
    const { rules, warnings } = await load(
      makeFolder({
        "admin/permissions.yaml": DENY,
        "home/permissions.yaml": ALLOW,
        "project/.lmagent/permissions.yaml": DENY,
      }),
    );
    expect(rules.map(({ id, decision }) => `${id} ${decision}`)).toEqual([
      "admin:1 deny",
      "user:1 allow",
      "workspace:1 deny",
    ]);
    expect(warnings).toEqual([]);
  });

  it("hold examples that are checked", async () => {
    const file = `rules:
  - tool: shell
    match: git status
    decision: allow
    reason: it only looks
    match_examples: [git status -s, git status && ls]
    not_match_examples: [git statusx, git status; curl x, "git status > f"]
  - tool: read
    match: secrets/**
    decision: deny
    match_examples: [secrets/a, ./secrets/a/b]
    not_match_examples: [src/secrets/a]
  - tool: custom_fetch
    match: https://example.com/*
    decision: allow
    match_examples: ["https://example.com/x"]
    not_match_examples: ["https://example.org/x"]
`;
    expect((await load(makeFolder({ "home/permissions.yaml": file }))).rules).toHaveLength(3);
  });

  it.each([
    ["match: git status\n    decision: allow\n    match_examples: [git status, git commit]", "`git commit`"],
    ["match: git\n    decision: allow\n    match_examples: [git status]", "`git status`"],
    ["match: git status\n    decision: allow\n    not_match_examples: [git status -s]", "`git status -s`"],
    ["match: rm\n    decision: deny\n    match_examples: [echo hi]", "`echo hi`"],
    ["match: rm\n    decision: deny\n    not_match_examples: [bash -c 'rm x']", "`bash -c 'rm x'`"],
  ])("are refused as a whole when an example does not hold: %s", async (rest, example) => {
    const file = `rules:\n  - {tool: read, decision: ask}\n  - tool: shell\n    ${rest}\n`;
    const folder = makeFolder({ "home/permissions.yaml": file });
    const { message } = await failure(folder);
    expect(message).toContain(`Rule 2 of \`${join(folder, "home", "permissions.yaml")}\``);
    expect(message).toContain(example);
  });

  it.each([
    "find . -delete",
    "find . -exec rm",
    "sed -i",
    "git",
    "npm",
    "python3",
    "bash -c",
    "sudo npm test",
    "xargs",
    "cmake -E",
  ])("stop the start when a rule allows %j, which no rule can", async (match) => {
    const file = `rules:\n  - {tool: shell, match: ${match}, decision: allow}\n`;
    expect((await failure(makeFolder({ "home/permissions.yaml": file }))).message).toContain(
      "can never allow",
    );
    const deny = file.replace("allow", "deny");
    expect((await load(makeFolder({ "home/permissions.yaml": deny }))).rules).toHaveLength(1);
  });

  it.each([
    "find",
    "sed",
    "sed -i s/a/b/",
    "tar",
    "make",
    "make -f x.mk",
    "rg --pre ./x",
    "git reset --hard",
    "git checkout",
    "python3 x.py",
    "awk '{print}'",
    "npm run",
    "uniq",
    "go test",
    "cmake --build",
    "gradle test",
    "poetry run pytest",
    "docker ps",
  ])("may allow %j", async (match) => {
    const file = `rules:\n  - tool: shell\n    match: ${match}\n    decision: allow\n`;
    expect((await load(makeFolder({ "home/permissions.yaml": file }))).rules).toHaveLength(1);
  });

  it("are as the documentation shows them", async () => {
    const text = readFileSync(new URL("../../docs/permissions.md", import.meta.url), "utf8");
    const [, example = ""] = /```yaml\n([^]*?)```/.exec(text) ?? [];
    expect((await load(makeFolder({ "home/permissions.yaml": example }))).rules).toHaveLength(4);
  });

  it.each([
    ["what is no YAML", "\nrules: [", "line 2"],
    ["a list", "- tool: shell", "rules:"],
    ["a text", "allow everything", "rules:"],
    ["rules that are no list", "rules: {tool: shell}", "rules:"],
    ["something beside its rules", "rules: []\nmode: auto", "`mode`"],
    ["a rule that is a text", "rules: [allow]", "Rule 1"],
    ["a misspelt field", "rules: [{tool: read, descision: deny}]", "`descision`"],
    ["no decision", "rules: [{tool: read}]", "`decision`"],
    ["an unknown decision", "rules: [{tool: read, decision: allowed}]", '`"allowed"`'],
    ["no tool", "rules: [{decision: deny}]", "`tool`"],
    ["an empty tool", "rules: [{tool: '', decision: deny}]", "`tool`"],
    ["a tool that is a number", "rules: [{tool: 3, decision: deny}]", "`tool`"],
    ["a rule that allows every tool", "rules: [{tool: '*', decision: allow}]", "one tool"],
    ["a rule that allows every command", "rules: [{tool: shell, decision: allow}]", "every command"],
    ["a match of two commands", "rules: [{tool: shell, match: a; b, decision: deny}]", "one plain command"],
    ["a match with a variable", "rules: [{tool: shell, match: a $b, decision: deny}]", "one plain command"],
    ["an empty list of words", "rules: [{tool: shell, match: [], decision: deny}]", "`match`"],
    ["a tool that there is not", "rules: [{tool: bash, decision: deny}]", "shell"],
    ["a pattern that no tool fits", "rules: [{tool: sh_*, decision: deny}]", "shell"],
    ["a tool to allow in other letters", "rules: [{tool: Read, decision: allow}]", "read"],
    ["a rule that allows all tools for files", "rules: [{tool: files, decision: allow}]", "one tool"],
    [
      "a rule that allows any command",
      "rules: [{tool: shell, match: '*', decision: allow}]",
      "every command",
    ],
    ["a pattern in a word", "rules: [{tool: shell, match: rm*, decision: deny}]", "whole words"],
    ["a pattern between words", "rules: [{tool: shell, match: git * push, decision: deny}]", "whole words"],
    ["a pattern in a list", "rules: [{tool: shell, match: [rm, '*'], decision: deny}]", "whole words"],
    [
      "examples that are a text",
      "rules: [{tool: read, decision: deny, match_examples: x}]",
      "`match_examples`",
    ],
    ["a key twice", "rules: [{tool: read, tool: write, decision: deny}]", "no valid YAML"],
    ["a reference", "a: &a [x]\nrules: *a", "references"],
    ["a prototype", "rules: [{tool: read, decision: deny, __proto__: {decision: allow}}]", "`__proto__`"],
    ["a prototype at the top", "rules: []\n__proto__: {rules: []}", "`__proto__`"],
    ["a constructor", "rules: [{tool: read, decision: deny, constructor: x}]", "`constructor`"],
    ["an unknown tag", "rules: !!js/function 'x'", "`"],
    ["too many rules", `rules:\n${"  - {tool: read, decision: ask}\n".repeat(501)}`, "500"],
  ])("stop the start when the user's holds %s", async (_, text, words) => {
    expect((await failure(makeFolder({ "home/permissions.yaml": text }))).message).toContain(words);
    expect((await failure(makeFolder({ "admin/permissions.yaml": text }))).message).toContain(words);
    expect(({} as { decision?: unknown }).decision).toBeUndefined();
  });

  it.each([
    ["is too large", `# ${"x".repeat(1_000_000)}`],
    ["is nested in brackets", `rules: ${"[".repeat(90_000)}`],
    ["is nested in brackets over many lines", "[\n".repeat(45_000)],
    ["is nested in braces", `rules: ${"{a: ".repeat(20_000)}`],
    ["is nested in dashes", `${"- ".repeat(45_000)}x`],
    ["is nested in keys", `${"? ".repeat(45_000)}x`],
    [
      "is nested by indentation",
      Array.from({ length: 420 }, (_, level) => `${" ".repeat(level)}a:`).join("\n"),
    ],
    [
      "grows by references",
      `a0: &a0 [x,x,x]\n${Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n},*a${n},*a${n}]`).join("\n")}`,
    ],
    ["has endless anchors", `rules: ${"&a ".repeat(30_000)}x`],
    ["has many faults", "[]".repeat(45_000)],
    ["has many tags", `rules: ${"! ".repeat(45_000)}x`],
    ["has many keys", Array.from({ length: 12_000 }, (_, n) => `k${n}: 1`).join("\n")],
  ])("are refused soon when one %s", async (_, text) => {
    const started = performance.now();
    await failure(makeFolder({ "home/permissions.yaml": text }));
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it("are refused when they are links, folders, pipes, or not of whom they should be", async () => {
    const link = makeFolder({ "other.yaml": ALLOW, "admin/x": "" });
    symlinkSync(join(link, "other.yaml"), join(link, "admin", "permissions.yaml"));
    expect((await failure(link)).message).toContain("is a link");
    expect((await failure(makeFolder({ "home/permissions.yaml/x": "" }))).message).toContain(
      "no regular file",
    );
    const pipe = makeFolder({ "home/x": "" });
    execFileSync("mkfifo", [join(pipe, "home", "permissions.yaml")]);
    expect((await failure(pipe)).message).toContain("no regular file");
    const shared = makeFolder({ "home/permissions.yaml": ALLOW });
    chmodSync(join(shared, "home", "permissions.yaml"), 0o666);
    expect((await failure(shared)).message).toContain("others than you");
    const open = makeFolder({ "home/permissions.yaml": ALLOW });
    chmodSync(join(open, "home"), 0o777);
    expect((await failure(open)).message).toContain("its folder can be changed by others than you");
  });

  it("of the user may be links to a file that is theirs alone, and lies in no workspace", async () => {
    const toLink = (target: string): string => {
      const folder = makeFolder({ "dotfiles/rules.yaml": ALLOW, "project/rules.yaml": ALLOW, "home/x": "" });
      symlinkSync(join("..", target), join(folder, "home", "permissions.yaml"));
      return folder;
    };
    expect((await load(toLink("dotfiles/rules.yaml"))).rules).toHaveLength(1);
    expect((await failure(toLink("project/rules.yaml"))).message).toContain("is a link into the workspace");
    expect((await failure(toLink("nowhere"))).message).toContain("leads nowhere");
    const round = toLink("project/hop.yaml");
    symlinkSync("../dotfiles/rules.yaml", join(round, "project", "hop.yaml"));
    expect((await failure(round)).message).toContain("is a link into the workspace");
    const loop = toLink("dotfiles/loop.yaml");
    symlinkSync("loop.yaml", join(loop, "dotfiles", "loop.yaml"));
    expect((await failure(loop)).message).toContain("leads nowhere");
    for (const path of ["dotfiles/rules.yaml", "dotfiles"]) {
      const shared = toLink("dotfiles/rules.yaml");
      chmodSync(join(shared, path), 0o777);
      expect((await failure(shared)).message).toContain("others than you");
    }
  });

  it.runIf(process.getuid?.() === 0)("are refused when another user owns the administrator's", async () => {
    const foreign = makeFolder({ "admin/permissions.yaml": ALLOW });
    chownSync(join(foreign, "admin", "permissions.yaml"), 12_345, 12_345);
    expect((await failure(foreign)).message).toContain("others than root");
    const folder = makeFolder({ "admin/permissions.yaml": ALLOW });
    chmodSync(join(folder, "admin"), 0o777);
    expect((await failure(folder)).message).toContain("others than root");
  });
});

describe("the rules of a workspace", () => {
  it("can only make things stricter: what they allow is left out, with a warning", async () => {
    const folder = makeFolder({ "project/.lmagent/permissions.yaml": ALLOW + DENY.replace("rules:\n", "") });
    const { rules, warnings } = await load(folder);
    expect(rules.map(({ decision }) => decision)).toEqual(["deny"]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("Rule 1");
    const policy = createPolicy({ rules, workspace: "/x" });
    expect(policy.decide(shellCall("npm test")).decision).toBe("ask");
    expect(policy.decide(shellCall("npm publish")).decision).toBe("refuse");
  });

  it.each([
    ["cannot be read as rules", (file: string) => writeFileSync(file, "rules: [")],
    [
      "have an example that fails",
      (file: string) => writeFileSync(file, `${ALLOW}    match_examples: [x]\n`),
    ],
    ["are a folder", (file: string) => mkdirSync(file)],
    ["are a link", (file: string) => symlinkSync("/etc/passwd", file)],
  ])("make every call a question when they %s", async (_, make) => {
    const folder = makeFolder({ "project/.lmagent/x": "" });
    make(join(folder, "project", ".lmagent", "permissions.yaml"));
    const { rules, warnings } = await load(folder);
    expect(warnings[0]).toContain("every call is asked about");
    const policy = createPolicy({ rules, workspace: "/x" });
    const read = toolCall("read", { path: "a" }, { access: "read", mode: "auto" });
    expect(policy.decide(read)).toMatchObject({ decision: "ask" });
    expect(policy.decide(shellCall("ls", { mode: "auto" })).decision).toBe("ask");
  });

  it("never quote the text of a file that a link leads to", async () => {
    const folder = makeFolder({ "project/x": "", "elsewhere/permissions.yaml": "secret: [" });
    symlinkSync(join(folder, "elsewhere"), join(folder, "project", ".lmagent"));
    const { warnings } = await load(folder);
    expect(warnings[0]).toContain("link");
    expect(warnings[0]).not.toContain("secret");
  });
});
