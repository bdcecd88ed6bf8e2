/**
 * The view of one-shot runs and pipes. The answer goes to stdout and everything about the way there to stderr, so that
 * `lmagent "task" > answer.txt` keeps just the answer. Uses no cursor movement but one rewritten status line, and that
 * only where stderr is a terminal.
 */
import type { AgentEvent, AgentEventOf, ToolResult, Usage } from "../../core/index.ts";
import { PLAN_PROPOSE } from "../../core/plan-mode.ts";
import { toDiffLines } from "../diff-lines.ts";
import { formatCall, formatCount, formatCounted, formatDuration, formatUsage, shorten } from "../format.ts";
import { createPhase } from "../phase.ts";
import {
  createProgressLines,
  formatCompaction,
  formatPlan,
  formatPrefixBroken,
  formatTaskState,
} from "../progress.ts";
import { toStyle, type Style } from "../style.ts";
import { createTextStream, toTerminalLine, toTerminalText } from "../terminal-text.ts";
import { createSink, type Sink, type TextOutput } from "./sink.ts";
import { createStatusLine, type StatusLine } from "./status-line.ts";

export interface View {
  /** Resolves when the output takes more: await it before the next event. */
  onEvent(event: AgentEvent): Promise<void>;
  /** Ends the last line. Throws `AgentError` `storage_failed` when output was lost for another reason than a reader that left. */
  finish(): Promise<void>;
  /** Aborted when nobody reads stdout any more. */
  readonly closed: AbortSignal;
}

export interface PlainViewOptions {
  stdout: TextOutput;
  stderr: TextOutput;
  colour: boolean;
  /** Also thinking, live output of tools, and costs where stderr is no terminal. */
  verbose?: boolean;
  /** Milliseconds, monotonic; default `performance.now`. */
  now?: () => number;
}

const TICK_MS = 1_000;
const DIFF_LINES = 40;
const OUTPUT_LINES = 8;
const OUTPUT_CHARACTERS = 500;
const ERROR_CHARACTERS = 300;

export function createPlainView(options: PlainViewOptions): View {
  const view = new PlainView(options);
  return {
    closed: view.closed,
    onEvent: (event) => view.onEvent(event),
    finish: () => view.finish(),
  };
}

class PlainView {
  readonly #out: Sink;
  readonly #err: Sink;
  readonly #style: Style;
  readonly #verbose: boolean;
  /** Text can be shown as it streams: a person is watching stdout. */
  readonly #live: boolean;
  readonly #watched: boolean;
  readonly #phase;
  readonly #status: StatusLine;
  readonly #progress = createProgressLines();
  readonly #text = createTextStream();
  readonly #thinking = createTextStream();
  readonly #calls = new Map<string, string>();
  /** Text of this turn that may turn out to be no answer. */
  #held = "";
  /** Which stream has an unfinished line on the screen. */
  #open: "none" | "text" | "thinking" | "output" = "none";
  #streamed = "";
  #usage: Usage | undefined;
  #ticker: NodeJS.Timeout | undefined;

  constructor({ stdout, stderr, colour, verbose = false, now = () => performance.now() }: PlainViewOptions) {
    this.#out = createSink(stdout);
    this.#err = createSink(stderr);
    this.#style = toStyle({ colour });
    this.#verbose = verbose;
    this.#live = stdout.isTTY === true;
    this.#watched = stderr.isTTY === true;
    this.#phase = createPhase({ now });
    this.#status = createStatusLine(stderr, { style: this.#style, now });
  }

  get closed(): AbortSignal {
    return this.#out.closed;
  }

  async onEvent(event: AgentEvent): Promise<void> {
    clearInterval(this.#ticker);
    const before = this.#phase.text;
    const phase = this.#phase.update(event);
    await this.#show(event);
    // While a question is asked the last line is the user's.
    if (event.type === "approval_requested") return this.#err.write(this.#status.clear());
    // It may be asked already: whoever asks has cleared the line.
    if (asksAboutPlan(event)) return;
    if (this.#open !== "none" || phase === "") return;
    await this.#err.write(this.#status.show(phase, { force: phase !== before }));
    if (this.#watched && this.#phase.isCounting) this.#countDown();
  }

  /** Until the next event, since a prompt that is being read may bring none for minutes. */
  #countDown(): void {
    this.#ticker = setInterval(() => {
      void this.#err.write(this.#status.show(this.#phase.text, { force: true }));
    }, TICK_MS).unref();
  }

