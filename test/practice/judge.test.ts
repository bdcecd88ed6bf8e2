import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createScratch, isIsolated, openAgent, type Scratch } from "../../bench/practice/agent.ts";
import {
  committedPaths,
  makeFolder,
  newestCommit,
  stagedPaths,
  type FolderState,
} from "../../bench/practice/folder.ts";
import { judge, type Outcome } from "../../bench/practice/judge.ts";
import { readOptions, requireWritable } from "../../bench/practice/options.ts";
import { leaveOutDangerous, pickTasks } from "../../bench/practice/pick.ts";
import { playTask, type PlayedTask, type PlayedTurn } from "../../bench/practice/play.ts";
import { printReport, toReport } from "../../bench/practice/report.ts";
import { parseTask, readTasks, type Task, type TaskTurn } from "../../bench/practice/task.ts";
import {
  createScriptedModel,
  errorReply,
  scriptedCall,
  startScriptedServer,
  textReply,
} from "../../src/testing/index.ts";
import type { ModelReply } from "../../src/core/model.ts";
import type { ScriptedReply } from "../../src/testing/scripted-model.ts";

const REPOSITORY = resolve(import.meta.dirname, "../..");

afterEach(() => vi.unstubAllEnvs());

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

  it("takes facts to the letter where a task says so, and a number as a whole one still", () => {
    for (const answer of ["i stand in NOTES.txt.", "I stand in  Notes.txt."])
      expect(judgeAnswer({ facts: ["I stand in Notes.txt"] }, answer, { exact: true })).toHaveLength(1);
    expect(judgeAnswer({ facts: ["in Notes.txt"] }, "I stand in Notes.txt.", { exact: true })).toEqual([]);
    expect(judgeAnswer({ anyFact: [["Yes", "No"]] }, "yes", { exact: true })).toHaveLength(1);
    expect(judgeAnswer({ facts: ["4"] }, "14 lines", { exact: true })).toHaveLength(1);
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

  it("compares what is staged and what the newest commit touched, in any order, where a task says so", () => {
    const wanted = toTurn({ staged: ["a.txt", "b.txt"], committed: [] });
    expect(judge(wanted, outcome({ staged: ["b.txt", "a.txt"], committed: [] }))).toEqual([]);
    expect(judge(wanted, outcome({ staged: ["a.txt"], committed: ["x y.txt"] }))).toEqual([
      '"a.txt" is staged, not "a.txt", "b.txt"',
      '"x y.txt" is in the newest commit, not nothing',
    ]);
    expect(judge(wanted, outcome({}))).toEqual(['nothing is staged, not "a.txt", "b.txt"']);
    expect(judge(toTurn({}), outcome({ staged: ["a.txt"], committed: ["a.txt"] }))).toEqual([]);
  });
});

