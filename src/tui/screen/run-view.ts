/** Turns the events of runs into blocks of the transcript and into what the bottom says about the run. */
import {
  messageText,
  type AgentEvent,
  type AgentEventOf,
  type ApprovalRequest,
  type Plan,
  type TaskState,
  type Todo,
  type Usage,
} from "../../core/index.ts";
import { formatCounted, formatDuration, formatUsage } from "../format.ts";
import { createPhase } from "../phase.ts";
import { formatCompaction, formatPrefixBroken } from "../progress.ts";
import { toTerminalLine } from "../terminal-text.ts";
import type { Block } from "./block.ts";
import { createCacheRatio } from "./cache-ratio.ts";
import type { ScreenProgress } from "./controller.ts";
import { createMarkdownBlock, type TextBlock } from "./markdown.ts";
import { createSpeed } from "./speed.ts";
import {
  createDetailBlock,
  createNoteBlock,
  createRequestBlock,
  createThinkingBlock,
  type ThinkingBlock,
} from "./text-blocks.ts";
import type { Theme } from "./theme.ts";
import { createToolBlock, type ToolBlock } from "./tool-block.ts";

export interface RunViewOptions {
  theme: Theme;
  now: () => number;
  add: (block: Block) => void;
  /** A queued message reached the agent. */
  taken: (text: string) => void;
}

export class RunView {
  readonly #options: RunViewOptions;
  readonly #phase;
  readonly #speed;
  readonly #tools = new Map<string, ToolBlock>();
  #thinking: ThinkingBlock | undefined;
  #answer: TextBlock | undefined;
  #lastAnswer = "";
  #startedAt = 0;
  #usage: Usage | undefined;
  /** Of the turn that is under way. */
  #turnUsage: Usage | undefined;
  #cache = createCacheRatio();
  #todos: readonly Todo[] = [];
  #plan: Plan | undefined;
  #taskState: TaskState | undefined;
  #summary = "";

  constructor(options: RunViewOptions) {
    this.#options = options;
    this.#phase = createPhase({ now: options.now });
    this.#speed = createSpeed({ now: options.now });
  }