  async finish(): Promise<void> {
    clearInterval(this.#ticker);
    await this.#closeLine();
    await this.#err.write(this.#status.clear());
    this.#err.finish();
    this.#out.finish();
  }

  async #show(event: AgentEvent): Promise<void> {
    switch (event.type) {
      case "model_ready":
        return this.#verbose ? this.#line(this.#style.dim(formatModel(event))) : undefined;
      case "turn_started":
        return this.#onTurnStarted();
      case "text_delta":
        return this.#onText(event.text);
      case "thinking_delta":
        return this.#verbose ? this.#stream("thinking", this.#thinking.push(event.text)) : undefined;
      case "tool_proposed":
        this.#calls.set(event.callId, formatCall(event.name, event.arguments));
        return this.#setAside();
      case "tool_output":
        return this.#verbose ? this.#stream("output", toTerminalText(event.text)) : undefined;
      case "tool_finished":
        return this.#onToolFinished(event);
      case "mode_changed":
        return this.#line(this.#style.dim(`permission mode is now ${event.mode}`));
      case "usage":
        this.#usage = event.usage;
        return undefined;
      case "context_compacted":
        return this.#line(this.#style.dim(formatCompaction(event)));
      case "prefix_broken":
        return this.#line(this.#style.dim(formatPrefixBroken(event)));
      case "plan_changed":
        // Where somebody is asked about it, the question shows it.
        if (this.#watched && event.plan.status === "proposed") return undefined;
        return this.#onProgress(formatPlan(event.plan));
      case "task_state_changed":
        return this.#onProgress(formatTaskState(event.state));
      case "checkpoint_made":
        return this.#verbose
          ? this.#line(this.#style.dim(`files recorded for undo: ${toTerminalLine(event.id)}`))
          : undefined;
      case "warning":
        return this.#line(this.#style.yellow(`! ${toTerminalLine(event.message)}`));
      case "turn_finished":
        return this.#onTurnFinished();
      case "run_finished":
        return this.#onRunFinished(event);
      default:
        return undefined;
    }
  }

  async #onProgress(text: string): Promise<void> {
    const line = this.#progress.next(text);
    if (line !== undefined) await this.#line(this.#style.dim(line));
  }

