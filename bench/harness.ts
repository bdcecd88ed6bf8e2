/**
 * How much the harness itself costs, against a scripted server: five turns with one shell call each, then an answer. Prints medians.
 *
 *   npm run bench:harness                                    our own command line
 *   npm run bench:harness -- --runs 9
 *   npm run bench:harness -- -- codex exec '{task}'          any other; {url}, {task} and {workspace} are filled in
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { callReply, startScriptedServer, textReply, type RecordedRequest } from "../src/testing/index.ts";

const TURNS = 5;
const TASK = "Run the checks five times and say how it went.";
const COMMAND = "sleep 0.001";

interface Sample {
  bareNodeMs: number;
  firstRequestMs: number;
  /** From the end of an answer to the next request, the command in between included. */
  turnMs: number;
  /** The same without the time of the tool itself, where the command reports it. */
  ownTurnMs: number | undefined;
  memoryMb: number;
  processorS: number;
  wholeMs: number;
  promptBytes: number;
  bodyBytes: number;
  changedPrefixBytes: number;
}

interface Case {
  name: string;
  command: readonly string[];
  resume?: readonly string[];
}

const BIN = resolve(import.meta.dirname, "../dist/bin/lmagent.js");
const OWN = [process.execPath, BIN, "--base-url", "{url}", "--permission", "auto", "--json"];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { runs: { type: "string", default: "5" } },
    allowPositionals: true,
  });
  const runs = Number(values.runs);
  const cases: Case[] =
    positionals.length > 0
      ? [{ name: positionals[0] as string, command: positionals }]
      : [
          {
            name: "lmagent, bubblewrap",
            command: [...OWN, "{task}"],
            resume: [...OWN, "--continue", "{task}"],
          },
          {
            name: "lmagent, process",
            command: [...OWN, "--sandbox", "process", "--allow-unsandboxed", "{task}"],
            resume: [...OWN, "--sandbox", "process", "--allow-unsandboxed", "--continue", "{task}"],
          },
        ];
  for (const item of cases) {
    await measure(item);
    const samples: Sample[] = [];
    for (let run = 0; run < runs; run += 1) samples.push(await measure(item));
    print(item.name, samples);
  }
}

async function measure({ command, resume }: Case): Promise<Sample> {
  const root = mkdtempSync(join(tmpdir(), "lmagent-bench-"));
  const workspace = join(root, "work");
  mkdirSync(workspace);
  const script = (_request: RecordedRequest, chat: number) =>
    chat % (TURNS + 1) === 0
      ? textReply("All five went well.")
      : callReply([{ name: "shell", arguments: { command: `${COMMAND} # ${chat}` } }]);
  const server = await startScriptedServer(script);
  const fill = (word: string) =>
    word.replace("{url}", server.url).replace("{task}", TASK).replace("{workspace}", workspace);
  const place = { cwd: workspace, home: join(root, "home") };
  try {
    const bareNodeMs = (await runProcess([process.execPath, "-e", "0"], place)).wholeMs;
    const startedAtMs = performance.now();
    const run = await runProcess(command.map(fill), place);
    const first = [...server.chats];
    if (first.length < TURNS + 1) throw new Error(`only ${first.length} requests came:\n${run.output}`);
    if (resume) await runProcess(resume.map(fill), place);
    return {
      bareNodeMs,
      ...run,
      ...toTurnTimes(first, run.output),
      firstRequestMs: (first[0]?.atMs ?? 0) - startedAtMs,
      ...toPromptBytes(server.chats),
    };
  } finally {
    await server.close();
    rmSync(root, { recursive: true, force: true });
  }
}

function toTurnTimes(
  chats: readonly RecordedRequest[],
  output: string,
): Pick<Sample, "turnMs" | "ownTurnMs"> {
  const gaps = chats.slice(1, TURNS + 1).map(({ atMs }, index) => atMs - (chats[index]?.repliedAtMs ?? atMs));
  const tools = [...output.matchAll(/"type":"tool_finished".*?"durationMs":([\d.]+)/g)].map((match) =>
    Number(match[1]),
  );
  // The first call also looks for a sandbox; the median leaves it out.
  const own =
    tools.length === gaps.length ? median(gaps.map((gap, index) => gap - (tools[index] ?? 0))) : undefined;
  return { turnMs: median(gaps), ownTurnMs: own };
}

