/** Figures of what was played, as text. */
import type { PlayedTask, PlayedTurn } from "./play.ts";

/** Requests of a conversation that get a row of their own, counted from one. */
const POSITIONS = [1, 2, 4, 8];

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
}

export interface Speed {
  firstTokenMs: { median: number; p95: number };
  tokensPerSecond: number;
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
  return POSITIONS.flatMap((position) => {
    const turns = tasks.flatMap((task) => task.turns[position - 1] ?? []);
    const solved = turns.filter(({ faults }) => faults.length === 0).length;
    return turns.length === 0 ? [] : [{ position, turns: turns.length, solved }];
  });
}

function toSpeed(turns: readonly PlayedTurn[]): Speed {
  const waits = turns.flatMap(({ firstTokenMs }) => firstTokenMs).toSorted((a, b) => a - b);
  const at = (share: number): number =>
    waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0;
  const seconds = sum(turns.map(({ decodeMs }) => decodeMs)) / 1000;
  const tokens = sum(turns.map((turn) => turn.tokens));
  return {
    firstTokenMs: { median: at(0.5), p95: at(0.95) },
    tokensPerSecond: seconds === 0 ? 0 : tokens / seconds,
  };
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
    toLine(["request in", "conversation"], ["requests", "solved"]),
    ...positions.map(({ position, turns, solved }) =>
      toLine(["", String(position)], [turns, toPercent(solved, turns)]),
    ),
    "",
    `first token after ${median.toFixed(0)} ms (median), ${p95.toFixed(0)} ms (95 %); ${speed.tokensPerSecond.toFixed(0)} tokens/s`,
  ].join("\n");
}

function toLine(names: readonly [string, string], cells: readonly (string | number)[]): string {
  const [split, family] = names;
  const numbers = cells.map((cell) => String(cell).padStart(10)).join("");
  return `${split.padEnd(12)}${family.padEnd(20)}${numbers}`;
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
