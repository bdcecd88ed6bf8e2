/** What a person is shown before they allow a call. Nothing in it is hidden: what cannot be seen is shown by its number. */
import type { ApprovalRequest, CallPreview } from "../core/index.ts";
import type { CommandPlace, RememberedCalls } from "../core/approval.ts";
import { toDiffLines } from "./diff-lines.ts";
import { formatCount, shorten } from "./format.ts";
import type { Style } from "./style.ts";
import { quoteWord, toPartLines } from "./command-parts.ts";
import { toVisibleLine, toVisibleText } from "./terminal-text.ts";

/** More than anybody reads; beyond it the question says what is not shown. */
const PREVIEW_LINES = 400;
const PREVIEW_CHARACTERS = 60_000;
const REASON_CHARACTERS = 600;
const NAME_CHARACTERS = 200;
const MOST_REASONS = 12;
const MOST_FILES = 10;
/** A longer offer is none: nobody could see what would be remembered. */
const OFFER_CHARACTERS = 400;

/** What a call is about to do: the coloured diff, the command line and its parts, or prose. */
export function toPreviewLines(preview: CallPreview, style: Style): string[] {
  const { kind } = preview;
  const text = kind === "command" ? (preview.command ?? preview.text) : preview.text;
  const visible = toVisible({ kind, text: text.slice(0, PREVIEW_CHARACTERS) });
  const lines = paintLines({ kind, text: visible.slice(0, PREVIEW_CHARACTERS) }, style);
  const hidden = countHidden({
    characters:
      Math.max(0, text.length - PREVIEW_CHARACTERS) + Math.max(0, visible.length - PREVIEW_CHARACTERS),
    lines: lines.length,
  });
  const shown = lines.slice(0, PREVIEW_LINES);
  if (hidden !== "") shown.push(style.yellow(`… ${hidden} are not shown`));
  return kind === "command" ? [...shown, ...toPartLines(text, style)] : shown;
}

/** Where a command would run, and which files a call writes. */
export function toFacts({ preview, arguments: input }: ApprovalRequest): string[] {
  const { kind, place, writes = [] } = preview;
  const facts: string[] = [];
  if (kind === "command" || place !== undefined) facts.push([toFolder(input), ...toPlace(place)].join(" · "));
  if (writes.length > 0) {
    const names = writes.slice(0, MOST_FILES).map((path) => shorten(toVisibleLine(path), NAME_CHARACTERS));
    if (writes.length > MOST_FILES) names.push(`and ${formatCount(writes.length - MOST_FILES)} more`);
    facts.push(`writes ${names.join(", ")}`);
  }
  return facts;
}

/** Why a person is asked, each reason once: `why` often names the concerns already. */
export function toReasons({ why, preview }: Pick<ApprovalRequest, "why" | "preview">): string[] {
  const others = preview.concerns.filter((concern) => !why.includes(concern));
  const reasons = [why, ...others]
    .map((reason) => shorten(toVisibleLine(reason.trim()), REASON_CHARACTERS))
    .filter((reason) => reason !== "");
  const more = reasons.length - MOST_REASONS;
  return more > 0 ? [...reasons.slice(0, MOST_REASONS), `and ${formatCount(more)} more reasons`] : reasons;
}

export function toToolName(tool: string): string {
  return shorten(toVisibleLine(tool), NAME_CHARACTERS);
}

/** Exactly what an answer would be remembered for; `undefined` when nothing is offered, or nothing that can be shown. */
export function describeOffer(offer: RememberedCalls | undefined): string | undefined {
  if (offer === undefined) return undefined;
  const { tool, prefix } = offer;
  const name = toVisibleLine(tool);
  const text =
    prefix === undefined
      ? `every call of ${name}`
      : `every ${name} command that begins with \`${prefix.map(quoteWord).join(" ")}\``;
  return text.length > OFFER_CHARACTERS ? undefined : text;
}

function toVisible({ kind, text }: Pick<CallPreview, "kind" | "text">): string {
  // Line ends of a file are no part of what is decided; in a command a carriage return is.
  return toVisibleText(kind === "diff" ? text.replaceAll("\r\n", "\n") : text);
}

function paintLines({ kind, text }: Pick<CallPreview, "kind" | "text">, style: Style): string[] {
  if (kind === "diff") return toDiffLines(text, style);
  const lines = text.replace(/\n+$/, "").split("\n");
  if (kind === "text") return lines;
  return lines.map((line, index) => `${style.dim(index === 0 ? "$" : "·")} ${line}`);
}

function countHidden({ characters, lines }: { characters: number; lines: number }): string {
  const parts: string[] = [];
  if (lines > PREVIEW_LINES) parts.push(`${formatCount(lines - PREVIEW_LINES)} more lines`);
  if (characters > 0) parts.push(`${formatCount(characters)} more characters`);
  return parts.join(" and ");
}

function toFolder({ cwd }: Readonly<Record<string, unknown>>): string {
  if (typeof cwd !== "string" || cwd === "" || cwd === ".") return "runs in the workspace";
  return `runs in ${shorten(toVisibleLine(cwd), NAME_CHARACTERS)}`;
}

function toPlace(place: CommandPlace | undefined): string[] {
  if (place === undefined) return [];
  const { backend, isolated, network } = place;
  return [
    isolated ? backend : `${backend}, not isolated`,
    network === "none" ? "no network" : "with network",
  ];
}
