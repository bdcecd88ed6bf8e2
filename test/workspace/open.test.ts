import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openWorkspace } from "../../src/workspace/index.ts";
import { failureOf, openTemporary, read } from "./_fixture.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "lmagent-open-"));
});
afterEach(() => rmSync(base, { recursive: true }));

test("folders that are too wide, missing or no folder are refused with the way out", async () => {
  const home = join(base, "users", "me");
  const stateDir = join(home, ".lmagent");
  mkdirSync(join(stateDir, "models"), { recursive: true });
  writeFileSync(join(base, "file"), "");
  symlinkSync(home, join(base, "alias"));
  const cases: [string, RegExp][] = [
    ["/", /is the whole file system/],
    [home, /is your home folder/],
    [join(base, "alias"), /is your home folder/],
    [join(base, "users"), /holds your home folder/],
    [base, /holds your home folder/],
    [stateDir, /own settings/],
    [join(stateDir, "models"), /own settings/],
    [join(base, "missing"), /does not exist; make the folder first/],
    [join(base, "file"), /is not a folder/],
    [join(base, "file", "below"), /does not exist/],
  ];
  for (const [path, wanted] of cases) {
    const failure = await failureOf(openWorkspace(path, { home, stateDir }));
    expect(failure).toMatch(/^workspace_invalid: /);
    expect(failure).toMatch(wanted);
    expect(failure).toContain(`\`${path}\``);
  }
  expect(
    await failureOf(openWorkspace(join(base, "users"), { home: "/nonexistent/home", stateDir })),
  ).toMatch(/own settings/);
});

test("a link to a project folder is opened where it leads, and both spellings work", async () => {
  await using temporary = await openTemporary({ "a.txt": "inside" });
  const alias = join(temporary.base, "alias");
  symlinkSync(temporary.root, alias);
  await using workspace = await openWorkspace(alias, {
    home: "/nonexistent",
    stateDir: "/nonexistent/state",
  });
  expect(workspace.root).toBe(temporary.root);
  for (const path of [`${alias}/a.txt`, `${temporary.root}/a.txt`])
    expect((await workspace.readText(path, read)).text).toBe("inside");
});

test("a closed workspace refuses, and may be closed twice", async () => {
  await using temporary = await openTemporary({ "a.txt": "inside" });
  await temporary.workspace[Symbol.asyncDispose]();
  expect(await failureOf(temporary.workspace.readText("a.txt", read))).toMatch(
    /workspace_invalid: .* is closed/,
  );
});
