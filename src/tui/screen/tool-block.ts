import { truncateToWidth, visibleWidth } from "@mariozechner/pi-tui";
import type { CallPreview, ToolResult } from "../../core/index.ts";
import { formatDiffSize, toDiffLines } from "../diff-lines.ts";
import { formatCount, formatDuration, shorten, toCallSummary } from "../format.ts";
import { toPreviewPages } from "../preview.ts";
import type { Style } from "../style.ts";
import { toTerminalText } from "../terminal-text.ts";
import { wrapExactly } from "../wrap.ts";
import { createBlock, type Block } from "./block.ts";
import { wrapText } from "./text-blocks.ts";
import { formatWritten, toWrittenText } from "./written.ts";

export interface ToolBlock {
  readonly block: Block;
  /** What the call would do is shown in full until `resolve`. */
  ask(preview: CallPreview): void;
  resolve(): void;
  start(): void;
  output(text: string): void;
  /** `durationMs` is left out where nobody knows it any more. */
  finish(result: ToolResult, durationMs?: number): void;
  /** The run ended before the call did. */
  abandon(): void;
}

const TAIL_LINES = 5;
/** Live output kept for the tail and for details; the result itself is what counts afterwards. */
const TAIL_CHARACTERS = 20_000;
const DIFF_LINES = 24;
const ERROR_LINES = 3;
const DETAIL_LINES = 300;
const LONG_BODY_LINES = 12;
/** More than any terminal is wide: a line of a megabyte is not measured to its end. */
const LINE_CHARACTERS = 2_000;
const TAB = "    ";
const BAR_COLUMNS = 4;

type State = "proposed" | "asking" | "running" | "done" | "failed" | "abandoned";

interface Call {
  state: State;
  /** What the call writes to a file. */
  written: string | undefined;
  tail: string;
  preview?: CallPreview;
  /** The user was asked: what they saw stays as they saw it. */
  wasAsked?: boolean;
  result?: ToolResult;
  durationMs?: number;
}

/** A call: one line, with its live output, its diff or its error below. */
export function createToolBlock({
  name,
  input,
  style,
}: {
  name: string;
  input: unknown;
  style: Style;
}): ToolBlock {
  const summary = toCallSummary(name, input);
  const call: Call = { state: "proposed", tail: "", written: toWrittenText(name, input) };
  const block = createBlock("tool", (width, { expanded }) => [
    drawHeader(call, { name: summary.name, subject: summary.subject, width, style }),
    ...drawBody(call, { width, style, expanded }),
  ]);
  const update = (changes: Partial<Call>) => {
    Object.assign(call, changes);
    block.changed();
  };
  return {
    block,
    ask: (preview) => update({ state: "asking", wasAsked: true, preview }),
    resolve: () => update({ state: "proposed" }),
    start: () => update({ state: "running" }),
    output: (text) => update({ tail: (call.tail + text).slice(-TAIL_CHARACTERS) }),
    finish: (result, durationMs) =>
      update({
        state: result.ok ? "done" : "failed",
        result,
        ...(durationMs === undefined ? {} : { durationMs }),
      }),
    abandon() {
      if (call.result === undefined) update({ state: "abandoned" });
    },
  };
}

interface HeaderOptions {
  name: string;
  subject: string;
  width: number;
  style: Style;
}

function drawHeader(call: Call, { name, subject, width, style }: HeaderOptions): string {
  const meta = toMeta(call);
  const suffix = meta === "" ? "" : `  ${style.dim(meta)}`;
  const room = width - visibleWidth(suffix);
  const text = `${toMark(call.state, style)} ${style.bold(name)}${subject === "" ? "" : ` ${subject}`}`;
  return (visibleWidth(text) <= room ? text : truncateToWidth(text, Math.max(1, room), "…")) + suffix;
}

function toMark(state: State, style: Style): string {
  if (state === "done") return style.green("✓");
  if (state === "failed") return style.red("✗");
  if (state === "asking") return style.yellow("?");
  if (state === "running") return style.cyan("●");
  return style.dim(state === "abandoned" ? "✗" : "○");
}

function toMeta(call: Call): string {
  const { state, result, durationMs } = call;
  if (result === undefined) return state === "abandoned" ? "interrupted" : "";
  // A call that never ran took no time.
  const hasRun = durationMs !== undefined && (durationMs > 0 || result.ok);
  return [toChangeSize(call), hasRun ? formatDuration(durationMs) : "", toLength(result)]
    .filter((part) => part !== "")
    .join(" · ");
}

function toChangeSize({ result, written, preview }: Call): string {
  const diff = toDiff(result);
  if (diff !== undefined) return formatDiffSize(diff);
  if (result?.ok !== true || written === undefined) return "";
  return preview?.kind === "diff" ? formatDiffSize(preview.text) : formatWritten(written, result);
}

/** How much is behind the details key. */
function toLength(result: ToolResult): string {
  const lines = result.ok ? result.output.trimEnd().split("\n").length : 0;
  return lines > 1 ? `${formatCount(lines)} lines` : "";
}

