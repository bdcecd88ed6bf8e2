import { describe, expect, it, vi } from "vitest";
import { createScratch, openAgent } from "../../bench/practice/agent.ts";
import { makeFolder, type FolderState } from "../../bench/practice/folder.ts";
import { judge, type Outcome } from "../../bench/practice/judge.ts";
import { playTask, type PlayedTask } from "../../bench/practice/play.ts";
import { toReport } from "../../bench/practice/report.ts";
import { parseTask, type Task, type TaskTurn } from "../../bench/practice/task.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/index.ts";
import type { ScriptedReply } from "../../src/testing/scripted-model.ts";

describe("the judge of files", () => {
  it("takes what changed as asked, and nothing that stayed", () => {
    const before = folder({ "a.txt": "one", "b.txt": "two" });
    const after = folder({ "b.txt": "two", "c.txt": "one" });
    expect(judgeFiles({ "a.txt": null, "c.txt": "one" }, before, after)).toEqual([]);
  });

  it("names what is missing, different or too much", () => {
    const after = folder({ "a.txt": "on", "x.txt": "" });
    expect(judgeFiles({ "a.txt": "one", "b.txt": "two" }, folder({}), after)).toEqual([
      'a.txt is "on", not "one"',
      "b.txt is missing",
      "x.txt should not be there",
    ]);
  });

  it("notices a change that nobody asked for", () => {
    const faults = judgeFiles({}, folder({ "a.txt": "one" }), folder({ "a.txt": "two" }));
    expect(faults).toEqual(['a.txt is "two", not "one"']);
  });

  it("does not mind one newline at the end, but any other", () => {
    expect(judgeFiles({ "a.txt": "one" }, folder({}), folder({ "a.txt": "one\n" }))).toEqual([]);
    expect(judgeFiles({ "a.txt": "one" }, folder({}), folder({ "a.txt": "\none" }))).toHaveLength(1);
    expect(judgeFiles({ "a.txt": "one" }, folder({}), folder({ "a.txt": "one\n\n" }))).toHaveLength(1);
  });

  it("wants folders that are named, and their parents, and no others", () => {
    const changes = { "docs/new/": "" };
    expect(judgeFiles(changes, folder({}), folder({}, ["docs", "docs/new"]))).toEqual([]);
    expect(judgeFiles(changes, folder({}), folder({}, ["docs"]))).toEqual(["the folder docs/new is missing"]);
    expect(judgeFiles({}, folder({}), folder({}, ["new"]))).toEqual(["the folder new should not be there"]);
  });

  it("lets a folder go with its last file, or stay", () => {
    const before = folder({ "old/a.txt": "one" }, ["old"]);
    for (const folders of [[], ["old"]])
      expect(judgeFiles({ "old/a.txt": null }, before, folder({}, folders))).toEqual([]);
    expect(judgeFiles({}, folder({}, ["old"]), folder({}))).toEqual(["the folder old is missing"]);
  });

  it("takes a removed folder with all that was in it", () => {
    const before = folder({ "old/a.txt": "one" }, ["old"]);
    expect(judgeFiles({ "old/": null }, before, folder({}))).toEqual([]);
    expect(judgeFiles({ "old/": null }, before, before)).toHaveLength(2);
  });
});

describe("the judge of answers", () => {
  it("wants every fact, in any case of letters, across lines", () => {
    expect(judgeAnswer({ facts: ["Two  Words", "b.txt"] }, "B.TXT says: two\nwords")).toEqual([]);
    expect(judgeAnswer({ facts: ["yes", "no"] }, "yes")).toEqual(['the answer does not say "no"']);
  });

  it("does not find a number inside another one", () => {
    expect(judgeAnswer({ facts: ["4"] }, "a.txt has 14 lines")).toHaveLength(1);
    expect(judgeAnswer({ facts: ["4"] }, "It has 4.")).toEqual([]);
  });

  it("wants one of each group", () => {
    const anyFact = [["clean", "no changes"]];
    expect(judgeAnswer({ anyFact }, "There are no changes.")).toEqual([]);
    expect(judgeAnswer({ anyFact }, "Fine.")).toEqual(['the answer does not say "clean" or "no changes"']);
  });

  it("takes no empty answer, and none of a run that was broken off", () => {
    expect(judgeAnswer({}, " ")).toEqual(["there is no answer"]);
    expect(judge(toTurn({}), outcome({ reason: "loop" }))).toEqual(["the run ended with `loop`"]);
  });

  it("counts a call where there should be none", () => {
    expect(judge(toTurn({ calls: 0 }), outcome({ calls: 1 }))).toEqual(["there should be no call"]);
  });

  it("compares todos and the newest commit where a task says so", () => {
    const todos = [{ id: 1, text: "Buy milk", status: "pending" as const }];
    const wanted = toTurn({ todos: [{ text: "buy milk", done: true }], commit: "Add notes" });
    expect(judge(wanted, outcome({ todos, commit: "start" }))).toEqual([
      "the todos are [ ] buy milk, not [x] buy milk",
      'the newest commit is "start", not "Add notes"',
    ]);
  });
});

