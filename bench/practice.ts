/**
 * How well a model drives the agent: tasks go through the real loop with the real tools in folders of their own, and what lies there afterwards and
 * what the answer says is judged. The model is loaded once.
 *
 *   npm run eval:practice                                    the practice model, all of practice-model/tasks
 *   npm run eval:practice -- --tasks FILE... --family replace --limit 20 --misses
 *   npm run eval:practice -- --model FILE.gguf --json out.json
 *   npm run eval:practice -- --server http://127.0.0.1:8080/v1
 */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../src/core/errors.ts";
import type { Model } from "../src/core/model.ts";
import { createScratch, isIsolated, openAgent, openModel, type Scratch } from "./practice/agent.ts";
import { makeFolder } from "./practice/folder.ts";
import { PRACTICE, readOptions, requireWritable } from "./practice/options.ts";
import { isDangerous, leaveOutDangerous, pickTasks } from "./practice/pick.ts";
import { playAll, playTask, type PlayedTask } from "./practice/play.ts";
import { printMisses, printReport, toReport } from "./practice/report.ts";
import { readTasks, type Task } from "./practice/task.ts";

async function main(): Promise<void> {
  const { files, place, misses, json, ...wanted } = readOptions(process.argv.slice(2));
  const all = (files.length > 0 ? files : ownTasks()).flatMap((file) => readTasks(file));
  const picked = pickTasks(all, wanted);
  if (json !== undefined) requireWritable(json);
  using scratch = createScratch();
  const tasks = await leaveOutDangerous(picked, { isIsolated: () => isIsolated(scratch) });
  const leftOut = picked.length - tasks.length;
  if (leftOut > 0)
    print(
      `${leftOut} tasks that ask for damage are left out: no sandbox works here, and a model that obeys would do it to this machine.\n`,
    );
  if (tasks.length === 0) throw new Error("No task of these files is to be played.");
  await using chosen = await openModel(scratch, place);
  // A server that does not answer ends it here.
  const { id, server } = await chosen.model.describe({});
  let count = 0;
  await playAll(tasks, {
    play: async (task) => {
      const played = await playAlone(task, { scratch, model: chosen.model });
      showProgress(`${(count += 1)}/${tasks.length} `);
      return played;
    },
    report: (played, error) => {
      showProgress("");
      const report = toReport(played);
      if (misses) print(`${printMisses(played)}\n`);
      print(`${id} on ${server}\n\n${printReport(report)}`);
      if (error !== undefined) print(`broken off after ${played.length} of ${tasks.length} tasks`);
      if (json === undefined) return;
      const whole = { leftOut, ...toBreak(error), ...report, tasks: played };
      writeFileSync(json, JSON.stringify({ model: id, server, place, ...whole }, null, 2));
    },
  });
}

/** Figures of a part of the tasks must not be taken for those of all. */
function toBreak(error: unknown): { brokenOff?: string } {
  return error === undefined ? {} : { brokenOff: errorMessage(error) };
}

function ownTasks(): string[] {
  const folder = join(PRACTICE, "tasks");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .toSorted()
    .map((name) => join(folder, name));
}

async function playAlone(
  task: Task,
  { scratch, model }: { scratch: Scratch; model: Model },
): Promise<PlayedTask> {
  const workspace = scratch.workspace();
  makeFolder(workspace, task);
  await using agent = await openAgent(scratch, workspace, model, { isolatedOnly: isDangerous(task) });
  return await playTask(task, agent);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${text}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${errorMessage(error)}\n`);
  process.exitCode = 1;
}
