import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyCompaction } from "../../src/core/compaction.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { run } from "../../src/core/loop.ts";
import { messageText, type Message } from "../../src/core/message.ts";
import type { ModelReply, ModelRequest } from "../../src/core/model.ts";
import type { Session, SessionEntry } from "../../src/core/session.ts";
import { describeOpenWork, describeState } from "../../src/core/state-note.ts";
import { toTaskStateRecord } from "../../src/core/task-state-record.ts";
import type { TaskState } from "../../src/core/task-state.ts";
import type { Workspace } from "../../src/core/workspace.ts";
import { createMemorySessionStore } from "../../src/sessions/index.ts";
import { createScriptedModel, scriptedCall, type ScriptedReply } from "../../src/testing/scripted-model.ts";
import { createTaskStateGetTool } from "../../src/tools/task-state-get.ts";
import { createTaskStateHolder } from "../../src/tools/task-state-holder.ts";
import { createTaskStateUpdateTool } from "../../src/tools/task-state-update.ts";
import { openWorkspace } from "../../src/workspace/index.ts";
import { allowAll, textTool } from "./_run.ts";

const FILES = 300;
const REQUEST = "Convert every file below in/, each of them exactly once.";

let workspace: Workspace;
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(await realpath(tmpdir()), "lmagent-batch-"));
  mkdirSync(join(root, "in"));
  for (let index = 0; index < FILES; index += 1)
    writeFileSync(join(root, `in/${String(index).padStart(3, "0")}.txt`), "text");
  workspace = await openWorkspace(root, { home: "/nonexistent", stateDir: "/nonexistent/state" });
});

afterAll(async () => {
  await workspace[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

/** Knows only what stands in the request, forgets nothing else, and now and then believes to be done. */
class ForgetfulModel {
  #replies = 0;

  answer({ messages, toolChoice }: ModelRequest): Partial<ModelReply> {
    if (toolChoice === "none") return { text: "Goal: convert the files. State: see the task state." };
    this.#replies += 1;
    const last = messages.at(-1) as Message;
    const text = messageText(last);
    if (this.#replies % 40 === 0) return { text: "All files are converted." };
    if (!messages.some(({ role }) => role === "assistant")) return this.#begin();
    if (/all are processed/.test(text)) return { text: "Every file is converted." };
    const opened = /"output":"open: ([^"]+)"/.exec(text)?.[1];
    if (opened !== undefined) return this.#convert(opened);
    const converted = /"output":"converted: ([^"]+)"/.exec(text)?.[1];
    if (converted !== undefined) return { calls: [scriptedCall("task_state_update", { done: [converted] })] };
    const next = /(?:next: |Go on with |in the queue: )(in\/\d+\.txt)/.exec(text)?.[1];
    if (next === undefined) return { calls: [scriptedCall("task_state_get", {})] };
    // After an interruption it cannot know whether the next one was begun.
    if (text.includes("Task state:")) return { calls: [scriptedCall("check", { text: next })] };
    return this.#convert(next);
  }

  #begin(): Partial<ModelReply> {
    const change = {
      objective: "convert in/",
      completion_gate: "all are converted",
      remaining_queue: ["in/*.txt"],
    };
    return { calls: [scriptedCall("task_state_update", change)] };
  }

  #convert(path: string): Partial<ModelReply> {
    return {
      calls: [scriptedCall("convert", { text: path }), scriptedCall("task_state_update", { done: [path] })],
    };
  }
}

interface Job {
  /** How often each file was converted. */
  converted: Map<string, number>;
  model: ForgetfulModel;
  events: AgentEvent[];
  logBytes: number;
}