interface ChatBody {
  messages?: { role: string; content: unknown }[];
  tools?: unknown;
}

function toPromptBytes(
  chats: readonly RecordedRequest[],
): Pick<Sample, "promptBytes" | "bodyBytes" | "changedPrefixBytes"> {
  const bodies = chats.map(({ json }) => json as ChatBody);
  const [first] = bodies;
  const system = (first?.messages ?? []).filter(({ role }) => role === "system" || role === "developer");
  let changed = 0;
  for (const [index, body] of bodies.slice(1).entries()) {
    const before = bodies[index];
    const sent = JSON.stringify([before?.tools, before?.messages]).slice(0, -2);
    const now = JSON.stringify([body.tools, body.messages]);
    if (!now.startsWith(sent)) changed += sent.length - commonLength(sent, now);
  }
  return {
    promptBytes: Buffer.byteLength(JSON.stringify(system) + JSON.stringify(first?.tools ?? [])),
    bodyBytes: Buffer.byteLength(chats[0]?.body ?? ""),
    changedPrefixBytes: changed,
  };
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}

interface ProcessRun {
  wholeMs: number;
  memoryMb: number;
  processorS: number;
  output: string;
}

async function runProcess(
  [file = "", ...args]: readonly string[],
  { cwd, home }: { cwd: string; home: string },
): Promise<ProcessRun> {
  const startedAtMs = performance.now();
  const env = { ...process.env, LMAGENT_HOME: home, NO_COLOR: "1" };
  const child = spawn(file, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  let usage = { memoryMb: 0, processorS: 0 };
  const poll = setInterval(() => (usage = readUsage(child.pid ?? 0) ?? usage), 4);
  await new Promise((done) => child.on("close", done));
  clearInterval(poll);
  return { wholeMs: performance.now() - startedAtMs, ...usage, output };
}

/** Peak memory of the process and processor time of it and its ended children, from /proc; Linux only. */
function readUsage(pid: number): { memoryMb: number; processorS: number } | undefined {
  try {
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return peak === undefined ? undefined : { memoryMb: Number(peak) / 1024, processorS: ticks / 100 };
  } catch {
    return undefined;
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function print(name: string, samples: readonly Sample[]): void {
  const of = (pick: (sample: Sample) => number | undefined) =>
    median(samples.map((sample) => pick(sample) ?? Number.NaN));
  const rows: [string, string, string][] = [
    ["bare `node -e 0`", `${of((s) => s.bareNodeMs).toFixed(0)} ms`, ""],
    ["start to first request", `${of((s) => s.firstRequestMs).toFixed(0)} ms`, "150 ms"],
    ["  times bare node", of((s) => s.firstRequestMs / s.bareNodeMs).toFixed(2), "2.2"],
    ["answer to next request, with the command", `${of((s) => s.turnMs).toFixed(1)} ms`, ""],
    [
      "answer to next request, without it",
      `${of((s) => s.ownTurnMs).toFixed(1)} ms`,
      "5 ms with a tool of 1 ms",
    ],
    ["peak memory", `${of((s) => s.memoryMb).toFixed(0)} MB`, "70 MB"],
    ["processor time", `${of((s) => s.processorS).toFixed(2)} s`, "0.3 s"],
    ["whole run", `${of((s) => s.wholeMs).toFixed(0)} ms`, ""],
    ["system message and tools", `${of((s) => s.promptBytes)} bytes`, "7000 bytes"],
    ["first request", `${of((s) => s.bodyBytes)} bytes`, ""],
    ["changed prefix, run and resume", `${of((s) => s.changedPrefixBytes)} bytes`, "0"],
  ];
  process.stdout.write(`\n${name} (median of ${samples.length})\n`);
  for (const [label, value, goal] of rows)
    process.stdout.write(`  ${label.padEnd(42)} ${value.padStart(12)}   ${goal && `goal ${goal}`}\n`);
}

await main();
