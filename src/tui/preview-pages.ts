/**
 * A long text on pages, so that nobody allows what they have not seen: its beginning and its end at once, the rest on request. What
 * would only fill the screen (empty lines, long runs of blanks) is counted and not shown.
 */
import { formatCount } from "./format.ts";
import type { Style } from "./style.ts";

export interface Pages {
  /** Begin and end; between them, in words, how much is missing. */
  first: string[];
  /** What is missing, in order. */
  rest: string[][];
}

/** One line of a text, safe to write. */
export interface PageLine {
  text: string;
  /** `true`: nothing can be seen in it. */
  empty: boolean;
  paint: (text: string) => string;
  /** Before its first piece. */
  mark?: string;
}

/** What a line takes is counted on a terminal of this width. */
const COLUMNS = 80;
const PIECE_CHARACTERS = 800;
const HEAD_ROWS = 300;
const TAIL_ROWS = 100;
const PAGE_ROWS = 400;
/** More blanks in a row, or empty lines, are counted. */
const MOST_BLANKS = 100;
const MOST_EMPTY = 3;

interface Piece {
  shown: string;
  rows: number;
}

export function toPages(lines: readonly PageLine[], style: Style): Pages {
  const pieces = countEmpty(lines, style).flatMap(toPieces);
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  if (rows <= HEAD_ROWS + TAIL_ROWS) return { first: pieces.map(({ shown }) => shown), rest: [] };
  const headEnd = takeRows(pieces, 0, HEAD_ROWS);
  const backwards = pieces.toReversed();
  const tailStart = Math.max(headEnd, pieces.length - takeRows(backwards, 0, TAIL_ROWS));
  const show = (from: number, to: number): string[] => pieces.slice(from, to).map(({ shown }) => shown);
  const rest: string[][] = [];
  for (let at = headEnd; at < tailStart;) {
    const end = Math.min(tailStart, takeRows(pieces, at, PAGE_ROWS));
    rest.push(show(at, end));
    at = end;
  }
  const missing = style.yellow(`… ${describeMissing(rest)} not shown yet …`);
  return { first: [...show(0, headEnd), missing, ...show(tailStart, pieces.length)], rest };
}

/** `102 lines are`. */
export function describeMissing(rest: Pages["rest"]): string {
  const count = rest.reduce((sum, page) => sum + page.length, 0);
  return count === 1 ? "1 line is" : `${formatCount(count)} lines are`;
}

/** Runs of blanks that would push what follows out of sight. */
export function countBlanks(text: string): string {
  return text.replace(/[ \t]+/g, (blanks) =>
    blanks.length > MOST_BLANKS ? ` <${formatCount(blanks.length)} blanks> ` : blanks,
  );
}

/** The index after the last piece that has room; at least one is taken. */
function takeRows(pieces: readonly Piece[], from: number, most: number): number {
  let left = most;
  let at = from;
  while (at < pieces.length && (at === from || left >= pieces[at]!.rows)) {
    left -= pieces[at]!.rows;
    at += 1;
  }
  return at;
}

function countEmpty(lines: readonly PageLine[], { yellow }: Style): PageLine[] {
  const kept: PageLine[] = [];
  for (let at = 0; at < lines.length;) {
    let end = at;
    while (lines[end]?.empty === true) end += 1;
    if (end - at > MOST_EMPTY)
      kept.push({ text: `… ${formatCount(end - at)} empty lines`, empty: false, paint: yellow });
    else kept.push(...lines.slice(at, Math.max(end, at + 1)));
    at = Math.max(end, at + 1);
  }
  return kept;
}

function toPieces({ text, paint, mark = "" }: PageLine): Piece[] {
  const parts = text.match(PIECES) ?? [""];
  return parts.map((part, index) => ({
    shown: (index === 0 ? mark : "") + paint(part),
    rows: Math.max(1, Math.ceil(countColumns(part) / COLUMNS)),
  }));
}

const PIECES = new RegExp(`[^]{1,${PIECE_CHARACTERS}}`, "gu");

/** On the careful side: wide characters take two columns, and so may others. */
function countColumns(text: string): number {
  // oxlint-disable-next-line no-control-regex -- all of ASCII
  return text.length + text.replace(/[\u0000-\u10ff]/g, "").length;
}
