/**
 * How well a model drives the agent: tasks go through the real loop with the real tools in folders of their own, and what lies there afterwards and
 * what the answer says is judged. The model is loaded once.
 *
 *   npm run eval:practice                                    the practice model, all of practice-model/tasks
 *   npm run eval:practice -- --tasks FILE... --family edit --limit 20 --misses
 *   npm run eval:practice -- --model FILE.gguf --json out.json
 *   npm run eval:practice -- --server http://127.0.0.1:8080/v1
 */
import { readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Model } from "../src/core/model.ts";
import { createScratch, openAgent, openModel, type Scratch } from "./practice/agent.ts";
import { makeFolder } from "./practice/folder.ts";
import { playTask, type PlayedTask } from "./practice/play.ts";
import { printMisses, printReport, toReport } from "./practice/report.ts";
import { readTasks, type Task } from "./practice/task.ts";

const PRACTICE = resolve(import.meta.dirname, "../practice-model");

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      model: { type: "string", default: join(PRACTICE, "practice.gguf") },
      server: { type: "string" },
      tasks: { type: "string", multiple: true, default: [] },
      family: { type: "string", multiple: true },
      limit: { type: "string" },
      misses: { type: "boolean", default: false },
      json: { type: "string" },
    },
    allowPositionals: true,
  });
  const files = [...values.tasks, ...positionals];
  const limit = toLimit(values.limit);
  const all = (files.length > 0 ? files : ownTasks()).flatMap((file) => readTasks(file));
  const tasks = pick(all, { families: values.family, limit });
  if (tasks.length === 0) throw new Error("No task of these files is to be played.");
  using scratch = createScratch();
  const place = values.server === undefined ? { file: resolve(values.model) } : { server: values.server };
  await using chosen = await openModel(scratch, place);
  // A server that does not answer ends it here.
  const { id, server } = await chosen.model.describe({});
  const played = await playAll(tasks, { scratch, model: chosen.model });
  const report = toReport(played);
  if (values.misses) process.stdout.write(`${printMisses(played)}\n\n`);
  process.stdout.write(`${id} on ${server}\n\n${printReport(report)}\n`);
  if (values.json !== undefined)
    writeFileSync(
      values.json,
      JSON.stringify({ model: id, server, place, ...report, tasks: played }, null, 2),
    );
}

function toLimit(given: string | undefined): number {
  const limit = Number(given ?? Number.POSITIVE_INFINITY);
  if (limit >= 1) return limit;
  throw new Error(`\`--limit ${given}\` must be a number from 1.`);
}

function ownTasks(): string[] {
  const folder = join(PRACTICE, "tasks");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .toSorted()
    .map((name) => join(folder, name));
}

/** At most `limit` of each family of each split. */
function pick(
  tasks: readonly Task[],
  { families, limit }: { families: readonly string[] | undefined; limit: number },
): Task[] {
  const counts = new Map<string, number>();
  return tasks.filter(({ split, family }) => {
    if (families !== undefined && !families.includes(family)) return false;
    const key = `${split}\n${family}`;
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    return count < limit;
  });
}

async function playAll(
  tasks: readonly Task[],
  { scratch, model }: { scratch: Scratch; model: Model },
): Promise<PlayedTask[]> {
  const played: PlayedTask[] = [];
  for (const task of tasks) {
    const workspace = scratch.workspace();
    makeFolder(workspace, task);
    await using agent = await openAgent(scratch, workspace, model);
    played.push(await playTask(task, agent));
    if (process.stderr.isTTY) process.stderr.write(`\r${played.length}/${tasks.length} `);
  }
  if (process.stderr.isTTY) process.stderr.write("\r");
  return played;
}

await main();
