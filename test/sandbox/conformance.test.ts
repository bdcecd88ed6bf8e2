/** One suite for every sandbox of this machine and every kind of user; prints how each case went. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build, type Plugin } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import type { SandboxBackend } from "../../src/core/sandbox.ts";
import { listSandboxCases } from "../../src/testing/sandbox.ts";
import { TESTED_BACKENDS, testUsers, whyUnavailable, type TestUser } from "./_backends.ts";
import type { Outcome } from "./_conformance-process.ts";
import { findTestDocker, listContainersOver } from "./_docker.ts";

const SUITE_TIMEOUT_MS = 400_000;

/** Part of the titles of the cases to run; all without it. */
const ONLY = process.env["LMAGENT_TEST_ONLY"] ?? "";

interface Column {
  backend: SandboxBackend;
  user: TestUser;
  /** Where its processes keep their temporary files. */
  folder: string;
  outcomes: Map<string, Outcome>;
  ended: Promise<string>;
}

const base = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-conformance-")));
chmodSync(base, 0o755);
afterAll(() => rmSync(base, { recursive: true, force: true }));

const script = join(base, "suite.mjs");
const { bundleDocker } = (await import(join(import.meta.dirname, "../../scripts/bundle-docker.mjs"))) as {
  bundleDocker: Plugin;
};
await build({
  entryPoints: [join(import.meta.dirname, "_conformance-process.ts")],
  outfile: script,
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  plugins: [bundleDocker],
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  logLevel: "error",
});

const columns: Column[] = [];
const missing = new Map<SandboxBackend, string>();
const waiting: (() => Promise<void>)[] = [];

for (const backend of TESTED_BACKENDS) {
  const why = await whyUnavailable(backend);
  if (why !== undefined) missing.set(backend, why);
  else for (const user of testUsers(backend)) columns.push(createColumn(backend, user));
}
// Three at a time, also on two cores: much of a suite is waiting.
for (let lane = 0; lane < 3; lane += 1) void runWaiting();

async function runWaiting(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next();
}

function isWanted(title: string): boolean {
  return title.includes(ONLY);
}

function createColumn(backend: SandboxBackend, user: TestUser): Column {
  const folder = mkdtempSync(join(base, `${backend}-`));
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid);
  // Commands of other owners pass through it.
  chmodSync(folder, 0o755);
  const outcomes = new Map<string, Outcome>();
  const ended = new Promise<string>((resolve) => {
    waiting.push(async () => resolve(await runSuite({ backend, user, folder, outcomes })));
  });
  return { backend, user, folder, outcomes, ended };
}

/** Resolves with what the process said beside its outcomes. */
async function runSuite({ backend, user, folder, outcomes }: Omit<Column, "ended">): Promise<string> {
  const { uid, gid, workspaceOwner = "own" } = user;
  const { LMAGENT_TEST_DOCKER, LMAGENT_TEST_IMAGE, PATH } = process.env;
  const child = spawn(process.execPath, [script, backend, String(workspaceOwner)], {
    ...(uid === undefined ? {} : { uid, gid }),
    cwd: folder,
    env: {
      PATH,
      HOME: folder,
      TMPDIR: folder,
      LMAGENT_TEST_DOCKER,
      LMAGENT_TEST_IMAGE,
      LMAGENT_TEST_ONLY: ONLY,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const outcome = JSON.parse(line) as Outcome;
    outcomes.set(outcome.title, outcome);
  });
  const [code] = (await once(child, "close")) as [number | null];
  return `The process of the suite ended with ${code}. ${said.slice(-2_000)}`;
}

describe.each(columns)("sandbox $backend as $user.title", ({ backend, folder, outcomes, ended }) => {
  const cases = listSandboxCases(backend).filter(
    ({ title, exempt }) => exempt === undefined && isWanted(title),
  );
  it.each(cases)("$title", { timeout: SUITE_TIMEOUT_MS }, async ({ title }) => {
    const said = await ended;
    expect(outcomes.get(title)?.error ?? (outcomes.has(title) ? "" : said)).toBe("");
  });

  it("leaves no file and no container", { timeout: SUITE_TIMEOUT_MS }, async () => {
    await ended;
    expect(readdirSync(folder)).toEqual([]);
    const docker = findTestDocker();
    if (typeof docker !== "string") expect(await listContainersOver(folder, docker)).toEqual([]);
  });
});

describe("backends", () => {
  it.for(TESTED_BACKENDS)("%s is there, or missed out loud", (backend, { skip }) => {
    const why = missing.get(backend);
    if (why !== undefined) process.stderr.write(`${backend} is not tested: ${why}\n`);
    skip(why !== undefined && process.env["CI"] !== "true", why);
    expect(why).toBeUndefined();
  });
});

const MARKS = { ok: "ok", failed: "FAILED", exempt: "-" } as const;

afterAll(() => {
  const titles = listSandboxCases("process")
    .map(({ title }) => title)
    .filter(isWanted);
  const width = Math.max(...titles.map(({ length }) => length));
  const lines = [["", ...columns.map((_, index) => String(index + 1))]];
  for (const title of titles) lines.push([title, ...columns.map((column) => toMark(column, title))]);
  const table = lines.map(([title = "", ...marks]) =>
    [title.padEnd(width), ...marks.map((mark) => mark.padEnd(6))].join("  "),
  );
  const legend = columns.map(
    ({ backend, user, outcomes }, index) =>
      `${index + 1}  ${backend}, ${user.title} (${toSeconds(outcomes)} s)`,
  );
  const rest = [...missing].map(([backend, why]) => `   ${backend}: not tested, ${why}`);
  const exempt = TESTED_BACKENDS.flatMap((backend) =>
    [...new Set(listSandboxCases(backend).flatMap((each) => each.exempt ?? []))].map(
      (why) => `-  ${backend}: ${why}`,
    ),
  );
  const seatbelt = "   seatbelt: not tested, it needs macOS";
  process.stdout.write(`\n${[...legend, ...rest, seatbelt, ...exempt, "", ...table].join("\n")}\n`);
});

function toMark({ backend, outcomes }: Column, title: string): string {
  if (listSandboxCases(backend).find((each) => each.title === title)?.exempt !== undefined)
    return MARKS.exempt;
  const outcome = outcomes.get(title);
  return outcome !== undefined && outcome.error === undefined ? MARKS.ok : MARKS.failed;
}

function toSeconds(outcomes: Column["outcomes"]): number {
  return Math.round([...outcomes.values()].reduce((sum, { durationMs }) => sum + durationMs, 0) / 1_000);
}
