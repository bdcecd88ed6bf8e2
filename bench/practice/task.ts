/** Tasks for a model that drives the agent: what lies in the workspace, what is asked, and what must have come of it. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import * as z from "zod/mini";

/** Text by path; a path that ends with `/` is a folder. */
const files = z.record(z.string(), z.string());
/** As above; `null`: must not exist. */
const changes = z.record(z.string(), z.nullable(z.string()));

const turn = z.object({
  request: z.string(),
  /** How the workspace must differ from what it was before the request; absent: not at all. */
  files: z._default(changes, {}),
  /** What the answer must contain. `{year}` stands for the current year here and below. */
  facts: z._default(z.array(z.string()), []),
  /** Of each group, one. */
  anyFact: z._default(z.array(z.array(z.string())), []),
  /** No call may be made. */
  calls: z.optional(z.literal(0)),
  /** Message that the newest commit must have. */
  commit: z.optional(z.string()),
  /** Paths that must be in the index unlike in the newest commit: all of them and no others. */
  staged: z.optional(z.array(z.string())),
  /** Paths that the newest commit must have touched: all of them and no others. */
  committed: z.optional(z.array(z.string())),
  /** The whole todo list as it must be. */
  todos: z.optional(z.array(z.object({ text: z.string(), done: z.boolean() }))),
});

const task = z.object({
  id: z.string(),
  family: z.string(),
  split: z.optional(z.string()),
  files: z._default(files, {}),
  /** The workspace is a repository, with `files` committed. */
  git: z.optional(z.boolean()),
  /** Done after that commit. */
  changes: z._default(changes, {}),
  /** Answers must contain the facts to the letter; absent: letters in any case, and any white space for a space. */
  exact: z.optional(z.literal(true)),
  turns: z.array(turn).check(z.minLength(1)),
});

export type Changes = z.infer<typeof changes>;
export type TaskTurn = z.infer<typeof turn>;
export type Task = z.infer<typeof task> & { split: string };

/** One task a line. Throws for a line that is none, naming file and line. */
export function readTasks(path: string): Task[] {
  const name = basename(path, ".jsonl");
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line, index) => (line.trim() === "" ? [] : [parseTask(line, `${path}:${index + 1}`, name)]));
}

export function parseTask(line: string, where: string, split: string): Task {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Error(`${where}: ${String(error)}`, { cause: error });
  }
  const parsed = task.safeParse(value);
  if (!parsed.success) throw new Error(`${where}: ${z.prettifyError(parsed.error)}`);
  return { ...parsed.data, split: parsed.data.split ?? split, turns: parsed.data.turns.map(fillIn) };
}

/** Tasks outlive the year in which they were written. */
function fillIn(given: TaskTurn): TaskTurn {
  const year = String(new Date().getFullYear());
  const fill = (fact: string): string => fact.replaceAll("{year}", year);
  return { ...given, facts: given.facts.map(fill), anyFact: given.anyFact.map((group) => group.map(fill)) };
}