/** Runs until the end, or until it is killed after so many events. */
async function work(session: Session, job: Job, killAfter: number): Promise<string | undefined> {
  const { state } = session;
  let messages = [...state.messages];
  let logged: TaskState | undefined = state.taskState;
  const holder = createTaskStateHolder(state.taskState);
  const current = () => ({ taskState: holder.state });
  const toEntry = (event: AgentEvent): SessionEntry | undefined => {
    if (event.type === "message_added") {
      messages.push(event.message);
      return { type: "message", message: event.message, ...(event.note ? { note: event.note } : {}) };
    }
    if (event.type === "context_compacted") {
      const { type: _, ...compaction } = event;
      messages = applyCompaction(messages, compaction.parts) ?? messages;
      return { type: "compaction", ...compaction };
    }
    if (event.type !== "task_state_changed") return undefined;
    const record = toTaskStateRecord(logged, event.state);
    logged = event.state;
    job.logBytes += JSON.stringify(record).length;
    return { type: "task_state", ...record };
  };
  const reply: ScriptedReply = async function* (request) {
    const answer = job.model.answer(request);
    const whole = { text: "", thinking: "", calls: [], finish: "stop", ...answer } satisfies ModelReply;
    yield { type: "finished", reply: { ...whole, finish: whole.calls.length > 0 ? "tool_calls" : "stop" } };
  };
  const convert = textTool(
    "convert",
    (path) => {
      job.converted.set(path, (job.converted.get(path) ?? 0) + 1);
      return { ok: true, output: `done with ${path}. ${"It had words in it. ".repeat(30)}` };
    },
    { access: "write" },
  );
  const check = textTool("check", (path) => ({
    ok: true,
    output: `${job.converted.has(path) ? "converted" : "open"}: ${path}`,
  }));
  const events = run({
    model: createScriptedModel(
      Array.from({ length: 1_000 }, () => reply),
      { contextTokens: 8_192 },
    ),
    tools: [
      convert,
      check,
      createTaskStateUpdateTool({ holder, workspace, now: () => new Date(0) }),
      createTaskStateGetTool(holder),
    ],
    messages,
    input: state.messages.length > 1 ? "Go on." : REQUEST,
    mode: () => "auto",
    approver: allowAll,
    stateNote: () => describeState(current()),
    completionGate: () => describeOpenWork(current()),
  });
  let seen = 0;
  for await (const event of events) {
    job.events.push(event);
    const entry = toEntry(event);
    if (entry !== undefined) await session.append(entry);
    if (event.type === "run_finished") return event.reason;
    seen += 1;
    if (seen >= killAfter) break;
  }
  return undefined;
}

describe("a job over 300 files in a window of 8,192 tokens", () => {
  it("processes each file exactly once, through compactions, early answers, kills and resumes", async () => {
    const store = createMemorySessionStore({ workspace: root, now: () => 0, newId: () => "abcdef" });
    const first = await store.create();
    await first.append({ type: "message", message: { role: "system", content: "You convert files." } });
    const { id } = first;
    await first[Symbol.asyncDispose]();
    const job: Job = { converted: new Map(), model: new ForgetfulModel(), events: [], logBytes: 0 };
    let reason: string | undefined;
    let kills = 0;
    // Another length each time, so that it is killed at every kind of event.
    for (let killAfter = 311; reason === undefined && kills < 40; killAfter += 7) {
      await using session = await store.open(id);
      reason = await work(session, job, killAfter);
      if (reason === undefined) kills += 1;
    }
    expect(reason).toBe("done");
    expect(kills).toBeGreaterThan(5);
    expect([...job.converted.values()].filter((times) => times !== 1)).toEqual([]);
    expect(job.converted.size).toBe(FILES);

    const count = (test: (event: AgentEvent) => boolean): number => job.events.filter(test).length;
    expect(count(({ type }) => type === "context_compacted")).toBeGreaterThan(5);
    expect(count((event) => event.type === "warning" && event.code === "completion_refused")).toBeGreaterThan(
      5,
    );
    const { taskState, messages } = await store.read(id);
    expect(messages.filter((message) => messageText(message) === REQUEST)).toHaveLength(1);
    expect(taskState).toMatchObject({ total_count: FILES, processed_count: FILES, remaining_queue: [] });
    expect(job.logBytes).toBeLessThan(FILES * 400 + 20_000);
  });
});