describe("the folder of a task", () => {
  it("tells what is staged, with both names of a renamed file and names that git would quote", () => {
    using scratch = createScratch();
    const root = openFolder(scratch, { git: true, files: { "old.txt": "one\n", "b.txt": "two\n" } });
    git(root, "mv", "old.txt", "große Datei.txt");
    writeFileSync(join(root, "b.txt"), "not staged\n");
    expect(stagedPaths(root)?.toSorted()).toEqual(["große Datei.txt", "old.txt"]);
  });

  it("tells what is staged before the first commit, and of no repository nothing", () => {
    using scratch = createScratch();
    const root = openFolder(scratch, { files: { "a.txt": "one\n", "b.txt": "two\n" } });
    expect([stagedPaths(root), committedPaths(root)]).toEqual([undefined, undefined]);
    git(root, "init", "--quiet");
    git(root, "add", "a.txt");
    expect([stagedPaths(root), committedPaths(root)]).toEqual([["a.txt"], undefined]);
  });

  it("tells what the newest commit touched", () => {
    using scratch = createScratch();
    const root = openFolder(scratch, { git: true, files: { "a.txt": "one\n", "b.txt": "two\n" } });
    expect(committedPaths(root)).toEqual(["a.txt", "b.txt"]);
    git(root, "mv", "a.txt", "c.txt");
    git(root, "commit", "--quiet", "--message=move");
    expect(committedPaths(root)).toEqual(["a.txt", "c.txt"]);
  });

  it("is made whatever the user has set for git", () => {
    using scratch = createScratch();
    const config = join(scratch.root, "gitconfig");
    writeFileSync(config, "[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = false\n");
    vi.stubEnv("GIT_CONFIG_GLOBAL", config);
    const root = openFolder(scratch, { git: true, files: { "a.txt": "one\n" } });
    expect(newestCommit(root)).toBe("start");
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

  it("means the current year by {year}", () => {
    const turns = [{ request: "{year}", facts: ["in {year}"], anyFact: [["{year}-", "no"]] }];
    const year = String(new Date().getFullYear());
    const filled = { request: "{year}", facts: [`in ${year}`], anyFact: [[`${year}-`, "no"]] };
    expect(toTask({ turns }).turns).toMatchObject([filled]);
  });

  it("tells a request that is out of range from a greeting", () => {
    const files = ["by-hand", "by-hand-2"].map((name) =>
      join(REPOSITORY, "practice-model/tasks", `${name}.jsonl`),
    );
    const tasks = files.flatMap(readTasks);
    const facts = tasks.filter(({ family }) => family === "out-of-range").map(({ turns }) => turns[0]?.facts);
    expect(facts).toHaveLength(10);
    expect(new Set(facts.flat())).toEqual(new Set(["cannot help"]));
  });
});

describe("the tasks that are played", () => {
  const tasks = ["move", "copy", "move"].map((family) => toTask({ family, turns: [{ request: "x" }] }));

  it("are those of the named families, and at most so many of each", () => {
    expect(pickTasks(tasks, { families: ["move"], limit: 5 })).toHaveLength(2);
    expect(pickTasks(tasks, { families: undefined, limit: 1 })).toHaveLength(2);
  });

  it("are not quietly fewer for a family that there is not", () => {
    expect(() => pickTasks(tasks, { families: ["move", "edit"], limit: 5 })).toThrow(
      "`--family edit` is unknown. These tasks have: copy, move.",
    );
  });

  it("ask for damage, also in a conversation, only where commands are isolated", async () => {
    const refused = { request: "rm -rf /*", facts: ["I do not do that"] };
    const alone = toTask({ family: "refuse", turns: [{ request: "x" }] });
    const later = toTask({ family: "8 requests", turns: [{ request: "x" }, refused] });
    const all = [alone, ...tasks, later];
    expect(await leaveOutDangerous(all, { isIsolated: async () => false })).toEqual(tasks);
    expect(await leaveOutDangerous(all, { isIsolated: async () => true })).toEqual(all);
  });

  it("can be kept from running a command outside a sandbox", async () => {
    using scratch = createScratch();
    const [usual, careful] = [scratch.workspace(), scratch.workspace()];
    for (const folder of [usual, careful]) mkdirSync(folder, { recursive: true });
    await using one = await openAgent(scratch, usual, createScriptedModel([]));
    await using other = await openAgent(scratch, careful, createScriptedModel([]), { isolatedOnly: true });
    expect([one.settings.allowUnsandboxed, other.settings.allowUnsandboxed]).toEqual([true, false]);
    expect(await isIsolated(scratch)).toBe(!(await one.describeSandbox()).includes("not isolated"));
  });
});

describe("the command line", () => {
  it("takes a model file or a server, not both", () => {
    expect(readOptions([]).place).toEqual({ file: expect.stringMatching(/practice\.gguf$/) });
    expect(readOptions(["--server", "http://x/v1"]).place).toEqual({ server: "http://x/v1" });
    expect(() => readOptions(["--server", "http://x/v1", "--model", "m.gguf"])).toThrow("give one");
    expect(() => readOptions(["--limit", "0"])).toThrow("`--limit 0` must be a number from 1.");
  });

  it("names a file that cannot be written, and keeps one that can", () => {
    using scratch = createScratch();
    const file = join(scratch.root, "out.json");
    writeFileSync(file, "of an earlier run");
    requireWritable(file);
    expect(readFileSync(file, "utf8")).toBe("of an earlier run");
    const nowhere = join(scratch.root, "no", "out.json");
    expect(() => requireWritable(nowhere)).toThrow(`\`--json ${nowhere}\` cannot be written: ENOENT`);
  });

  it("reports what was played when the server is lost in the middle, and fails", async () => {
    using scratch = createScratch();
    const file = join(scratch.root, "tasks.jsonl");
    const json = join(scratch.root, "out.json");
    const turns = [{ request: "Hello", facts: ["hi"] }];
    const lines = ["one", "two"].map((id) => JSON.stringify({ id, family: "talk", turns }));
    writeFileSync(file, lines.join("\n"));
    // It asks for so much patience that nobody tries again.
    const lost = errorReply(503, "gone", { headers: { "retry-after": "1000" } });
    await using server = await startScriptedServer([textReply("Oh, hi."), lost]);
    const run = runPractice("--server", `${server.url}/v1`, "--tasks", file, "--json", json);
    await expect(run).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/talk +1 +100\.0 %[^]*broken off after 1 of 2 tasks/),
      stderr: expect.stringContaining("gone"),
    });
    expect(JSON.parse(readFileSync(json, "utf8"))).toMatchObject({
      brokenOff: expect.stringContaining("gone"),
      tasks: [{ id: "one", solved: true }],
    });
  }, 120_000);
});

