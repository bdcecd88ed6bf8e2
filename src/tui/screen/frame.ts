/**
 * Everything on the screen: the transcript above, and the bottom (spinner, input, status) below it.
 *
 * Lines that have scrolled out of the terminal cannot be changed any more, and rewriting them would mean to erase and
 * replay the whole conversation. So what has scrolled out is kept as it was drawn: a block that changes later changes
 * only in the part still on the screen. That bounds the work of a frame, keeps the user's scrollback, and never flickers.
 */
import type { Component } from "@mariozechner/pi-tui";
import { fitLine, type Block, type BlockGroup } from "./block.ts";

export interface FrameOptions {
  rows: () => number;
  bottom: Component;
  /** Asks the screen library to draw everything again on a cleared screen. */
  redrawAll: () => void;
}

interface Entry {
  block: Block;
  /** As it was last drawn, its separating empty line included. */
  drawn: readonly string[];
  /** Lines at its beginning that are above the screen since the last redraw of everything; infinite: all of it. */
  hidden: number;
}

/** When more lines than this have been drawn, those off the screen are let go. */
const MAX_LINES = 1_200;
/** Blocks that can still be shown in full with the details key. */
const MAX_BLOCKS = 200;

export class Frame implements Component {
  readonly #options: FrameOptions;
  #entries: Entry[] = [];
  #expanded = false;
  #size = { width: 0, rows: 0 };
  #bottomLines = 0;
  /** Lines drawn in the last frame. */
  #drawnLines = 0;
  #restart: "screen" | "details" | "none" = "none";
  #leaving = false;

  constructor(options: FrameOptions) {
    this.#options = options;
  }

  add(block: Block): void {
    this.#entries.push({ block, drawn: [], hidden: 0 });
  }

  /** Starts over on a clean screen; what is in the scrollback stays there. */
  clear(): void {
    this.#entries = [];
    this.#redraw("screen");
  }

  /** Shows or hides the details of what is on the screen and of the current exchange. */
  toggleDetails(): void {
    this.#expanded = !this.#expanded;
    this.#redraw("details");
  }

  redraw(): void {
    this.#redraw("screen");
  }

  /** From now on the bottom is gone: the last frame before the terminal is given back. */
  leave(): void {
    this.#leaving = true;
  }