function toDiff(result: ToolResult | undefined): string | undefined {
  const diff = result?.["diff"];
  return typeof diff === "string" && diff !== "" ? diff : undefined;
}

interface BodyOptions {
  width: number;
  style: Style;
  expanded: boolean;
}

function drawBody(call: Call, options: BodyOptions): string[] {
  const lines = [...drawChange(call, options), ...drawOutput(call, options)];
  const meta = toMeta(call);
  // The line at the top may have left the screen by the time the call ends.
  const foot = meta !== "" && lines.length > LONG_BODY_LINES;
  return foot ? [...lines, `  ${toMark(call.state, options.style)} ${options.style.dim(meta)}`] : lines;
}

/** What the call does or did: the question as it was asked, or the diff. */
function drawChange(call: Call, options: BodyOptions): string[] {
  const { style, expanded } = options;
  const { preview, state } = call;
  if (preview !== undefined && (state === "asking" || (call.wasAsked === true && preview.kind === "diff"))) {
    return drawQuestion(preview, options);
  }
  const diff = toDiff(call.result);
  if (diff === undefined) return expanded ? drawWritten(call, style) : [];
  const lines = toDiffLines(shortenLines(withoutNames(diff)), style);
  return bar(head(lines, expanded ? DETAIL_LINES : DIFF_LINES, style), style);
}

function drawWritten({ written = "", state }: Call, style: Style): string[] {
  if (written === "" || state !== "done") return [];
  const lines = shortenLines(toTerminalText(written).replace(/\n$/, "")).split("\n");
  return bar(
    head(
      lines.map((line) => style.green(`+${line}`)),
      DETAIL_LINES,
      style,
    ),
    style,
  );
}

function shortenLines(text: string): string {
  return text
    .split("\n")
    .map((line) => shorten(line, LINE_CHARACTERS))
    .join("\n");
}

/** The call says which file it is. */
function withoutNames(diff: string): string {
  return diff.startsWith("--- ") ? diff.slice(Math.max(0, diff.indexOf("@@ "))) : diff;
}

/** Of a question what its call showed at first; more is added below on request. */
function drawQuestion(preview: CallPreview, options: BodyOptions): string[] {
  return wrapWhole(toPreviewPages(preview, options.style).first, options);
}

/** One more page of what a question is about. */
export function createPageBlock(lines: readonly string[], { style }: { style: Style }): Block {
  return createBlock("tool", (width) => wrapWhole(lines, { width, style }));
}

/** Wrapped and not cut: nobody can allow what they cannot read. */
function wrapWhole(
  lines: readonly string[],
  { width, style }: Pick<BodyOptions, "width" | "style">,
): string[] {
  const wrapped = lines.flatMap((line) => wrapExactly(line, Math.max(1, width - BAR_COLUMNS)));
  return bar(wrapped, style);
}

function drawOutput(call: Call, options: BodyOptions): string[] {
  const { state, result } = call;
  if (state === "asking" || (state === "done" && !options.expanded)) return [];
  const error = result?.ok === false ? drawError(result.error, options) : [];
  return bar([...drawLines(toShownOutput(call), call, options), ...error], options.style);
}

/** Of a call that went well the result; of one that is going or did not end well, what was seen while it ran. */
function toShownOutput({ tail, result }: Call): string {
  const output = result?.["output"];
  const wasSeen = tail !== "" && result?.ok !== true;
  const text = toTerminalText(wasSeen || typeof output !== "string" ? tail : output).trimEnd();
  // An error ends with the output where that is short.
  return result?.ok === false && toTerminalText(result.error).endsWith(text.trim()) ? "" : text;
}

function drawLines(text: string, { state }: Call, { style, expanded }: BodyOptions): string[] {
  if (text === "") return [];
  const lines = text.split("\n").map((line) => style.dim(shorten(line, LINE_CHARACTERS)));
  const latest = lines.slice(-TAIL_LINES);
  if (!expanded) return latest;
  const isCut = state !== "done" && lines.length > DETAIL_LINES;
  return [...head(lines, DETAIL_LINES, style), ...(isCut ? latest : [])];
}

function drawError(error: string, { width, style, expanded }: BodyOptions): string[] {
  const lines = wrapText(shorten(error, TAIL_CHARACTERS), {
    width: width - BAR_COLUMNS,
    paint: style.red,
    indent: "",
  });
  return head(lines, expanded ? DETAIL_LINES : ERROR_LINES, style);
}

function head(lines: readonly string[], most: number, style: Style): string[] {
  if (lines.length <= most) return [...lines];
  return [...lines.slice(0, most), style.dim(`… ${lines.length - most} more lines`)];
}

/** Sets lines below a call. */
function bar(lines: readonly string[], style: Style): string[] {
  return lines.map((line) => `  ${style.dim("│")} ${line.replaceAll("\t", TAB)}`);
}