describe("the report", () => {
  it("compares places of long conversations only, with the prompt that each began with", () => {
    const long = [100, 200, 300].map((start) =>
      toPlayed(Array.from({ length: 8 }, (_, index) => ({ promptTokens: start + index }))),
    );
    const report = toReport([...long, toPlayed([{ faults: ["wrong"], promptTokens: 5 }])]);
    const rows = report.positions.map(({ position, ...row }) =>
      [position, row.turns, row.promptTokens].join(" "),
    );
    expect(rows).toEqual(["1 3 200", "2 3 201", "4 3 203", "8 3 207"]);
    expect(printReport(report)).toMatch(/\n +8 +3 +100\.0 % +207\n/);
    expect(printReport(toReport([toPlayed([{}])]))).not.toContain("conversation");
  });

  it("says - where the server does not count", () => {
    const text = printReport(toReport([toPlayed(Array.from({ length: 8 }, () => ({})))]));
    expect(text).toMatch(/\n +8 +1 +100\.0 % +-\n/);
    expect(text).toContain("first token after - ms (median), - ms (95 %); - tokens/s");
    const fast = printReport(toReport([toPlayed([{ tokens: 10, decodeMs: 100, firstTokenMs: [7] }])]));
    expect(fast).toContain("first token after 7 ms (median), 7 ms (95 %); 100 tokens/s");
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
    });
  });

  it("tells what the prompt of a request had when it began", async () => {
    const played = await play(toTask({ turns: [{ request: "What is here?" }] }), [
      counted(100, { calls: [scriptedCall("ls", {})] }),
      counted(150, { text: "Nothing." }),
    ]);
    expect(played.turns).toMatchObject([{ promptTokens: 100 }]);
  });

  it("is judged to the letter where it says so", async () => {
    const turns = [{ request: "Say Yes", facts: ["Yes"] }];
    const solved = async (given: object): Promise<boolean> =>
      (await play(toTask({ ...given, turns }), [{ text: "yes" }])).solved;
    expect([await solved({}), await solved({ exact: true })]).toEqual([true, false]);
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
      turns: [
        { request: "Stage a.txt", staged: ["a.txt"] },
        { request: "Commit it as Change it", commit: "Change it", staged: [], committed: ["a.txt"] },
      ],
    });
    const played = await play(task, [
      { calls: [scriptedCall("git_add", { paths: ["a.txt"] })] },
      { text: "Done." },
      { calls: [scriptedCall("git_commit", { message: "Change it" })] },
      { text: "Done." },
    ]);
    expect(played.turns.map(({ faults }) => faults)).toEqual([[], []]);
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
  const none = { before: empty, after: empty, calls: 0, todos: [] };
  const git = { commit: undefined, staged: undefined, committed: undefined };
  return { ...none, ...git, reason: "done", answer: "Done.", ...given };
}

function judgeFiles(files: TaskTurn["files"], before: FolderState, after: FolderState): string[] {
  return judge(toTurn({ files }), outcome({ before, after }));
}

function judgeAnswer(turn: Partial<TaskTurn>, answer: string, options: { exact?: boolean } = {}): string[] {
  return judge(toTurn(turn), outcome({ answer }), options);
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

function openFolder(scratch: Scratch, given: object): string {
  const root = scratch.workspace();
  makeFolder(root, toTask({ ...given, turns: [{ request: "x" }] }));
  return root;
}

function git(root: string, ...args: string[]): void {
  execFileSync("git", ["-C", root, "-c", "user.name=test", "-c", "user.email=test@localhost", ...args]);
}

function toPlayed(turns: readonly Partial<PlayedTurn>[]): PlayedTask {
  const said = { request: "x", answer: "Done.", reason: "done" as const, calls: [], faults: [] };
  const counts = { malformed: 0, unwanted: 0, tokens: 0, decodeMs: 0 };
  const usual = { ...said, ...counts, firstTokenMs: [], promptTokens: undefined };
  const all = turns.map((turn) => ({ ...usual, ...turn }));
  return { id: "1", family: "write", split: "test", solved: true, turns: all };
}

/** A reply whose prompt the server has counted. */
function counted(promptTokens: number, reply: Partial<ModelReply>): ScriptedReply {
  const whole: ModelReply = { text: "", thinking: "", calls: [], finish: "stop", ...reply };
  return async function* () {
    yield { type: "usage", usage: { promptTokens } };
    yield { type: "finished", reply: whole };
  };
}

function runPractice(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const words = ["--import", "tsx", join(REPOSITORY, "bench/practice.ts"), ...args];
  return promisify(execFile)(process.execPath, words, { cwd: REPOSITORY });
}
