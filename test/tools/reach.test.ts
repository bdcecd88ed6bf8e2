import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

let project: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "lmagent-reach-"));
  mkdirSync(join(project, "src/tools/deep"), { recursive: true });
  copyFileSync(join(ROOT, ".oxlintrc.json"), join(project, ".oxlintrc.json"));
});
afterAll(() => rmSync(project, { recursive: true }));

/** The rules that a tool with this code breaks. */
function brokenRules(code: string): string[] {
  const file = "src/tools/deep/tool.ts";
  writeFileSync(join(project, file), `${code}\n`);
  const linter = join(ROOT, "node_modules/oxlint/bin/oxlint");
  const { stdout } = spawnSync(process.execPath, [linter, "--format=unix", file], {
    cwd: project,
    encoding: "utf8",
  });
  return [...stdout.matchAll(/\[Error\/\w+\(([\w-]+)\)\]/g)].map(([, rule]) => rule as string);
}

test.each([
  'export * from "node:fs";',
  'export * from "fs";',
  'export * from "fs/promises";',
  'export * from "node:child_process";',
  'export * from "child_process";',
  'export * from "node:net";',
  'export * from "node:http2";',
  'export * from "node:module";',
  'export * from "node:worker_threads";',
  'export * from "../../workspace/open.ts";',
  'export * from "../../../sandbox/index.ts";',
  'export type { Stats } from "node:fs";',
  'export const fs = await import("node:fs");',
  "export const load = (name: string) => import(name);",
  'export const fs = require("fs");',
  'export const fs = process.binding("fs");',
  'export const fs = process.getBuiltinModule("fs");',
  "export const machine = globalThis.process;",
  "export const machine = global.process;",
  'export const machine = eval("process");',
  'export const machine = new Function("return process")();',
])("a tool may not reach the machine by itself: %s", (code) => {
  expect(brokenRules(code)).not.toEqual([]);
});

test("a tool may use paths and the contracts", () => {
  const imports = ['"node:path"', '"node:crypto"', '"../../core/workspace.ts"', '"../cut-lines.ts"'];
  expect(brokenRules(imports.map((from) => `export * from ${from};`).join("\n"))).toEqual([]);
});
