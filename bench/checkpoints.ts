/**
 * What recording a workspace for undo costs before and after a command: the first time, when nothing has changed, when ten files have,
 * and in a new process. Prints medians.
 *
 *   npx tsx bench/checkpoints.ts
 *   npx tsx bench/checkpoints.ts --runs 9 --json
 */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { createCheckpointStore, type FileCheckpoints } from "../src/workspace/index.ts";

const FILES = [0, 1_000, 10_000];
const FILE_BYTES = 3_000;
const IN_A_FOLDER = 50;
const CHANGED = 10;
/** Files younger than this are read twice, which a workspace that somebody works in has few of. */
const REST_MS = 200;

type Figures = Record<string, number[]>;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
  });
  const rows: Record<string, number | string>[] = [];
  for (const files of FILES) {
    const figures: Figures = {};
    for (let run = 0; run < Number(values.runs); run += 1) await measure(files, figures);
    const medians = Object.entries(figures).map(([name, times]) => [name, median(times)] as const);
    rows.push({ files, ...Object.fromEntries(medians) });
  }
  if (values.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else console.table(rows);
}

async function measure(files: number, figures: Figures): Promise<void> {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-bench-checkpoints-")));
  try {
    makeFiles(root, files);
    await pause(REST_MS);
    await using store = createCheckpointStore({ root });
    const note = (name: string, ms: number): void => void (figures[name] ??= []).push(ms);
    await measureCall(store, (when, ms) => note(`first ${when}`, ms));
    await measureCall(store, (when, ms) => note(`again ${when}`, ms));
    const change = (): void => changeFiles(root, files);
    await measureCall(store, (when, ms) => note(`${CHANGED} changed ${when}`, ms), change);
    await pause(REST_MS);
    await store[Symbol.asyncDispose]();
    await using next = createCheckpointStore({ root });
    await measureCall(next, (when, ms) => note(`new process ${when}`, ms));
    note("kept MB", sizeOf(join(root, ".lmagent", "checkpoints")) / 1e6);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function makeFiles(root: string, files: number): void {
  for (let index = 0; index < files; index += 1) {
    const folder = join(root, `folder-${Math.floor(index / IN_A_FOLDER)}`);
    if (index % IN_A_FOLDER === 0) mkdirSync(folder);
    const line = `const value${index} = ${Math.sin(index)}; // some text as it stands in a program\n`;
    writeFileSync(join(folder, `file-${index}.ts`), line.repeat(FILE_BYTES / line.length));
  }
}

function changeFiles(root: string, files: number): void {
  for (let index = 0; index < Math.min(files, CHANGED); index += 1)
    writeFileSync(join(root, "folder-0", `file-${index}.ts`), `changed ${index}\n`.repeat(200));
}

async function measureCall(
  store: FileCheckpoints,
  note: (when: "before" | "after", ms: number) => void,
  work: () => void = () => {},
): Promise<void> {
  const recorder = store.begin();
  // A model answers later than what is loaded while it reads.
  await pause(REST_MS);
  const { signal } = new AbortController();
  const start = performance.now();
  await recorder.before(undefined, { signal });
  note("before", performance.now() - start);
  work();
  const end = performance.now();
  await recorder.after(undefined);
  note("after", performance.now() - end);
}

function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  return Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 100) / 100;
}

await main();