  invalidate(): void {
    for (const { block } of this.#entries) block.changed();
    this.#options.bottom.invalidate();
  }

  render(width: number): string[] {
    const rows = this.#options.rows();
    const bottom = this.#leaving
      ? []
      : this.#options.bottom.render(width).map((line) => fitLine(line, width));
    this.#prepare({ width, rows, bottomLines: bottom.length });
    const top = Math.max(0, this.#drawnLines - rows);
    const body = this.#drawBody(width, top);
    // The input stays where it is when something above it gets shorter.
    const gap = top === 0 || this.#leaving ? 0 : Math.max(0, top + rows - body.length - bottom.length);
    const lines = [...body, ...Array<string>(gap).fill(""), ...bottom];
    this.#bottomLines = bottom.length;
    this.#drawnLines = lines.length;
    // Not at once: the screen library is in the middle of drawing.
    if (lines.length > MAX_LINES) queueMicrotask(() => this.#redraw("screen"));
    return lines;
  }

  #redraw(restart: "screen" | "details"): void {
    if (this.#restart !== "details") this.#restart = restart;
    this.#options.redrawAll();
  }

  /** After a change of size, or when asked to, decides anew what is on the screen. */
  #prepare({ width, rows, bottomLines }: { width: number; rows: number; bottomLines: number }): void {
    const before = this.#size;
    const resized = before.width !== 0 && (before.width !== width || before.rows !== rows);
    if (!resized && this.#restart === "none") {
      this.#size = { width, rows };
      return;
    }
    // A terminal that gets shorter may drop the lines below the cursor instead of scrolling: show as many again.
    const again = Math.min(bottomLines, Math.max(0, before.rows - rows));
    const top = Math.max(0, this.#drawnLines - before.rows);
    const inDetail = this.#restart === "details";
    const from = inDetail ? this.#firstDetailed(top) : this.#entries.length;
    // What a bottom that grew pushes up is in no scrollback yet.
    const pushed = Math.max(0, bottomLines - this.#bottomLines);
    const room = rows - bottomLines + again + (inDetail ? 0 : this.#countUndrawn() + pushed);
    this.#size = { width, rows };
    this.#restart = "none";
    this.#drawnLines = 0;
    this.#hideAbove({ width, room, from: from - this.#forgetOld(from) });
  }

  /** Lines that came since the last frame: they have never been on the screen and must not be hidden. */
  #countUndrawn(): number {
    let previous: BlockGroup | undefined;
    let count = 0;
    for (const { block, drawn, hidden } of this.#entries) {
      const { length } = this.#draw(block, this.#size.width, previous);
      if (length > 0) previous = block.group;
      count += Math.max(0, length - hidden - drawn.length);
    }
    return count;
  }

  /** The block from which details are shown: the first on the screen, or the newest request if that is further up. */
  #firstDetailed(top: number): number {
    let at = 0;
    const visible = this.#entries.findIndex(({ drawn }) => (at += drawn.length) > top);
    const candidates = [this.#newestRequest(), visible].filter((index) => index >= 0);
    return Math.min(...candidates, this.#entries.length);
  }

  #newestRequest(): number {
    return this.#entries.findLastIndex(({ block }) => block.group === "request");
  }

  /** Drops what can never be shown again; returns how many blocks that were. */
  #forgetOld(from: number): number {
    const count = this.#entries.length;
    // Every block has at least one line, so this many blocks fill the screen.
    const unseen = Math.min(from, this.#newestRequest(), count - this.#size.rows);
    const old = Math.max(0, unseen, count - MAX_BLOCKS);
    this.#entries.splice(0, old);
    return old;
  }

  /** Leaves `room` lines of transcript, and more only from block `from` on. */
  #hideAbove({ width, room, from }: { width: number; room: number; from: number }): void {
    let previous: BlockGroup | undefined;
    const lengths = this.#entries.map(({ block }) => {
      const { length } = this.#draw(block, width, previous);
      if (length > 0) previous = block.group;
      return length;
    });
    let left = room;
    for (let index = this.#entries.length - 1; index >= 0; index -= 1) {
      const length = lengths[index] ?? 0;
      const cut = index >= from ? 0 : length - Math.max(0, left);
      this.#entries[index]!.drawn = [];
      this.#entries[index]!.hidden =
        length > 0 && cut >= length ? Number.POSITIVE_INFINITY : Math.max(0, cut);
      left -= length;
    }
  }

  #drawBody(width: number, top: number): string[] {
    const body: string[] = [];
    let previous: BlockGroup | undefined;
    for (const entry of this.#entries) {
      const scrolledOut = Math.min(entry.drawn.length, Math.max(0, top - body.length));
      const gone = scrolledOut > 0 && scrolledOut === entry.drawn.length;
      if (!gone && entry.hidden !== Number.POSITIVE_INFINITY) {
        const lines = this.#draw(entry.block, width, previous).slice(entry.hidden);
        entry.drawn = [...entry.drawn.slice(0, scrolledOut), ...lines.slice(scrolledOut)];
      }
      if (entry.drawn.length + entry.hidden > 0) previous = entry.block.group;
      for (const line of entry.drawn) body.push(line);
    }
    return body;
  }

  /** A block's lines with the empty line that sets it apart from the one before. */
  #draw(block: Block, width: number, previous: BlockGroup | undefined): readonly string[] {
    const lines = block.render(width, { expanded: this.#expanded });
    const together = previous === undefined || (previous === "tool" && block.group === "tool");
    return lines.length === 0 || together ? lines : ["", ...lines];
  }
}
