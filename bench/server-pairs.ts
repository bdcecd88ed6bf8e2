/** Speed beside llama.cpp's own server, in pairs: whatever else the machine does falls on both. */
import { basename } from "node:path";
import { ask } from "./server-client.ts";
import type { Question, Reading } from "./server-client.ts";
import { startLlamaServer, startOwn } from "./server-subjects.ts";
import type { OwnSubject, Subject } from "./server-subjects.ts";

export interface Row {
  name: string;
  value: number;
  unit: string;
  /** Goals: at least, at most. */
  least?: number;
  most?: number;
  /** What it comes from. */
  detail?: string;
}

export interface PairOptions {
  modelPath: string;
  /** Absent: ours alone. */
  command?: string;
  runs: number;
  /** A tiny model, of which more tokens can be asked for. */
  practice: boolean;
}

const SLOTS = 4;
const CONTEXT_TOKENS = 2048;
const SLICE_TOKENS = 256;

export const LOAD = {
  contextTokens: CONTEXT_TOKENS,
  slots: SLOTS,
  threads: 1,
  gpu: false,
  shrinkToFit: false,
  sliceTokens: SLICE_TOKENS,
} as const;

export async function measurePairs(options: PairOptions): Promise<Row[]> {
  const { modelPath, command } = options;
  const own = await startOwn(modelPath, LOAD);
  const other =
    command === undefined
      ? undefined
      : await startLlamaServer({ command, modelPath, contextTokens: CONTEXT_TOKENS, slots: SLOTS });
  try {
    const subjects = other === undefined ? [own] : [own, other];
    for (const subject of subjects) await ask(subject, fresh("warm", 40, 8));
    const rows: Row[] = [];
    for (const measure of [decode, prefill, cached, concurrent])
      rows.push(...(await measure(subjects, options)));
    const label = basename(modelPath);
    return rows.map((row) => ({ ...row, name: `${label}: ${row.name}` }));
  } finally {
    await own.stop();
    await other?.stop();
  }
}

/** How long a load takes beyond what llama.cpp itself needs, and what the HTTP process holds. */
export async function measureStart({ modelPath, runs }: PairOptions): Promise<Row[]> {
  const starts: OwnSubject[] = [];
  for (let run = 0; run < Math.min(3, runs); run += 1) {
    const own = await startOwn(modelPath, LOAD);
    starts.push(own);
    await own.stop();
  }
  const label = basename(modelPath);
  const added = median(starts.map(({ totalMs, loadMs }) => totalMs - loadMs));
  const load = median(starts.map(({ loadMs }) => loadMs));
  return [
    {
      name: `${label}: a load adds`,
      value: added,
      unit: "ms",
      most: 300,
      detail: `to ${load.toFixed(0)} ms`,
    },
    {
      name: `${label}: HTTP process, idle`,
      value: median(starts.map(({ idleBytes }) => idleBytes)) / 1e6,
      unit: "MB",
      most: 90,
    },
  ];
}

type Subjects = readonly Subject[];

/** The same question to each, taking turns at being first. */
async function inPairs<Result>(
  subjects: Subjects,
  runs: number,
  work: (subject: Subject, run: number) => Promise<Result>,
): Promise<Result[][]> {
  const rounds: Result[][] = [];
  for (let run = 0; run < runs; run += 1) {
    const round: Result[] = [];
    const order = run % 2 === 0 ? subjects : subjects.toReversed();
    for (const subject of order) round[subjects.indexOf(subject)] = await work(subject, run);
    rounds.push(round);
  }
  return rounds;
}

async function decode(subjects: Subjects, { runs, practice }: PairOptions): Promise<Row[]> {
  const maxTokens = practice ? 120 : 48;
  const rounds = await inPairs(subjects, runs, (subject, run) =>
    ask(subject, fresh(`decode ${run}`, 20, maxTokens)),
  );
  const perToken = rounds.map((round) =>
    round.map(({ restMs, completionTokens }) => restMs / (completionTokens - 1)),
  );
  const rows = compare("decode", perToken, { least: 0.95, unit: "tokens/s" });
  if (subjects.length === 1) return rows;
  const added = median(perToken.map(([own = 0, other = 0]) => own - other));
  const same = rounds.filter(([own, other]) => own?.text === other?.text).length;
  const detail = `the same text in ${same} of ${runs}`;
  return [...rows, { name: "decode, added per token", value: added, unit: "ms", most: 0.5, detail }];
}

