/** Says what is wrong with what a request has led to. */
import { posix } from "node:path";
import type { EndReason } from "../../src/core/events.ts";
import type { Todo } from "../../src/core/todo.ts";
import type { FolderState } from "./folder.ts";
import type { Changes, TaskTurn } from "./task.ts";

/** What came of one request. */
export interface Outcome {
  before: FolderState;
  after: FolderState;
  reason: EndReason;
  answer: string;
  /** Calls that the model has made, usable or not. */
  calls: number;
  todos: readonly Todo[];
  /** This and what follows is looked at where the task says something about it, and `undefined` where there is none. */
  commit: string | undefined;
  staged: readonly string[] | undefined;
  committed: readonly string[] | undefined;
}

/** One sentence for each fault; none: solved. `exact`: facts to the letter. */
export function judge(turn: TaskTurn, outcome: Outcome, { exact = false } = {}): string[] {
  const { before, after } = outcome;
  const expected = applyChanges(before, turn.files);
  return [
    ...judgeEnd(outcome),
    ...judgeFiles(expected.files, after.files),
    ...judgeFolders({ before, expected, after }, turn.files),
    ...judgeFacts(turn, outcome.answer, exact ? containsExactly : contains),
    ...judgeCalls(turn, outcome),
    ...judgeTodos(turn, outcome.todos),
    ...judgeCommit(turn, outcome.commit),
    ...judgePaths("staged", turn.staged, outcome.staged),
    ...judgePaths("in the newest commit", turn.committed, outcome.committed),
  ];
}

export function applyChanges({ files, folders }: FolderState, changes: Changes): FolderState {
  const state = { files: new Map(files), folders: new Set(folders) };
  for (const [path, content] of Object.entries(changes)) {
    if (content === null) remove(state, toName(path));
    else if (path.endsWith("/")) addFolder(state.folders, toName(path));
    else {
      state.files.set(path, content);
      addFolder(state.folders, posix.dirname(path));
    }
  }
  return state;
}

function toName(path: string): string {
  return path.replace(/\/$/, "");
}

function addFolder(folders: Set<string>, path: string): void {
  for (let folder = path; folder !== "."; folder = posix.dirname(folder)) folders.add(folder);
}

/** With all that lies below it. */
function remove(
  { files, folders }: { files: Map<string, string>; folders: Set<string> },
  path: string,
): void {
  for (const names of [files, folders])
    for (const name of names.keys()) if (name === path || name.startsWith(`${path}/`)) names.delete(name);
}

function judgeEnd({ reason, answer }: Outcome): string[] {
  if (reason !== "done") return [`the run ended with \`${reason}\``];
  return answer.trim() === "" ? ["there is no answer"] : [];
}

function judgeFiles(expected: FolderState["files"], after: FolderState["files"]): string[] {
  const faults: string[] = [];
  for (const [path, content] of expected) {
    const found = after.get(path);
    if (found === undefined) faults.push(`${path} is missing`);
    else if (!isSameText(found, content)) faults.push(`${path} is ${quote(found)}, not ${quote(content)}`);
  }
  for (const path of after.keys()) if (!expected.has(path)) faults.push(`${path} should not be there`);
  return faults;
}

/** Nobody who asks for a text minds how its last line ends. */
function isSameText(found: string, expected: string): boolean {
  return found.replace(/\n$/, "") === expected.replace(/\n$/, "");
}

interface FolderStates {
  before: FolderState;
  expected: FolderState;
  after: FolderState;
}

function judgeFolders({ before, expected, after }: FolderStates, changes: Changes): string[] {
  const faults: string[] = [];
  for (const folder of expected.folders) {
    if (after.folders.has(folder)) continue;
    // A folder whose last file was to go may go with it.
    const emptied = before.folders.has(folder) && removedBelow(folder, changes) && !holds(expected, folder);
    if (!emptied) faults.push(`the folder ${folder} is missing`);
  }
  for (const folder of after.folders)
    if (!expected.folders.has(folder)) faults.push(`the folder ${folder} should not be there`);
  return faults;
}

function removedBelow(folder: string, changes: Changes): boolean {
  return Object.entries(changes).some(([path, content]) => content === null && path.startsWith(`${folder}/`));
}

function holds({ files }: FolderState, folder: string): boolean {
  return [...files.keys()].some((path) => path.startsWith(`${folder}/`));
}

function judgeFacts({ facts, anyFact }: TaskTurn, answer: string, says: typeof contains): string[] {
  const missing = facts.filter((fact) => !says(answer, fact)).map(quote);
  const groups = anyFact
    .filter((group) => !group.some((fact) => says(answer, fact)))
    .map((group) => group.map(quote).join(" or "));
  return [...missing, ...groups].map((wanted) => `the answer does not say ${wanted}`);
}

/** Cases of letters and breaks of lines do not matter; a number is a whole one, so that 4 is not in 14. */
function contains(answer: string, fact: string): boolean {
  return containsExactly(toPlain(answer), toPlain(fact));
}

function containsExactly(answer: string, fact: string): boolean {
  if (!/^\d+$/.test(fact)) return answer.includes(fact);
  return new RegExp(`(?<!\\d)${fact}(?!\\d)`).test(answer);
}

function toPlain(text: string): string {
  return text.toLowerCase().replace(/\s+/g, " ").trim();
}

function judgeCalls({ calls }: TaskTurn, outcome: Outcome): string[] {
  return calls === 0 && outcome.calls > 0 ? ["there should be no call"] : [];
}

function judgeTodos({ todos }: TaskTurn, found: readonly Todo[]): string[] {
  if (todos === undefined) return [];
  const wanted = todos.map(({ text, done }) => toTodoLine(text, done)).join(", ");
  const list = found.map(({ text, status }) => toTodoLine(text, status === "completed")).join(", ");
  return list === wanted ? [] : [`the todos are ${list || "none"}, not ${wanted || "none"}`];
}

function toTodoLine(text: string, done: boolean): string {
  return `[${done ? "x" : " "}] ${toPlain(text)}`;
}

function judgeCommit({ commit }: TaskTurn, found: string | undefined): string[] {
  if (commit === undefined || found === commit) return [];
  return [`the newest commit is ${found === undefined ? "none" : quote(found)}, not ${quote(commit)}`];
}

function judgePaths(
  where: string,
  wanted: readonly string[] | undefined,
  found: readonly string[] | undefined,
): string[] {
  if (wanted === undefined) return [];
  const paths = toList(found ?? []);
  return paths === toList(wanted) ? [] : [`${paths} is ${where}, not ${toList(wanted)}`];
}

function toList(paths: readonly string[]): string {
  return paths.length === 0 ? "nothing" : paths.toSorted().map(quote).join(", ");
}

function quote(text: string): string {
  return JSON.stringify(text);
}
