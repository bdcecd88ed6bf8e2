/** One run of the task of the context benchmark through the command line, and what it falls short of. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import type { AgentEvent } from "../src/core/events.ts";
import type { Message } from "../src/core/message.ts";
import {
  renderMessage,
  startWindowedServer,
  type CountedRequest,
  type WindowedKind,
} from "../src/testing/index.ts";
import {
  checkFiles,
  createFiles,
  FIRST_REQUEST,
  RULES,
  script,
  SECOND_REQUEST,
  TODOS,
} from "./context-task.ts";

const BIN = resolve(import.meta.dirname, "../dist/bin/lmagent.js");
const BYTES_PER_TOKEN = 4;
const INSTRUCTION_TOKENS = 500;
/** The user speaks up in the middle, in a new process that goes on with the session. */
const SPEAKS_UP_AFTER = 25;

interface Goal {
  ratio: number;
  compactions: number;
}

export const GOALS: Readonly<Record<number, Goal>> = {
  8_192: { ratio: 1.6, compactions: 12 },
  32_768: { ratio: 1.25, compactions: 2 },
  65_536: { ratio: 1.02, compactions: 0 },
};

export interface Sample {
  window: number;
  ratio: number;
  transcriptTokens: number;
  evaluatedTokens: number;
  generatedTokens: number;
  requests: number;
  summaries: number;
  compactions: number;
  /** As the agent has told. */
  prefixBreaks: number;
  /** As the server has seen: what it had read was not what came. */
  readAgain: number;
  overflows: number;
  /** What some request after it did not hold any more; empty: nothing. */
  lost: string[];
  /** Files that are not as the task wants them. */
  wrongFiles: string[];
  reason: string;
  wallMs: number;
  problems: string[];
}

