/**
 * What a command in each sandbox costs over a plain child process, what the first command in Docker costs, and what a confined
 * read costs over `fs.readFile`. Prints medians beside their goals.
 *
 *   npm run bench:sandbox
 *   npm run bench:sandbox -- --runs 50 --json
 *   LMAGENT_TEST_DOCKER=/run/docker.sock LMAGENT_TEST_IMAGE=<image> npm run bench:sandbox
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFile, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { build, type Plugin } from "esbuild";
import type { Sandbox } from "../src/core/sandbox.ts";
import { createDockerSandbox } from "../src/sandbox/docker/index.ts";
import { createBubblewrapSandbox, createProcessSandbox, findTrustedBinary } from "../src/sandbox/index.ts";
import { openWorkspace } from "../src/workspace/index.ts";

const WARM_UP = 10;
/** A model takes longer than this between two commands, and what a sandbox makes ready meanwhile is not to meet the next subject. */
const REST_MS = 30;
const FIRST_RUNS = 5;
const READS = 10_000;
const READ_ROUNDS = 40;

interface Row {
  name: string;
  value: number;
  unit: "ms" | "x";
  /** At most this. */
  goal?: number;
  /** Median of the ratios to a plain spawn of the same round. */
  ratioToPlain?: number;
}

interface DockerPlace {
  socketPath: string;
  image: string;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "200" }, json: { type: "boolean", default: false } },
  });
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-bench-sandbox-")));
  try {
    const docker = findDocker();
    const rows = [
      ...(await measureCommands(folder, { runs: Number(values.runs), docker })),
      ...(docker === undefined ? [] : await measureFirst(folder, docker)),
      ...(await measureReads(folder)),
    ];
    if (values.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
    else print(rows);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function findDocker(): DockerPlace | undefined {
  const socketPath = process.env["LMAGENT_TEST_DOCKER"];
  const image = process.env["LMAGENT_TEST_IMAGE"];
  if (socketPath && image) return { socketPath, image };
  process.stderr.write("Without LMAGENT_TEST_DOCKER and LMAGENT_TEST_IMAGE nothing of Docker is measured.\n");
  return undefined;
}

interface Subject {
  name: string;
  goal?: number;
  run: () => Promise<unknown>;
}

/** Every round runs one command in each, so that whatever else the machine does meets all of them. */
async function measureCommands(
  folder: string,
  { runs, docker }: { runs: number; docker: DockerPlace | undefined },
): Promise<Row[]> {
  const open = openSandboxes(folder, docker);
  try {
    const subjects: Subject[] = [
      { name: "plain spawn", run: spawnPlain },
      ...open.map(({ sandbox, goal }) => ({ name: sandbox.backend, goal, run: () => runTrue(sandbox) })),
    ];
    for (let round = 0; round < WARM_UP; round += 1) await timeEach(subjects);
    const rounds: number[][] = [];
    while (rounds.length < runs) rounds.push(await timeEach(subjects));
    const samples = subjects.map((_, index) => rounds.map((round) => round[index] ?? Number.NaN));
    const plain = samples[0] ?? [];
    const rested: Row[] = subjects.map(({ name, goal }, index) => ({
      name: index === 0 ? name : `command in ${name}`,
      value: median(samples[index] ?? []),
      unit: "ms",
      ...(goal === undefined ? {} : { goal }),
      ratioToPlain: median((samples[index] ?? []).map((each, round) => each / (plain[round] ?? Number.NaN))),
    }));
    const hurried: Row[] = [];
    for (const { name, run } of subjects)
      hurried.push({
        name: `${name}, right after one another`,
        value: await timeInRow(run, runs),
        unit: "ms",
      });
    return [...rested, ...hurried];
  } finally {
    for (const { sandbox } of open) await sandbox[Symbol.asyncDispose]();
  }
}

async function timeEach(subjects: readonly Subject[]): Promise<number[]> {
  const elapsed: number[] = [];
  for (const { run } of subjects) {
    await pause(REST_MS);
    elapsed.push(await time(run));
  }
  return elapsed;
}

async function timeInRow(run: () => Promise<unknown>, runs: number): Promise<number> {
  const elapsed: number[] = [];
  while (elapsed.length < runs) elapsed.push(await time(run));
  return median(elapsed);
}

function openSandboxes(
  folder: string,
  docker: DockerPlace | undefined,
): { sandbox: Sandbox; goal: number }[] {
  const makeRoot = (name: string): string => {
    const workspaceRoot = join(folder, name);
    mkdirSync(workspaceRoot);
    return workspaceRoot;
  };
  const open = [{ sandbox: createProcessSandbox({ workspaceRoot: makeRoot("process") }), goal: 3 }];
  const bwrapPath = findTrustedBinary("bwrap", folder);
  if (bwrapPath === undefined) process.stderr.write("bubblewrap is not installed, so it is not measured.\n");
  else {
    const workspaceRoot = makeRoot("bubblewrap");
    open.push({ sandbox: createBubblewrapSandbox({ workspaceRoot, bwrapPath }), goal: 8 });
  }
  if (docker !== undefined) {
    const workspaceRoot = makeRoot("docker");
    open.push({ sandbox: createDockerSandbox({ workspaceRoot, ...docker }), goal: 5 });
  }
  return open;
}

/** The same shell line with the same pipes, and nothing around it. */
async function spawnPlain(): Promise<void> {
  const child = spawn("/bin/sh", ["-c", "true"], { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) stream.resume();
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`\`true\` ended with ${code}`);
}

async function runTrue(sandbox: Sandbox): Promise<void> {
  const { exitCode } = await sandbox.run("true", { onOutput: () => {} });
  if (exitCode !== 0) throw new Error(`\`true\` in ${sandbox.backend} ended with ${exitCode}`);
}

const FIRST_SCRIPT = `
  import { createDockerSandbox } from "./src/sandbox/docker/index.ts";
  const [workspaceRoot, socketPath, image] = process.argv.slice(2);
  const sandbox = createDockerSandbox({ workspaceRoot, socketPath, image });
  const { exitCode } = await sandbox.run("true");
  process.stdout.write(String(exitCode));
  await sandbox[Symbol.asyncDispose]();`;

/** From the start of a fresh process, bundled like the command line, to the result of its first command; no container exists before. */
async function measureFirst(folder: string, docker: DockerPlace): Promise<Row[]> {
  const outdir = join(folder, "first");
  await bundle(FIRST_SCRIPT, outdir);
  const samples: number[] = [];
  const bare: number[] = [];
  for (let run = 0; run <= FIRST_RUNS; run += 1) {
    const workspaceRoot = mkdtempSync(join(folder, "first-"));
    const args = [join(outdir, "stdin.js"), workspaceRoot, docker.socketPath, docker.image];
    const bareMs = await time(async () => execFileSync(process.execPath, ["-e", "0"]));
    const elapsedMs = await timeToResult(args);
    // The first one reads the bundle and the image from the disk.
    if (run > 0) bare.push(bareMs);
    if (run > 0) samples.push(elapsedMs);
  }
  return [
    { name: "bare `node -e 0`", value: median(bare), unit: "ms" },
    {
      name: "first command in docker, from the start of a process",
      value: median(samples),
      unit: "ms",
      goal: 500,
    },
  ];
}

/** Like `scripts/bundle.mjs`. */
async function bundle(contents: string, outdir: string): Promise<void> {
  const part = resolve(import.meta.dirname, "../scripts/bundle-docker.mjs");
  const { bundleDocker } = (await import(part)) as { bundleDocker: Plugin };
  await build({
    stdin: { contents, resolveDir: resolve(import.meta.dirname, "..") },
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    minify: true,
    plugins: [bundleDocker],
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    logLevel: "error",
  });
  writeFileSync(join(outdir, "package.json"), '{"type":"module"}');
}

async function timeToResult(args: readonly string[]): Promise<number> {
  const startedAtMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const [said] = (await Promise.race([once(child.stdout, "data"), closed])) as [unknown];
  const elapsedMs = performance.now() - startedAtMs;
  await closed;
  if (String(said) !== "0") throw new Error(`the first command in docker ended with ${String(said)}`);
  return elapsedMs;
}

/** Both read and decode; a round reads the same file in one and then in the other, in turns first. */
async function measureReads(folder: string): Promise<Row[]> {
  const root = join(folder, "reads");
  const rows: Row[] = [];
  mkdirSync(join(root, "src/deep"), { recursive: true });
  await using workspace = await openWorkspace(root, {
    home: join(folder, "home"),
    stateDir: join(folder, "state"),
  });
  for (const path of ["notes.txt", "src/deep/notes.txt"]) {
    const file = join(root, path);
    writeFileSync(file, "a line of thirty-two characters\n".repeat(32));
    const confined = async () => (await workspace.readText(path, { maxBytes: 100_000 })).text.length;
    const plain = () => readPlain(file);
    rows.push(...(await compareReads(path, { confined, plain })));
  }
  return rows;
}

async function compareReads(
  path: string,
  { confined, plain }: Record<"confined" | "plain", () => Promise<number>>,
): Promise<Row[]> {
  const sums: { confined: number; plain: number }[] = [];
  for (let round = -2; round < READ_ROUNDS; round += 1) {
    const sum = { confined: 0, plain: 0 };
    const order = round % 2 === 0 ? (["plain", "confined"] as const) : (["confined", "plain"] as const);
    for (const which of order) sum[which] = await time(() => readMany(which === "plain" ? plain : confined));
    if (round >= 0) sums.push(sum);
  }
  const perRead = READS / READ_ROUNDS;
  return [
    { name: `fs.readFile of \`${path}\``, value: median(sums.map((sum) => sum.plain)) / perRead, unit: "ms" },
    { name: "  the same, confined", value: median(sums.map((sum) => sum.confined)) / perRead, unit: "ms" },
    {
      name: "  times fs.readFile",
      value: median(sums.map((sum) => sum.confined / sum.plain)),
      unit: "x",
      goal: 1.6,
    },
  ];
}

async function readMany(read: () => Promise<number>): Promise<void> {
  for (let count = 0; count < READS / READ_ROUNDS; count += 1) {
    if ((await read()) !== 1_024) throw new Error("a read gave another length than 1 KB");
  }
}

function readPlain(file: string): Promise<number> {
  return new Promise((done, failed) => {
    readFile(file, "utf8", (error, text) => (error === null ? done(text.length) : failed(error)));
  });
}

async function time(run: () => Promise<unknown>): Promise<number> {
  const startedAtMs = performance.now();
  await run();
  return performance.now() - startedAtMs;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function print(rows: readonly Row[]): void {
  for (const { name, value, unit, goal, ratioToPlain } of rows) {
    const shown =
      unit === "x" ? value.toFixed(2) : `${value.toFixed(value < 1 ? 3 : value < 100 ? 2 : 0)} ms`;
    const ratio = ratioToPlain === undefined ? "" : `${ratioToPlain.toFixed(2)} x plain`;
    const goalText =
      goal === undefined ? "" : `${value <= goal ? "meets" : "MISSES"} ${goal}${unit === "ms" ? " ms" : ""}`;
    process.stdout.write(
      `${`${name.padEnd(54)} ${shown.padStart(10)}   ${ratio.padEnd(14)} ${goalText}`.trimEnd()}\n`,
    );
  }
}

await main();
