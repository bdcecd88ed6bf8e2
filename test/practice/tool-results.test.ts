/** The training text of the practice model comes from simulated tools: their results have to be those of the real ones. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ApprovalDecision, ApprovalRequest } from "../../src/core/approval.ts";
import { runCalls } from "../../src/core/calls.ts";
import type { CallOptions } from "../../src/core/call-options.ts";
import { messageText, type Tool } from "../../src/core/index.ts";
import type { PlanDecision } from "../../src/core/plan.ts";
import { findProfile } from "../../src/models/profile.ts";
import { chooseSandbox } from "../../src/sandbox/index.ts";
import { scriptedCall } from "../../src/testing/scripted-model.ts";
import { createPlanHolder, createTodoList, createTools } from "../../src/tools/index.ts";
import { createPlanTools } from "../../src/tools/plan-tools.ts";
import { openWorkspace } from "../../src/workspace/index.ts";

interface Settings {
  time?: string;
  /** A repository whose last commit has the files, or one without a commit. */
  git?: boolean | "new";
  /** What the last commit has instead. */
  committed?: Readonly<Record<string, string | null>>;
  staged?: readonly string[];
  /** Names, or what is said by name. */
  denied?: readonly string[] | Readonly<Record<string, string>>;
  "plan rejected"?: string;
}

interface Scenario {
  name: string;
  /** Content by path; a path with a slash at its end is a folder. */
  files: Readonly<Record<string, string>>;
  settings: Settings;
  calls: readonly { tool: string; arguments: Readonly<Record<string, unknown>>; result: string }[];
}

const SCENARIOS = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../practice-model/fixtures/tool-results.json"), "utf8"),
) as Scenario[];

const { resultBytes = 0, resultFields, tools: toolNames = [] } = findProfile("lmagent-practice");

// The words of commands are those of Linux.
describe.skipIf(process.platform !== "linux")("a simulated result is that of the real tool:", () => {
  test.each(SCENARIOS)("$name", async ({ files, settings, calls }) => {
    await using bench = await openBench(files, settings);
    for (const call of calls) {
      const shown = `${call.tool} ${JSON.stringify(call.arguments)}`;
      expect({ shown, result: withoutChance(await bench.run(call.tool, call.arguments)) }).toEqual({
        shown,
        result: withoutChance(call.result),
      });
    }
  });
});

async function openBench(files: Scenario["files"], settings: Settings) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-practice-")));
  fill(root, files, settings);
  const workspace = await openWorkspace(root, { home: "/nonexistent", stateDir: "/nonexistent/state" });
  const { sandbox } = await chooseSandbox({ workspaceRoot: root, allowUnsandboxed: true });
  const holder = createPlanHolder();
  holder.begin();
  const reviewer = { review: async (): Promise<PlanDecision> => toReview(settings["plan rejected"]) };
  const tools = createTools({
    workspace,
    sandbox,
    todos: createTodoList(),
    planTools: createPlanTools({ holder, reviewer }),
    now: () => new Date(settings.time ?? "2026-01-02 03:04"),
  });
  const options = toOptions(tools, settings);
  return {
    async run(tool: string, input: Readonly<Record<string, unknown>>): Promise<string> {
      const calls = runCalls([{ ...scriptedCall(tool, input), id: "call_1" }], options);
      let text: string | undefined;
      for await (const event of calls)
        if (event.type === "message_added") text = messageText(event.message).replaceAll(root, "/workspace");
      return text ?? "no result";
    },
    async [Symbol.asyncDispose]() {
      await workspace[Symbol.asyncDispose]();
      await sandbox[Symbol.asyncDispose]();
      rmSync(root, { recursive: true });
    },
  };
}

function toReview(feedback: string | undefined): PlanDecision {
  return feedback === undefined ? { decision: "approve" } : { decision: "reject", feedback };
}

function toOptions(tools: readonly Tool[], { denied = [] }: Settings): CallOptions {
  const notes = Array.isArray(denied) ? Object.fromEntries(denied.map((name) => [name, ""])) : denied;
  const ask = async ({ tool, digest }: ApprovalRequest): Promise<ApprovalDecision> => {
    const note = (notes as Record<string, string>)[tool];
    if (note === undefined) return { decision: "allow", digest };
    return { decision: "deny", ...(note === "" ? {} : { note }) };
  };
  return {
    // In the order in which the model knows them.
    tools: toolNames.flatMap((name) => tools.filter((tool) => tool.name === name)),
    mode: () => "manual",
    approver: { ask },
    results: { maxBytes: resultBytes, fields: resultFields },
    signal: new AbortController().signal,
    now: () => 0,
    turn: 1,
  };
}

function fill(root: string, files: Scenario["files"], { git, committed = {}, staged = [] }: Settings): void {
  if (git) run(root, ["init", "--quiet", "--initial-branch=main"]);
  if (git === true) {
    put(root, { ...files, ...committed });
    run(root, ["add", "--all"]);
    run(root, ["-c", "user.name=A", "-c", "user.email=a@localhost", "commit", "--quiet", "--message=Start"]);
  }
  for (const path of Object.keys(committed)) rmSync(join(root, path), { force: true });
  put(root, files);
  for (const path of staged) run(root, ["add", path]);
}

function run(root: string, args: readonly string[]): void {
  execFileSync("git", args, {
    cwd: root,
    stdio: "pipe",
    env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" },
  });
}

function put(root: string, files: Readonly<Record<string, string | null>>): void {
  for (const [path, content] of Object.entries(files)) {
    if (content === null) continue;
    mkdirSync(path.endsWith("/") ? join(root, path) : join(root, path, ".."), { recursive: true });
    if (!path.endsWith("/")) writeFileSync(join(root, path), content);
  }
}

/** Numbers of commits and what `date` says differ from run to run, and not every place has all the tools. */
function withoutChance(result: string): string {
  return result
    .replace(/\[main [0-9a-f]{7}\]/, "[main 0000000]")
    .replace(/"\w{3} \w{3} [ \d]\d [\d:]{8} \w+ \d{4}\\n"/, '"(date)"')
    .replace(/The tools are: .*\./, "The tools are: (names).");
}