export async function measure(window: number, kind: WindowedKind): Promise<Sample> {
  const root = mkdtempSync(join(tmpdir(), "lmagent-bench-"));
  const workspace = join(root, "work");
  mkdirSync(workspace);
  createFiles(workspace);
  const server = await startWindowedServer(script, { contextTokens: window, kind });
  const place = { workspace, home: join(root, "home"), url: server.url };
  try {
    const startedAtMs = performance.now();
    const first = await runAgent(["--max-iterations", String(SPEAKS_UP_AFTER), FIRST_REQUEST], place);
    const requestsBefore = server.counted.length;
    const second = await runAgent(["--continue", SECOND_REQUEST], place);
    const wallMs = performance.now() - startedAtMs;
    const sample = toSample(window, { counted: server.counted, requestsBefore, log: readLog(workspace) });
    const events = [...first, ...second];
    const whole = { ...sample, ...countEvents(events), wallMs, wrongFiles: checkFiles(workspace) };
    return { ...whole, problems: judge(whole) };
  } finally {
    await server.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Place {
  workspace: string;
  home: string;
  url: string;
}

async function runAgent(args: readonly string[], { workspace, home, url }: Place): Promise<AgentEvent[]> {
  const env = {
    ...process.env,
    LMAGENT_HOME: home,
    HOME: join(home, ".."),
    LLM_URL: url,
    WORKSPACE: workspace,
  };
  const child = spawn(process.execPath, [BIN, "--permission", "auto", "--json", ...args], {
    cwd: workspace,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  await new Promise((done) => child.on("close", done));
  return output
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as AgentEvent);
}

interface LogRecord {
  type: string;
  message?: Message;
}

function readLog(workspace: string): LogRecord[] {
  const folder = join(workspace, ".lmagent/sessions");
  const name = readdirSync(folder).find((file) => file.endsWith(".jsonl")) ?? "";
  return readFileSync(join(folder, name), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LogRecord);
}

function toSample(
  window: number,
  {
    counted,
    requestsBefore,
    log,
  }: { counted: readonly CountedRequest[]; requestsBefore: number; log: LogRecord[] },
): Omit<Sample, "wallMs" | "wrongFiles" | "problems" | "compactions" | "prefixBreaks" | "reason"> {
  // All that was ever said; what a compaction puts in its place comes in records of its own. The schemas of the tools are not counted.
  const messages = log.flatMap(({ type, message }) => (type === "message" && message ? [message] : []));
  const bytes = Buffer.byteLength(messages.map(renderMessage).join(""));
  const transcriptTokens = Math.round(bytes / BYTES_PER_TOKEN);
  const evaluatedTokens = sum(counted, ({ evaluatedTokens: tokens }) => tokens);
  return {
    window,
    ratio: evaluatedTokens / transcriptTokens,
    transcriptTokens,
    evaluatedTokens,
    generatedTokens: sum(counted, ({ completionTokens }) => completionTokens),
    requests: counted.length,
    summaries: counted.filter(({ isSummary }) => isSummary).length,
    readAgain: countReadAgain(counted),
    overflows: counted.filter(({ refused }) => refused).length,
    lost: findLost(counted, requestsBefore),
  };
}

/** Requests that did not begin with the whole one before. A summary is asked for on the older part of it, and reads its instruction only. */
function countReadAgain(counted: readonly CountedRequest[]): number {
  const taken = counted.filter(({ refused }) => !refused);
  return taken.filter(({ cachedTokens, evaluatedTokens, isSummary }, index) => {
    const before = taken[index - 1];
    if (before === undefined) return false;
    return isSummary ? evaluatedTokens > INSTRUCTION_TOKENS : cachedTokens < before.promptTokens - 1;
  }).length;
}

/** Words of the user, and todos that the model has written down, which a later request does not hold. */
function findLost(counted: readonly CountedRequest[], requestsBefore: number): string[] {
  const [firstRule = "", secondRule = ""] = RULES;
  const wanted = [
    { text: FIRST_REQUEST, from: 0 },
    { text: firstRule, from: 0 },
    { text: SECOND_REQUEST, from: requestsBefore },
    { text: secondRule, from: requestsBefore },
    ...TODOS.map((text) => {
      // From the request that brings the result of the call that added it.
      const first = counted.findIndex(({ prompt }) => prompt.includes(text));
      return { text, from: first < 0 ? 0 : first };
    }),
  ];
  // A summary is asked for on what it stands for, which may end before the newest words.
  const lacks = ({ isSummary, prompt }: CountedRequest, text: string): boolean =>
    !isSummary && !prompt.includes(text);
  return wanted
    .filter(({ text, from }) => counted.slice(from).some((request) => lacks(request, text)))
    .map(({ text }) => text);
}

function countEvents(events: readonly AgentEvent[]): Pick<Sample, "compactions" | "prefixBreaks" | "reason"> {
  const of = (type: AgentEvent["type"]): number => events.filter((event) => event.type === type).length;
  const last = events.at(-1);
  return {
    compactions: of("context_compacted"),
    prefixBreaks: of("prefix_broken"),
    reason:
      last?.type === "run_finished" ? `${last.reason}${last.message ? `: ${last.message}` : ""}` : "(no end)",
  };
}

/** In words, what a sample falls short of. */
function judge(sample: Omit<Sample, "problems">): string[] {
  const { window, ratio, compactions, prefixBreaks, readAgain, overflows, lost, reason, wrongFiles } = sample;
  const goal = GOALS[window];
  const problems = [
    ...(reason === "done" ? [] : [`ended with ${reason}`]),
    ...(readAgain === prefixBreaks
      ? []
      : [`${readAgain} breaks of the prefix, ${prefixBreaks} of them told`]),
    ...(overflows === 0 ? [] : [`${overflows} overflow answers`]),
    ...lost.map((text) => `lost: ${text.slice(0, 60)}`),
    ...wrongFiles.map((file) => `wrong: ${file}`),
  ];
  if (goal && ratio > goal.ratio) problems.push(`read ${ratio.toFixed(2)} times, goal ${goal.ratio}`);
  if (goal && compactions > goal.compactions)
    problems.push(`${compactions} compactions, goal ${goal.compactions}`);
  return problems;
}

function sum<Item>(items: readonly Item[], pick: (item: Item) => number): number {
  return items.reduce((total, item) => total + pick(item), 0);
}
