import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { messageText, type Message } from "../../src/core/message.ts";
import {
  startWindowedServer,
  type ScriptedCall,
  type WindowedAnswer,
  type WindowedTurn,
  type WireMessage,
} from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent, spawnAgent, type Place } from "./_agent.ts";

const FILES = 300;
const REQUEST =
  "Set the state of every file below items to done. There are many, so keep the state of the job.";
const ANSWER = "All files are done.";
/** The model wants to be finished here, which it is not. */
const EARLY = new Set([60, 61]);

function createFiles(place: Place, count: number): void {
  mkdirSync(join(place.workspace, "items"));
  for (let number = 1; number <= count; number += 1)
    writeFileSync(
      join(place.workspace, `items/${String(number).padStart(3, "0")}.txt`),
      `item ${number}\nstate: new\n`,
    );
}

/** What a careful model does: it goes by the newest message, and looks before it changes what it may have changed before. */
function work({ step, isSummary, body }: WindowedTurn): WindowedAnswer {
  if (isSummary)
    return { text: "Goal: set every file to done. The job state says what is left. Next: go on with it." };
  if (EARLY.has(step)) return { text: ANSWER };
  const messages = body.messages ?? [];
  const results = toNewestResults(messages);
  const [first] = results;
  if (first === undefined)
    return hasJob(messages) ? call("task_state_get", {}) : call("task_state_update", START);
  const next =
    /next: ([^\n]*)/
      .exec(first.text)?.[1]
      ?.match(/items\/\d+\.txt/g)
      ?.slice(0, 3) ?? [];
  switch (first.name) {
    case "task_state_get":
      return next.length === 0
        ? { text: ANSWER }
        : toCalls(next.map((path) => ({ name: "read", arguments: { path } })));
    case "task_state_update":
      return next.length === 0 ? { text: ANSWER } : toCalls(next.map(toEdit));
    case "read": {
      const open = results.filter(({ text }) => text.includes("state: new"));
      return open.length > 0
        ? toCalls(open.map(({ path }) => toEdit(path)))
        : call("task_state_update", toDone(results));
    }
    default:
      return call("task_state_update", toDone(results));
  }
}

const START = { objective: REQUEST, completion_gate: "processed == total", remaining_queue: ["items/*.txt"] };

const hasJob = (messages: readonly WireMessage[]): boolean =>
  messages.some(({ content, tool_calls = [] }) =>
    `${String(content)}${tool_calls.map((made) => made.function.name).join()}`.includes("task_state_update"),
  ) || messages.some(({ content }) => String(content).includes("Task state:"));

const toDone = (results: readonly Result[]): object => ({ done: results.map(({ path }) => path) });
const toEdit = (path: string): ScriptedCall => ({
  name: "edit",
  arguments: { path, old: "state: new", new: "state: done" },
});

let calls = 0;
const toCalls = (made: readonly ScriptedCall[]): WindowedAnswer => ({
  calls: made.map((one) => ({ ...one, id: `call_${(calls += 1)}` })),
});
const call = (name: string, args: object): WindowedAnswer => toCalls([{ name, arguments: { ...args } }]);

interface Result {
  name: string;
  path: string;
  text: string;
}

/** Of the last message with calls; none when something was said since. */
function toNewestResults(messages: readonly WireMessage[]): Result[] {
  const texts: string[] = [];
  for (const message of messages.toReversed()) {
    if (message.role === "tool") texts.unshift(String(message.content).replaceAll("\\n", "\n"));
    else if (message.role !== "assistant" || texts.length === 0) return [];
    else
      return (message.tool_calls ?? []).map(({ function: made }, index) => ({
        name: made.name,
        path: String((JSON.parse(made.arguments) as { path?: string }).path),
        text: texts[index] ?? "",
      }));
  }
  return [];
}

interface LogRecord {
  type: string;
  message?: Message;
}

/** How often each file was edited with success, by the session log. */
function countEdits(place: Place): Map<string, number> {
  const folder = join(place.workspace, ".lmagent/sessions");
  const [name = ""] = readdirSync(folder).filter((file) => file.endsWith(".jsonl"));
  const records = readFileSync(join(folder, name), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as LogRecord)
    .flatMap(({ type, message }) => (type === "message" && message ? [message] : []));
  const edits = new Map(
    records.flatMap((message) =>
      (message.role === "assistant" ? (message.tool_calls ?? []) : []).flatMap(({ id, function: made }) =>
        made.name === "edit" ? [[id, made.arguments] as const] : [],
      ),
    ),
  );
  const counts = new Map<string, number>();
  for (const message of records) {
    const edit = message.role === "tool" ? edits.get(message.tool_call_id) : undefined;
    if (edit === undefined || !messageText(message).startsWith('{"ok":true')) continue;
    const { path } = JSON.parse(edit) as { path: string };
    counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}

/** A kill in the middle of a write may leave the new text beside the file, under a name that is not of the job. */
function unfinished(place: Place): string[] {
  const folder = join(place.workspace, "items");
  const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));
  return names.filter((name) => !readFileSync(join(folder, name), "utf8").endsWith("state: done\n"));
}

