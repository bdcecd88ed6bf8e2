/**
 * What a session log costs: opening one of 10,000 records in a fresh process, taking a request back, and appending while it grows. Prints
 * medians beside their goals; the exit code is 1 when one is missed.
 *
 *   npm run bench:sessions
 *   npm run bench:sessions -- --runs 9 --json
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { build } from "esbuild";
import type { SessionEntry } from "../src/core/session.ts";
import { createJsonlSessionStore } from "../src/sessions/index.ts";

const RECORDS = 10_000;
const TURNS_PER_REQUEST = 8;
/** Compared are the appends at the beginning, where all is warm, with those at the end. */
const SAMPLE = 1_000;

interface Row {
  name: string;
  value: number;
  unit: "ms" | "MB" | "x";
  /** At most this. */
  goal?: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "5" }, json: { type: "boolean", default: false } },
  });
  const workspace = mkdtempSync(join(tmpdir(), "lmagent-bench-sessions-"));
  try {
    const folder = join(workspace, "sessions");
    const { id, rows } = await measureAppends(folder);
    const all = [...(await measureOpening(folder, id, Number(values.runs))), ...rows];
    if (values.json) process.stdout.write(`${JSON.stringify(all)}\n`);
    else print(all);
    if (all.some(({ value, goal }) => goal !== undefined && value > goal)) process.exitCode = 1;
  } finally {
    rmSync(workspace, { recursive: true, force: true });
  }
}

/** Writes the log record by record, as an agent does. */
async function measureAppends(folder: string): Promise<{ id: string; rows: Row[] }> {
  const store = createJsonlSessionStore({
    folder,
    makeFolder: async () => mkdirSync(folder, { recursive: true }),
    workspace: "/workspace",
    now: () => Date.now(),
    newId: () => Math.random().toString(36).slice(2).padEnd(6, "0"),
    version: "0.0.0",
  });
  await using session = await store.create();
  const times: number[] = [];
  let early = 0;
  for (const entry of createEntries()) {
    const startedAt = performance.now();
    await session.append(entry);
    times.push(performance.now() - startedAt);
    if (times.length === SAMPLE) early = usedHeapMb();
    if (times.length === RECORDS) break;
  }
  const kept = usedHeapMb() - early;
  const first = median(times.slice(SAMPLE / 2, SAMPLE + SAMPLE / 2));
  const last = median(times.slice(-SAMPLE));
  return {
    id: session.id,
    rows: [
      { name: "append to a short log", value: first, unit: "ms" },
      { name: `append behind ${RECORDS} records`, value: last, unit: "ms" },
      { name: "the second as a multiple of the first", value: last / first, unit: "x", goal: 1.5 },
      { name: `memory kept by ${RECORDS - SAMPLE} appends`, value: kept, unit: "MB", goal: 1 },
    ],
  };
}

function usedHeapMb(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed / 1e6;
}

/** Requests with replies, calls and results of 1 to 3 KB each, and what else is stored meanwhile. */
function* createEntries(): Generator<SessionEntry> {
  yield { type: "message", message: { role: "system", content: toText(0, 3_000) } };
  for (let number = 1; ; number += 1) {
    yield { type: "run_started", model: "qwen3-8b" };
    yield { type: "message", message: { role: "user", content: toText(number, 1_000) } };
    for (let turn = 0; turn < TURNS_PER_REQUEST; turn += 1) yield* createTurn(number, turn);
    yield { type: "todos", todos: [{ id: 1, text: "read the files", status: "completed" }] };
    yield { type: "message", message: { role: "assistant", content: toText(number, 1_500) } };
    yield { type: "run_finished", reason: "done" };
  }
}

function* createTurn(request: number, turn: number): Generator<SessionEntry> {
  const id = `call_${request}_${turn}`;
  const text = toText(turn, 500 + ((request * 37) % 500));
  const args = JSON.stringify({ path: `src/module-${turn}.ts`, old: text, new: text });
  const tool_calls = [{ id, type: "function" as const, function: { name: "edit", arguments: args } }];
  yield {
    type: "message",
    message: { role: "assistant", content: null, reasoning_content: text, tool_calls },
  };
  const output = toText(turn, 1_000 + ((request * 41) % 2_000));
  const content = JSON.stringify({ ok: true, output });
  yield { type: "message", message: { role: "tool", tool_call_id: id, content } };
}

/** What is read is mostly ASCII, and now and then it is not. */
const LINES = ["runs", "läuft"].map(
  (name) => `const value = { name: "${name}", parts: ["a", "b"] }; // as it stands\n\tif (value) return;\n`,
);

function toText(number: number, length: number): string {
  const line = LINES[number % LINES.length] ?? "";
  return `${number}: ${line.repeat(Math.ceil(length / line.length))}`.slice(0, length);
}

interface Sample {
  openMs: number;
  undoMs: number;
}

/** In fresh processes, since a session is opened once in each. */
async function measureOpening(folder: string, id: string, runs: number): Promise<Row[]> {
  const program = join(folder, "..", "open.mjs");
  await build({
    entryPoints: [join(import.meta.dirname, "open-session.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "error",
  });
  const bytes = statSync(join(folder, `${id}.jsonl`)).size;
  const samples = Array.from(
    { length: runs },
    () => JSON.parse(execFileSync(process.execPath, [program, folder, id], { encoding: "utf8" })) as Sample,
  );
  return [
    { name: "size of the file", value: bytes / 1e6, unit: "MB" },
    {
      name: `open ${RECORDS} records`,
      value: median(samples.map(({ openMs }) => openMs)),
      unit: "ms",
      goal: 250,
    },
    { name: "take a request back", value: median(samples.map(({ undoMs }) => undoMs)), unit: "ms" },
  ];
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function print(rows: readonly Row[]): void {
  for (const { name, value, unit, goal } of rows) {
    const number = value.toFixed(unit === "ms" && value < 10 ? 3 : 1);
    process.stdout.write(
      `${name.padEnd(40)} ${number.padStart(10)} ${unit}${goal === undefined ? "" : `   (goal: at most ${goal})`}\n`,
    );
  }
}

await main();
