/** Plays a task: its requests in one session, each judged by what it has changed itself. */
import type { Agent } from "../../src/cli/agent.ts";
import { INTERNAL_ERROR } from "../../src/core/call-execution.ts";
import type { AgentEvent, EndReason } from "../../src/core/events.ts";
import type { Usage } from "../../src/core/model.ts";
import type { Tool, ToolResult } from "../../src/core/tool.ts";
import { committedPaths, newestCommit, readFolder, stagedPaths } from "./folder.ts";
import { judge, type Outcome } from "./judge.ts";
import type { Task, TaskTurn } from "./task.ts";

export interface PlayedTurn {
  request: string;
  answer: string;
  reason: EndReason;
  /** `tool {"argument": …}` in the order in which they were made. */
  calls: readonly string[];
  /** Calls that could not be read, or were refused for their name or arguments. */
  malformed: number;
  /** Calls where there should be none. */
  unwanted: number;
  /** Of each request to the model, until anything of its reply came. */
  firstTokenMs: readonly number[];
  /** That the request began with, as the server counts them; absent where it does not. */
  promptTokens: number | undefined;
  tokens: number;
  /** Time for these tokens, as the server counts it. */
  decodeMs: number;
  faults: readonly string[];
}

export interface PlayedTask {
  id: string;
  family: string;
  split: string;
  solved: boolean;
  turns: readonly PlayedTurn[];
}

/** Throws an error where nothing can be said of the model: it does not answer, or a tool of ours is broken. */
export async function playTask({ id, family, split, exact, turns }: Task, agent: Agent): Promise<PlayedTask> {
  const played: PlayedTurn[] = [];
  for (const turn of turns) played.push(await playTurn(turn, { agent, exact: exact === true }));
  return { id, family, split, solved: played.every(({ faults }) => faults.length === 0), turns: played };
}

/** Reports what was played also when an error ends it in the middle, and throws that error only then. */
export async function playAll(
  tasks: readonly Task[],
  {
    play,
    report,
  }: {
    play: (task: Task) => Promise<PlayedTask>;
    report: (played: readonly PlayedTask[], error?: unknown) => void;
  },
): Promise<void> {
  const played: PlayedTask[] = [];
  try {
    for (const task of tasks) played.push(await play(task));
  } catch (error) {
    report(played, error);
    throw error;
  }
  report(played);
}

async function playTurn(
  turn: TaskTurn,
  { agent, exact }: { agent: Agent; exact: boolean },
): Promise<PlayedTurn> {
  const { root } = agent.workspace;
  const before = readFolder(root);
  const record = new TurnRecord(agent.tools);
  for await (const event of agent.prompt(turn.request)) record.note(event);
  const { answer, reason, calls } = record;
  // It says nothing about the model.
  if (reason === "model_unavailable") throw new Error(answer);
  const outcome = {
    before,
    after: readFolder(root),
    answer,
    reason,
    calls: calls.length,
    todos: agent.todos,
  };
  return record.finish(turn, judge(turn, { ...outcome, ...readGit(turn, root) }, { exact }));
}

/** Asks git only what matters, since each question takes as long as a small task. */
function readGit(turn: TaskTurn, root: string): Pick<Outcome, "commit" | "staged" | "committed"> {
  return {
    commit: turn.commit === undefined ? undefined : newestCommit(root),
    staged: turn.staged === undefined ? undefined : stagedPaths(root),
    committed: turn.committed === undefined ? undefined : committedPaths(root),
  };
}

/** What the events of one request tell. */
class TurnRecord {
  readonly calls: string[] = [];
  answer = "";
  reason: EndReason = "error";
  #malformed = 0;
  #askedAt = 0;
  #waiting = false;
  readonly #firstTokenMs: number[] = [];
  #promptTokens: number | undefined;
  #counted = false;
  #tokens = 0;
  #decodeMs = 0;
  readonly #tools: readonly Tool[];

  constructor(tools: readonly Tool[]) {
    this.#tools = tools;
  }

  note(event: AgentEvent): void {
    switch (event.type) {
      case "turn_started":
        this.#askedAt = performance.now();
        this.#waiting = true;
        break;
      case "text_delta":
      case "call_progress":
        if (this.#waiting) this.#firstTokenMs.push(performance.now() - this.#askedAt);
        this.#waiting = false;
        break;
      case "usage":
        this.#count(event.usage);
        break;
      case "tool_proposed":
        this.calls.push(`${event.name} ${JSON.stringify(event.arguments)}`);
        if (this.#isMalformed(event)) this.#malformed += 1;
        break;
      case "tool_finished":
        refuseBrokenTool(event.name, event.result);
        break;
      case "run_finished":
        this.reason = event.reason;
        this.answer = event.text ?? event.message ?? "";
        break;
      default:
    }
  }

  finish({ request, calls }: TaskTurn, faults: readonly string[]): PlayedTurn {
    return {
      request,
      answer: this.answer,
      reason: this.reason,
      calls: this.calls,
      malformed: this.#malformed,
      unwanted: calls === 0 ? this.calls.length : 0,
      firstTokenMs: this.#firstTokenMs,
      promptTokens: this.#promptTokens,
      tokens: this.#tokens,
      decodeMs: this.#decodeMs,
      faults,
    };
  }

  /** Arguments that could not be read come as the text that the model wrote. */
  #isMalformed({ name, arguments: input }: Extract<AgentEvent, { type: "tool_proposed" }>): boolean {
    const tool = this.#tools.find((one) => one.name === name);
    return tool === undefined || typeof input === "string" || !tool.parse(input).ok;
  }

  #count({ promptTokens, completionTokens = 0, decodeTokensPerSecond = 0 }: Usage): void {
    if (!this.#counted) this.#promptTokens = promptTokens;
    this.#counted = true;
    if (decodeTokensPerSecond === 0) return;
    this.#tokens += completionTokens;
    this.#decodeMs += (1000 * completionTokens) / decodeTokensPerSecond;
  }
}

function refuseBrokenTool(name: string, result: ToolResult): void {
  if (!result.ok && result.error.startsWith(INTERNAL_ERROR)) throw new Error(`\`${name}\`: ${result.error}`);
}
