/** The task of the context benchmark, and a model that knows it by heart: what it says depends on how often it was asked, and on nothing else. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ScriptedCall, WindowedAnswer, WindowedTurn } from "../src/testing/index.ts";

const FILES = 40;
const FILE_BYTES = 3_000;
const EDIT_EVERY = 4;

/** Ten groups: a file of each is edited after its four were read; todos are kept for the halves of the work. */
export const TODOS = [
  "Read parts 1 to 10 and rename what is old in them",
  "Read parts 11 to 20 and rename what is old in them",
  "Read parts 21 to 30 and rename what is old in them",
  "Read parts 31 to 40 and rename what is old in them",
  "Report which parts were changed and why",
];

export const RULES = [
  "Rule: lines that begin with KEEP are never changed, whatever they say.",
  "Another rule: call the new name legacy_total_v2, not total2.",
];

export const FIRST_REQUEST = `Go through all files below parts, in order. Every fourth one has a line with an old name; rename it there. ${RULES[0]}`;

export const SECOND_REQUEST = `One thing more before you go on. ${RULES[1]}`;

const PLAN = planSteps();

/** Requests that end in a call; one more brings the answer. */
export const TURNS = PLAN.length;

export function script({ step, isSummary }: WindowedTurn): WindowedAnswer {
  if (isSummary) return { text: summarise(step) };
  const call = PLAN[step - 1];
  if (call === undefined)
    return { text: "All 40 parts were read, and the old name was replaced in ten of them." };
  return { calls: [{ ...call, id: `call_${step}` }] };
}

/** What a model of some use writes when it is asked where it stands: about 250 tokens. */
function summarise(step: number): string {
  const done = PLAN.slice(0, step).flatMap(({ name, arguments: args }) =>
    name === "edit" && typeof args === "object" ? [String(args["path"])] : [],
  );
  const next = PLAN[step];
  return `Goal: go through all 40 files below parts in order and rename the old name in every fourth one.
Decisions: lines that begin with KEEP stay as they are; the new name follows what the user said last; each file is read before it is edited and the old line is copied exactly.
Files touched: ${done.length === 0 ? "none yet" : done.join(", ")}.
State: ${step} steps are done, all calls so far went well, no test was run since there is none in this folder; the files hold prose about one part each, with figures that play no role in the task.
Next: ${next === undefined ? "report" : `${next.name} ${JSON.stringify(next.arguments).slice(0, 80)}`}.`;
}

function planSteps(): ScriptedCall[] {
  const steps: ScriptedCall[] = TODOS.map((text) => ({ name: "todo_add", arguments: { text } }));
  for (let number = 1; number <= FILES; number += 1) {
    steps.push({ name: "read", arguments: { path: fileName(number) } });
    if (number % EDIT_EVERY === 0) steps.push(editStep(number));
    if (number % (FILES / 4) === 0)
      steps.push({ name: "todo_complete", arguments: { todo_id: number / (FILES / 4) } });
  }
  return steps;
}

function editStep(number: number): ScriptedCall {
  return {
    name: "edit",
    arguments: { path: fileName(number), old: oldLine(number), new: newLine(number) },
  };
}

function fileName(number: number): string {
  return `parts/part-${String(number).padStart(2, "0")}.txt`;
}

function oldLine(number: number): string {
  return `The sum of part ${number} is called old_total_${number} here.`;
}

function newLine(number: number): string {
  return `The sum of part ${number} is called legacy_total_v2 here.`;
}

export function createFiles(workspace: string): void {
  mkdirSync(join(workspace, "parts"));
  for (let number = 1; number <= FILES; number += 1)
    writeFileSync(join(workspace, fileName(number)), toText(number));
}

/** Names of the files that are not as the task wants them. */
export function checkFiles(workspace: string): string[] {
  const wrong: string[] = [];
  for (let number = 1; number <= FILES; number += 1) {
    const before = toText(number);
    const wanted = number % EDIT_EVERY === 0 ? before.replace(oldLine(number), newLine(number)) : before;
    if (readFileSync(join(workspace, fileName(number)), "utf8") !== wanted) wrong.push(fileName(number));
  }
  return wrong;
}

/** Prose of 3 KB in which no two files are alike. */
function toText(number: number): string {
  const lines = [`Part ${number}`, `KEEP old_total_${number} stands for the archive.`, oldLine(number)];
  const bytes = (): number => Buffer.byteLength(lines.join("\n")) + 1;
  for (let row = 1; bytes() < FILE_BYTES - 80; row += 1)
    lines.push(
      `Row ${row} of part ${number}: measured ${(number * 7919 + row * 104_729) % 9973} units, checked twice.`,
    );
  lines.push("x".repeat(Math.max(0, FILE_BYTES - bytes() - 1)));
  return `${lines.join("\n")}\n`;
}