describe("a job over many files in a small window", () => {
  it(
    `does each of ${FILES} files once, through compactions, two kills and an early end`,
    { timeout: 120_000 },
    async () => {
      using place = createPlace();
      createFiles(place, FILES);
      let running: ReturnType<typeof spawnAgent> | undefined;
      // In the middle of a request, and in the middle of its calls.
      const kills = new Map([
        [90, 0],
        [141, 8],
      ]);
      await using server = await startWindowedServer(
        (turn) => {
          const afterMs = kills.get(turn.step);
          if (afterMs !== undefined) setTimeout(() => running?.kill("SIGKILL"), afterMs);
          return work(turn);
        },
        { contextTokens: 8_192 },
      );
      for (const task of [[REQUEST], ["--continue", "Go on."]]) {
        running = spawnAgent(["--permission", "auto", "--json", ...task], { place, url: server.url });
        running.stdout?.resume();
        await new Promise((done) => running?.on("close", done));
        expect(running.signalCode).toBe("SIGKILL");
      }
      const run = await runAgent(["--permission", "auto", "--json", "--continue", "Go on."], {
        place,
        url: server.url,
        timeoutMs: 90_000,
      });
      expect(lastEvent(run), run.stderr).toMatchObject({ reason: "done", text: ANSWER });
      expect(unfinished(place)).toEqual([]);
      const counts = countEdits(place);
      expect([...counts.values()].filter((count) => count > 1)).toEqual([]);
      // Calls that a kill interrupted have no result, and were found to be done afterwards.
      expect(counts.size).toBeGreaterThanOrEqual(FILES - 6);
      expect(server.counted.filter(({ refused }) => refused)).toEqual([]);
      expect(run.events.filter(({ type }) => type === "context_compacted")).not.toEqual([]);
      // The request, word for word, in everything that was sent.
      expect(server.counted.filter(({ prompt }) => !prompt.includes(REQUEST))).toEqual([]);
    },
  );

  it("goes on after a kill at every compaction", { timeout: 90_000 }, async () => {
    using place = createPlace();
    createFiles(place, 90);
    await using server = await startWindowedServer(work, { contextTokens: 6_144 });
    let kills = 0;
    for (let done = false; !done && kills < 20;) {
      const agent = spawnAgent(
        ["--permission", "auto", "--json", ...(kills === 0 ? [REQUEST] : ["--continue", "Go on."])],
        { place, url: server.url },
      );
      agent.stdout?.on("data", (text: Buffer) => {
        if (text.includes('"type":"context_compacted"')) agent.kill("SIGKILL");
      });
      await new Promise((closed) => agent.on("close", closed));
      done = agent.signalCode === null;
      if (!done) kills += 1;
      else expect(agent.exitCode).toBe(0);
    }
    expect(kills).toBeGreaterThan(1);
    expect(unfinished(place)).toEqual([]);
    expect([...countEdits(place).values()].filter((count) => count > 1)).toEqual([]);
    expect(server.counted.filter(({ refused }) => refused)).toEqual([]);
    expect(server.counted.filter(({ prompt }) => !prompt.includes(REQUEST))).toEqual([]);
  });

  it("refuses an early end with what is open, and goes on", async () => {
    using place = createPlace();
    createFiles(place, 12);
    await using server = await startWindowedServer(
      (turn) => (turn.step === 4 ? { text: ANSWER } : work(turn)),
      { contextTokens: 8_192 },
    );
    const run = await runAgent(["--permission", "auto", "--json", REQUEST], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({ reason: "done", text: ANSWER });
    expect(unfinished(place)).toEqual([]);
    expect(run.events).toContainEqual(
      expect.objectContaining({ type: "warning", code: "completion_refused" }),
    );
    expect(server.counted[4]?.prompt).toContain(
      "You are not done yet. The job is not done: 3 of 12 processed",
    );
  });

  it("ends as blocked with a model that insists on being done", async () => {
    using place = createPlace();
    createFiles(place, 12);
    await using server = await startWindowedServer(
      (turn) => (turn.step >= 4 ? { text: ANSWER } : work(turn)),
      { contextTokens: 8_192 },
    );
    const run = await runAgent(["--permission", "auto", "--json", REQUEST], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({
      reason: "blocked",
      message: expect.stringContaining("3 of 12 processed"),
    });
    expect(run.code).toBe(3);
    expect(server.counted.length).toBeLessThan(12);
  });
});
