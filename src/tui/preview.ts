/** What a person is shown before they allow a call. Nothing in it is hidden: what cannot be seen is shown by its number. */
import type { ApprovalRequest, CallPreview } from "../core/index.ts";
import type { CommandPlace, RememberedCalls } from "../core/approval.ts";
import { quoteWord, toPartLines } from "./command-parts.ts";
import { parseDiff, toDiffPaint } from "./diff-lines.ts";
import { formatCount, shorten } from "./format.ts";
import { countBlanks, toPages, type PageLine, type Pages } from "./preview-pages.ts";
import type { Style } from "./style.ts";
import { toVisibleLine, toVisibleText } from "./terminal-text.ts";
import { wrapExactly } from "./wrap.ts";

/** A longer one is not shown whole by anything, so it can only be denied. */
const MOST_CHARACTERS = 1_000_000;
/** What is shown of such a one, at its beginning and at its end. */
const ENDS_CHARACTERS = 16_000;
/** More would hide the command itself. */
const PART_LINES = 60;
const PART_COLUMNS = 800;
const REASON_CHARACTERS = 600;
const NAME_CHARACTERS = 200;
const MOST_REASONS = 12;
const MOST_FILES = 10;
/** A longer offer is none: nobody could see what would be remembered. */
const OFFER_CHARACTERS = 400;

export interface PreviewPages extends Pages {
  /** Nobody can see all of it, so nobody can allow it. */
  tooLong: boolean;
}

/** What a call is about to do: the coloured diff, the command line and its parts, or prose. Of a long one its beginning and its end. */
export function toPreviewPages(preview: CallPreview, style: Style): PreviewPages {
  const { kind } = preview;
  const text = kind === "command" ? (preview.command ?? preview.text) : preview.text;
  if (text.length > MOST_CHARACTERS) return { ...toEnds({ kind, text }, style), tooLong: true };
  const { first, rest } = toPages(toLines({ kind, text }, style), style);
  return { first: kind === "command" ? [...first, ...toParts(text, style)] : first, rest, tooLong: false };
}

function toEnds({ kind, text }: Pick<CallPreview, "kind" | "text">, style: Style): Pages {
  const lines = (end: string) => toPages(toLines({ kind, text: end }, style), style).first;
  const missing = `… ${formatCount(text.length - 2 * ENDS_CHARACTERS)} more characters: too long to be shown, so it can only be denied …`;
  const first = [
    ...lines(text.slice(0, ENDS_CHARACTERS)),
    style.yellow(missing),
    ...lines(text.slice(-ENDS_CHARACTERS)),
  ];
  return { first, rest: [] };
}

function toParts(command: string, style: Style): string[] {
  const lines = toPartLines(command, style).flatMap((line) => wrapExactly(line, PART_COLUMNS));
  if (lines.length <= PART_LINES) return lines;
  return [style.yellow("it starts more programs than can be listed here: read all of it")];
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
  const { tool, prefix, version } = offer;
  const name = toVisibleLine(tool);
  const text =
    prefix === undefined
      ? `every call of ${name}${version === undefined ? "" : ", as long as its text stays as it is"}`
      : `every ${name} command that begins with \`${prefix.map(quoteWord).join(" ")}\``;
  return text.length > OFFER_CHARACTERS ? undefined : text;
}

function toLines({ kind, text }: Pick<CallPreview, "kind" | "text">, style: Style): PageLine[] {
  // Line ends of a file are no part of what is decided; in a command a carriage return is.
  const visible = countBlanks(toVisibleText(kind === "diff" ? text.replaceAll("\r\n", "\n") : text));
  if (kind === "diff")
    return parseDiff(visible).map((line) => ({
      text: line.text,
      empty: line.kind !== "file" && line.text.slice(1).trim() === "",
      paint: toDiffPaint(line.kind, style),
    }));
  return visible
    .replace(/\n+$/, "")
    .split("\n")
    .map((line, index) => ({
      text: line,
      empty: line.trim() === "",
      paint: (piece) => piece,
      ...(kind === "command" ? { mark: `${style.dim(index === 0 ? "$" : "·")} ` } : {}),
    }));
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