  /** What is going on: `writing · 12 s · 23.4 tok/s · 1,100 cached · 240 new`. */
  get activity(): string {
    const elapsed = formatDuration(Math.floor((this.#options.now() - this.#startedAt) / 1_000) * 1_000);
    const cost = this.#speed.text || (this.#usage === undefined ? "" : formatUsage(this.#usage));
    const parts = [this.#phase.text || "starting", elapsed === "0 ms" ? "" : elapsed, cost];
    return parts.filter((part) => part !== "").join(" · ");
  }

  /** How the last run went, with its costs. */
  get summary(): string {
    return this.#summary;
  }

  get todos(): readonly Todo[] {
    return this.#todos;
  }

  get plan(): Plan | undefined {
    return this.#plan;
  }

  get taskState(): TaskState | undefined {
    return this.#taskState;
  }

  /** Share of the prompts so far that the server had read already, from 0 to 1; absent while it has not said. */
  get cacheRatio(): number | undefined {
    return this.#cache.value;
  }

  begin(text: string): void {
    this.#startedAt = this.#options.now();
    this.#usage = undefined;
    this.#lastAnswer = "";
    this.#summary = "";
    this.#options.add(createRequestBlock(text, { style: this.#options.theme.style }));
  }

  /** Something else comes below the last run: what it cost is not said again. */
  leaveBehind(): void {
    this.#summary = "";
  }

  /** Shows what a call would do, also when its events are still to come. */
  ask(request: ApprovalRequest): void {
    if (!this.#tools.has(request.callId)) {
      this.#onProposed({ callId: request.callId, name: request.tool, arguments: request.arguments });
    }
    this.#tools.get(request.callId)?.ask(request.preview);
  }

  /** Closes what is still open, also when a run ended without `run_finished`. */
  end(): void {
    this.#closeText();
    for (const tool of this.#tools.values()) tool.abandon();
    this.#tools.clear();
  }

  /** Another conversation, as far as it is. */
  open({ todos = [], plan, taskState }: ScreenProgress): void {
    this.end();
    this.#todos = todos;
    this.#plan = plan;
    this.#taskState = taskState;
    this.#cache = createCacheRatio();
    this.#summary = "";
  }

  onEvent(event: AgentEvent): void {
    this.#phase.update(event);
    this.#speed.update(event);
    switch (event.type) {
      case "turn_started":
        return this.#closeText();
      case "message_added":
        return this.#onMessage(event);
      case "thinking_delta":
        return this.#onThinking(event.text);
      case "text_delta":
        return this.#onText(event.text);
      case "tool_proposed":
        return this.#onProposed(event);
      case "usage":
        this.#usage = event.usage;
        this.#turnUsage = event.usage;
        this.#cache.add(event.usage);
        return undefined;
      case "todos_changed":
        this.#todos = event.todos;
        return undefined;
      // The command that changed it has said so, and the status line shows it.
      case "mode_changed":
        return undefined;
      case "plan_changed":
        this.#plan = event.plan;
        return undefined;
      case "task_state_changed":
        this.#taskState = event.state;
        return undefined;
      case "context_compacted":
        return this.#note(formatCompaction(event));
      case "prefix_broken":
        return this.#note(formatPrefixBroken(event));
      case "turn_finished":
        return this.#onTurnFinished();
      case "warning":
        return this.#options.add(
          createNoteBlock(event.message, { paint: this.#options.theme.style.yellow, mark: "!" }),
        );
      case "run_finished":
        return this.#onFinished(event);
      default:
        return this.#onCall(event);
    }
  }

  #onCall(event: AgentEvent): void {
    if (event.type === "approval_requested")
      this.#tools.get(event.request.callId)?.ask(event.request.preview);
    if (event.type === "approval_resolved") this.#tools.get(event.callId)?.resolve();
    if (event.type === "tool_started") this.#tools.get(event.callId)?.start();
    if (event.type === "tool_output") this.#tools.get(event.callId)?.output(event.text);
    if (event.type !== "tool_finished") return;
    this.#tools.get(event.callId)?.finish(event.result, event.durationMs);
    this.#tools.delete(event.callId);
  }

  /** What each turn cost is one of the details. */
  #onTurnFinished(): void {
    const cost = this.#turnUsage === undefined ? "" : formatUsage(this.#turnUsage);
    this.#turnUsage = undefined;
    if (cost !== "") this.#options.add(createDetailBlock(cost, this.#options.theme));
  }

  #onMessage({ message, note }: AgentEventOf<"message_added">): void {
    if (note === undefined) return;
    const text = messageText(message);
    if (note === "nudge") return this.#note(`asked the model again: ${toTerminalLine(text)}`);
    this.#closeText();
    this.#options.taken(text);
    this.#options.add(createRequestBlock(text, { style: this.#options.theme.style }));
  }

  #onThinking(text: string): void {
    this.#closeAnswer();
    if (this.#thinking === undefined) {
      this.#thinking = createThinkingBlock({ style: this.#options.theme.style, now: this.#options.now });
      this.#options.add(this.#thinking.block);
    }
    this.#thinking.append(text);
  }

  #onText(text: string): void {
    this.#closeThinking();
    if (this.#answer === undefined) {
      this.#answer = createMarkdownBlock(this.#options.theme);
      this.#options.add(this.#answer.block);
    }
    this.#answer.append(text);
  }

  #onProposed({
    callId,
    name,
    arguments: input,
  }: Pick<AgentEventOf<"tool_proposed">, "callId" | "name" | "arguments">): void {
    this.#closeText();
    if (this.#tools.has(callId)) return;
    const tool = createToolBlock({ name, input, style: this.#options.theme.style });
    this.#tools.set(callId, tool);
    this.#options.add(tool.block);
  }

  #onFinished(event: AgentEventOf<"run_finished">): void {
    this.end();
    const { style } = this.#options.theme;
    const answer = event.text?.trim() ?? "";
    if (answer !== "" && answer !== this.#lastAnswer.trim()) this.#onText(answer);
    this.#closeText();
    if (event.reason !== "done") {
      const isFault = event.reason !== "waiting" && event.reason !== "aborted";
      const text = event.reason === "aborted" ? "interrupted" : `stopped (${event.reason})`;
      const paint = isFault ? style.red : style.dim;
      const message = event.reason === "aborted" || event.message === undefined ? "" : `: ${event.message}`;
      this.#options.add(createNoteBlock(text + message, { paint, mark: isFault ? "✗" : "·" }));
    }
    this.#summary = this.#summarise(event);
  }

  #summarise({ turns, toolCalls, durationMs, rescued }: AgentEventOf<"run_finished">): string {
    const parts = [formatDuration(durationMs)];
    if (turns > 1) parts.push(formatCounted(turns, "turn"));
    if (toolCalls > 0) parts.push(formatCounted(toolCalls, "call"));
    if (rescued > 0) parts.push(`${rescued} rescued`);
    if (this.#usage !== undefined) parts.push(formatUsage(this.#usage));
    return parts.filter((part) => part !== "").join(" · ");
  }

  #note(text: string): void {
    this.#options.add(createNoteBlock(text, { paint: this.#options.theme.style.dim, mark: "·" }));
  }

  #closeText(): void {
    this.#closeThinking();
    this.#closeAnswer();
  }

  #closeThinking(): void {
    this.#thinking?.finish();
    this.#thinking = undefined;
  }

  #closeAnswer(): void {
    if (this.#answer !== undefined) this.#lastAnswer = this.#answer.text;
    this.#answer = undefined;
  }
}