async function prefill(subjects: Subjects, { runs }: PairOptions): Promise<Row[]> {
  const rounds = await inPairs(subjects, runs, (subject, run) =>
    ask(subject, fresh(`prefill ${run}`, 1000, 1)),
  );
  const perToken = rounds.map((round) =>
    round.map(({ firstMs, promptTokens, cachedTokens }) => firstMs / (promptTokens - cachedTokens)),
  );
  return compare("prefill", perToken, { least: 0.95, unit: "tokens/s" });
}

/** A conversation goes on: all but the newest message was read before. */
async function cached(subjects: Subjects, { runs }: PairOptions): Promise<Row[]> {
  const rounds = await inPairs(subjects, runs, async (subject, run) => {
    const first = fresh(`cached ${run}`, 600, 4);
    const { text } = await ask(subject, first);
    const messages = [
      ...first.messages,
      { role: "assistant" as const, content: text },
      { role: "user" as const, content: words(`more ${run}`, 12) },
    ];
    return ask(subject, { messages, maxTokens: 2 });
  });
  const ratios = rounds.map(([own, other]) => (own as Reading).firstMs / (other?.firstMs ?? Number.NaN));
  const times = subjects.map((_, at) => median(rounds.map((round) => (round[at] as Reading).firstMs)));
  const counts = subjects.map((_, at) => median(rounds.map((round) => (round[at] as Reading).cachedTokens)));
  const detail = `${times.map((ms) => ms.toFixed(1)).join(" / ")} ms, ${counts.join(" / ")} tokens cached`;
  const name = "first token, prefix cached";
  if (subjects.length === 1) return [{ name, value: times[0] ?? 0, unit: "ms", detail }];
  return [{ name: `${name}, ratio`, value: median(ratios), unit: "x", most: 1.15, detail }];
}

async function concurrent(subjects: Subjects, { runs, practice }: PairOptions): Promise<Row[]> {
  const maxTokens = practice ? 100 : 32;
  const rounds = await inPairs(subjects, runs, async (subject, run) => {
    const startedAt = performance.now();
    const asked = Array.from({ length: SLOTS }, (_, at) =>
      ask(subject, fresh(`together ${run} ${at}`, 30, maxTokens)),
    );
    const readings = await Promise.all(asked);
    const tokens = readings.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
    return (performance.now() - startedAt) / tokens;
  });
  return compare(`${SLOTS} at once, in all`, rounds, { least: 0.9, unit: "tokens/s" });
}

/** From ms per token, a number for each subject in each round. */
function compare(
  name: string,
  rounds: readonly (readonly number[])[],
  { least, unit }: { least: number; unit: string },
): Row[] {
  const speed = (at: number): number => 1000 / median(rounds.map((round) => round[at] ?? Number.NaN));
  if (rounds[0]?.length === 1) return [{ name, value: speed(0), unit }];
  const ratio = median(rounds.map(([own = 1, other = 0]) => other / own));
  const detail = `${speed(0).toFixed(1)} / ${speed(1).toFixed(1)} ${unit}`;
  return [{ name: `${name}, ratio`, value: ratio, unit: "x", least, detail }];
}

/** Words that nobody has asked before; about a token a letter. */
function fresh(topic: string, letters: number, maxTokens: number): Question {
  return { messages: [{ role: "user", content: words(topic, letters) }], maxTokens };
}

export function words(topic: string, letters: number): string {
  let state = 7;
  for (const byte of Buffer.from(topic)) state = (state * 31 + byte) >>> 0;
  let text = "";
  while (text.length < letters) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state % 5 === 0 ? " " : String.fromCharCode(97 + ((state >>> 8) % 26));
  }
  return text;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