describe("a task file", () => {
  it("says where a line is wrong", () => {
    expect(() => parseTask("{", "x.jsonl:3", "x")).toThrow("x.jsonl:3");
    expect(() => parseTask('{"id": "a", "family": "b", "turns": []}', "x.jsonl:4", "x")).toThrow("x.jsonl:4");
  });

  it("names the split of tasks that name none", () => {
    const line = JSON.stringify({ id: "a", family: "b", turns: [{ request: "hi" }] });
    expect(parseTask(line, "", "by-hand").split).toBe("by-hand");
  });
});

describe("a played task", () => {
  it("goes through the agent, all requests in one session", async () => {
    const task = toTask({
      files: { "b.txt": "stays" },
      turns: [
        { request: "Write one to a.txt", files: { "a.txt": "one" } },
        { request: "Read it", facts: ["one"] },
      ],
    });
    const played = await play(task, [
      { calls: [scriptedCall("write", { path: "a.txt", content: "one" })] },
      { text: "I wrote a.txt." },
      { calls: [scriptedCall("read", { path: "a.txt" })] },
      { text: "a.txt says: one" },
    ]);
    expect(played).toMatchObject({ solved: true, turns: [{ faults: [] }, { answer: "a.txt says: one" }] });
  });

  it("is not solved when one of its requests is not", async () => {
    const task = toTask({
      turns: [{ request: "Write one to a.txt", files: { "a.txt": "one" } }, { request: "Hi" }],
    });
    const played = await play(task, [{ text: "I wrote a.txt." }, { text: "Hello." }]);
    expect(played.solved).toBe(false);
    expect(played.turns.map(({ faults }) => faults)).toEqual([["a.txt is missing"], []]);
    expect(toReport([played])).toMatchObject({
      rows: [{ family: "write", tasks: 1, solved: 0 }, { family: "all" }],
      positions: [
        { position: 1, turns: 1, solved: 0 },
        { position: 2, turns: 1, solved: 1 },
      ],
    });
  });

  it("counts calls with a wrong name, wrong arguments or none, and calls that nobody wants", async () => {
    const broken = { ...scriptedCall("read", {}), arguments: undefined, raw: '{"path', problem: "cut off" };
    const wrong = [scriptedCall("nothing", {}), scriptedCall("write", { path: "a.txt" }), broken];
    const calls = [...wrong, scriptedCall("ls", {})];
    const { turns } = await play(toTask({ turns: [{ request: "Hi", calls: 0 }] }), [
      { calls },
      { text: "Hello." },
    ]);
    expect(turns).toMatchObject([{ malformed: 3, unwanted: 4, faults: ["there should be no call"] }]);
  });

  it("begins with the files committed and the changes not", async () => {
    const task = toTask({
      git: true,
      files: { "a.txt": "one\n" },
      changes: { "a.txt": "two\n" },
      turns: [{ request: "Commit a.txt as Change it", commit: "Change it" }],
    });
    const played = await play(task, [
      { calls: [scriptedCall("git_add", { paths: ["a.txt"] })] },
      { calls: [scriptedCall("git_commit", { message: "Change it" })] },
      { text: "Done." },
    ]);
    expect(played.turns.map(({ faults }) => faults)).toEqual([[]]);
  });

  it("ends with an error where a tool is broken, since that is no fault of the model", async () => {
    const task = toTask({ turns: [{ request: "Make a folder docs", files: { "docs/": "" } }] });
    const replies = [{ calls: [scriptedCall("mkdir", { path: "docs" })] }, { text: "Done." }];
    await expect(play(task, replies, { broken: "mkdir" })).rejects.toThrow(
      "`mkdir`: internal error in the tool: a package is missing",
    );
  });
});

function folder(files: Record<string, string>, folders: readonly string[] = []): FolderState {
  return { files: new Map(Object.entries(files)), folders: new Set(folders) };
}

function toTurn(given: Partial<TaskTurn>): TaskTurn {
  return { request: "", files: {}, facts: [], anyFact: [], ...given };
}

function outcome(given: Partial<Outcome>): Outcome {
  const empty = folder({});
  const none = { before: empty, after: empty, calls: 0, todos: [], commit: undefined };
  return { ...none, reason: "done", answer: "Done.", ...given };
}

function judgeFiles(files: TaskTurn["files"], before: FolderState, after: FolderState): string[] {
  return judge(toTurn({ files }), outcome({ before, after }));
}

function judgeAnswer(turn: Partial<TaskTurn>, answer: string): string[] {
  return judge(toTurn(turn), outcome({ answer }));
}

function toTask(given: object): Task {
  return parseTask(JSON.stringify({ id: "1", family: "write", ...given }), "here", "test");
}

async function play(
  task: Task,
  replies: readonly ScriptedReply[],
  { broken }: { broken?: string } = {},
): Promise<PlayedTask> {
  using scratch = createScratch();
  const workspace = scratch.workspace();
  makeFolder(workspace, task);
  await using agent = await openAgent(scratch, workspace, createScriptedModel(replies));
  const tool = agent.tools.find(({ name }) => name === broken);
  if (tool !== undefined) vi.spyOn(tool, "execute").mockRejectedValue(new Error("a package is missing"));
  return await playTask(task, agent);
}