  async #onTurnStarted(): Promise<void> {
    this.#streamed = "";
    await this.#setAside();
  }

  /** Text that was followed by a call or by another turn was no answer: it goes where the tool lines go. */
  async #setAside(): Promise<void> {
    const said = (this.#held + (this.#live ? "" : this.#text.flush())).trim();
    this.#held = "";
    if (said !== "") await this.#line(this.#style.dim(said));
  }

  async #onText(piece: string): Promise<void> {
    const text = this.#text.push(piece);
    if (!this.#live) {
      this.#held += text;
      return;
    }
    const shown = this.#streamed === "" ? text.trimStart() : text;
    this.#streamed += shown;
    await this.#stream("text", shown);
  }

  async #onTurnFinished(): Promise<void> {
    const rest = this.#text.flush();
    if (this.#live) await this.#stream("text", rest);
    else this.#held += rest;
    await this.#closeLine();
    const cost = this.#usage === undefined ? "" : formatUsage(this.#usage);
    this.#usage = undefined;
    if (cost !== "" && (this.#watched || this.#verbose)) await this.#line(this.#style.dim(`  ${cost}`));
  }

  async #onRunFinished(event: AgentEventOf<"run_finished">): Promise<void> {
    await this.#closeLine();
    await this.#err.write(this.#status.clear());
    const answer = toTerminalText(event.text ?? "").trim();
    if (answer !== "" && answer !== this.#streamed.trim()) await this.#out.write(`${answer}\n`);
    if (answer !== "") this.#held = "";
    await this.#setAside();
    this.#streamed = "";
    if (event.reason !== "done") await this.#line(this.#formatEnd(event));
    if (this.#verbose) await this.#line(this.#style.dim(formatTotals(event)));
  }

  #formatEnd({ reason, message }: AgentEventOf<"run_finished">): string {
    const text = `stopped (${reason})${message === undefined ? "" : `: ${toTerminalText(message).trim()}`}`;
    return reason === "waiting" ? this.#style.dim(text) : this.#style.red(`✗ ${text}`);
  }

  async #onToolFinished({ callId, name, result, durationMs }: AgentEventOf<"tool_finished">): Promise<void> {
    const call = this.#calls.get(callId) ?? toTerminalLine(name);
    this.#calls.delete(callId);
    const time = this.#style.dim(` (${formatDuration(durationMs)})`);
    if (result.ok) {
      await this.#line(`${this.#style.green("✓")} ${this.#style.dim(call)}${time}`);
      await this.#showDiff(result);
    } else {
      const error = shorten(toTerminalLine(result.error), ERROR_CHARACTERS);
      await this.#line(`${this.#style.red("✗")} ${this.#style.dim(call)}${time} ${this.#style.red(error)}`);
    }
    if (name === "shell") await this.#showOutput(result);
  }

  /** The last lines of a command; with `verbose` they have been shown as they came. */
  async #showOutput(result: ToolResult): Promise<void> {
    const output = result["output"];
    if (typeof output !== "string" || !this.#watched || this.#verbose) return;
    const text = toTerminalText(output).trimEnd();
    if (text === "") return;
    const lines = text.split("\n");
    const hidden = lines.length - OUTPUT_LINES;
    if (hidden > 0) await this.#line(this.#style.dim(`  … ${formatCounted(hidden, "more line")}`));
    for (const line of lines.slice(-OUTPUT_LINES)) {
      await this.#line(line === "" ? "" : this.#style.dim(`  ${shorten(line, OUTPUT_CHARACTERS)}`));
    }
  }

  async #showDiff(result: ToolResult): Promise<void> {
    const diff = result["diff"];
    if (typeof diff !== "string" || diff === "" || !(this.#watched || this.#verbose)) return;
    const lines = toDiffLines(diff, this.#style);
    for (const line of lines.slice(0, DIFF_LINES)) await this.#line(`  ${line}`);
    if (lines.length > DIFF_LINES)
      await this.#line(this.#style.dim(`  … ${lines.length - DIFF_LINES} more lines`));
  }

  /** One whole line on stderr. */
  async #line(text: string): Promise<void> {
    await this.#closeLine();
    await this.#err.write(`${this.#status.clear()}${text}\n`);
  }

  /** A piece of a stream, whose line may stay open. */
  async #stream(kind: "text" | "thinking" | "output", text: string): Promise<void> {
    if (text === "") return;
    if (this.#open !== kind) await this.#closeLine();
    await this.#err.write(this.#status.clear());
    await (kind === "text" ? this.#out.write(text) : this.#err.write(this.#style.dim(text)));
    this.#open = text.endsWith("\n") ? "none" : kind;
  }

  async #closeLine(): Promise<void> {
    const open = this.#open;
    this.#open = "none";
    if (open !== "none") await (open === "text" ? this.#out.write("\n") : this.#err.write("\n"));
  }
}

function formatModel({ model }: AgentEventOf<"model_ready">): string {
  const window =
    model.contextTokens === undefined ? "window unknown" : `window ${formatCount(model.contextTokens)}`;
  return `${toTerminalLine(model.id)} · ${model.server} · ${window}`;
}

/** A call that proposes a plan asks as soon as it runs. */
function asksAboutPlan(event: AgentEvent): boolean {
  if (event.type === "tool_started") return event.name === PLAN_PROPOSE;
  return event.type === "plan_changed" && event.plan.status === "proposed";
}

function formatTotals({ turns, toolCalls, durationMs, rescued }: AgentEventOf<"run_finished">): string {
  const parts = [formatCounted(turns, "turn"), formatCounted(toolCalls, "call")];
  if (rescued > 0) parts.push(`${rescued} rescued`);
  return [...parts, formatDuration(durationMs)].join(" · ");
}
