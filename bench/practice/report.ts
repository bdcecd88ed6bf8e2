/** Figures of what was played, as text. */
import type { PlayedTask, PlayedTurn } from "./play.ts";

/** Requests of a conversation that get a row of their own, counted from one. */
const POSITIONS = [1, 2, 4, 8];
/** Shorter ones would make the first rows those of other tasks than the last. */
const LONG_REQUESTS = 8;

export interface Row {
  split: string;
  /** `all`: of the whole split. */
  family: string;
  tasks: number;
  solved: number;
  calls: number;
  malformed: number;
  unwanted: number;
}

export interface PositionRow {
  position: number;
  turns: number;
  solved: number;
  /** Median of what these requests began with; absent where the server does not count. */
  promptTokens: number | undefined;
}

export interface Speed {
  /** Absent here and below: nothing to say it of. */
  firstTokenMs: { median: number | undefined; p95: number | undefined };
  tokensPerSecond: number | undefined;
}

export interface Report {
  rows: readonly Row[];
  positions: readonly PositionRow[];
  speed: Speed;
}

export function toReport(tasks: readonly PlayedTask[]): Report {
  const turns = tasks.flatMap((task) => task.turns);
  return { rows: toRows(tasks), positions: toPositions(tasks), speed: toSpeed(turns) };
}

function toRows(tasks: readonly PlayedTask[]): Row[] {
  return [...groupBy(tasks, ({ split }) => split)].flatMap(([split, all]) => [
    ...[...groupBy(all, ({ family }) => family)].map(([family, some]) => toRow(split, family, some)),
    toRow(split, "all", all),
  ]);
}

function toRow(split: string, family: string, tasks: readonly PlayedTask[]): Row {
  const turns = tasks.flatMap((task) => task.turns);
  return {
    split,
    family,
    tasks: tasks.length,
    solved: tasks.filter(({ solved }) => solved).length,
    calls: sum(turns.map(({ calls }) => calls.length)),
    malformed: sum(turns.map(({ malformed }) => malformed)),
    unwanted: sum(turns.map(({ unwanted }) => unwanted)),
  };
}

function toPositions(tasks: readonly PlayedTask[]): PositionRow[] {
  const long = tasks.filter(({ turns }) => turns.length >= LONG_REQUESTS);
  if (long.length === 0) return [];
  return POSITIONS.map((position) => {
    const turns = long.flatMap((task) => task.turns[position - 1] ?? []);
    const solved = turns.filter(({ faults }) => faults.length === 0).length;
    const tokens = turns.flatMap(({ promptTokens }) => promptTokens ?? []);
    return { position, turns: turns.length, solved, promptTokens: atShare(tokens, 0.5) };
  });
}

function toSpeed(turns: readonly PlayedTurn[]): Speed {
  const waits = turns.flatMap(({ firstTokenMs }) => firstTokenMs);
  const seconds = sum(turns.map(({ decodeMs }) => decodeMs)) / 1000;
  const tokens = sum(turns.map((turn) => turn.tokens));
  return {
    firstTokenMs: { median: atShare(waits, 0.5), p95: atShare(waits, 0.95) },
    tokensPerSecond: seconds === 0 ? undefined : tokens / seconds,
  };
}

function atShare(numbers: readonly number[], share: number): number | undefined {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)];
}

function groupBy<Item>(items: readonly Item[], key: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

export function printReport({ rows, positions, speed }: Report): string {
  const { median, p95 } = speed.firstTokenMs;
  return [
    toLine(["split", "family"], ["tasks", "solved", "calls", "malformed", "unwanted"]),
    ...rows.map(({ split, family, tasks, solved, calls, malformed, unwanted }) =>
      toLine(
        [split, family],
        [tasks, toPercent(solved, tasks), calls, toPercent(malformed, calls), unwanted],
      ),
    ),
    "",
    ...printPositions(positions),
    `first token after ${toRounded(median)} ms (median), ${toRounded(p95)} ms (95 %); ${toRounded(speed.tokensPerSecond)} tokens/s`,
  ].join("\n");
}

function printPositions(positions: readonly PositionRow[]): string[] {
  if (positions.length === 0) return [];
  return [
    toLine(["request in", "conversation"], ["requests", "solved", "prompt"]),
    ...positions.map(({ position, turns, solved, promptTokens }) =>
      toLine(["", String(position)], [turns, toPercent(solved, turns), toRounded(promptTokens)]),
    ),
    "",
  ];
}

function toRounded(number: number | undefined): string {
  return number?.toFixed(0) ?? "-";
}

function toLine(names: readonly [string, string], cells: readonly (string | number)[]): string {
  const [split, family] = names;
  const numbers = cells.map((cell) => String(cell).padStart(10)).join("");
  return `${split.padEnd(14)}${family.padEnd(20)}${numbers}`;
}

function toPercent(part: number, whole: number): string {
  return whole === 0 ? "-" : `${((100 * part) / whole).toFixed(1)} %`;
}

/** Each request that came out wrong: what was asked, what is wrong, what the model did. */
export function printMisses(tasks: readonly PlayedTask[]): string {
  return tasks
    .filter(({ solved }) => !solved)
    .flatMap(({ id, split, turns }) =>
      turns.flatMap((turn, index) =>
        turn.faults.length === 0 ? [] : printMiss(`${split}/${id}, request ${index + 1}`, turn),
      ),
    )
    .join("\n");
}

function printMiss(where: string, { request, faults, calls, answer }: PlayedTurn): string[] {
  return [
    `${where}: ${request}`,
    ...faults.map((fault) => `    wrong:  ${fault}`),
    ...calls.map((call) => `    call:   ${call}`),
    `    answer: ${JSON.stringify(answer)}`,
  ];
}
