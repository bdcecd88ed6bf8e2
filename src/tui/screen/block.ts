import { truncateToWidth, visibleWidth } from "@mariozechner/pi-tui";

export type BlockGroup = "banner" | "request" | "thinking" | "answer" | "tool" | "note";

/** One piece of the transcript: a request, an answer, a call. */
export interface Block {
  /** Calls stand together; everything else is set apart by an empty line. */
  readonly group: BlockGroup;
  /** Lines no wider than `width`; drawn again only after `changed`. No lines: nothing to show yet. */
  render(width: number, options: { expanded: boolean }): readonly string[];
  /** What `draw` shows is no longer what was drawn. */
  changed(): void;
}

export type DrawBlock = (width: number, options: { expanded: boolean }) => string[];

/** Narrower than this, everything is cut at the edge instead of wrapped. */
const MIN_WIDTH = 10;

export function createBlock(group: BlockGroup, draw: DrawBlock): Block {
  let cache: { width: number; expanded: boolean; lines: readonly string[] } | undefined;
  return {
    group,
    changed() {
      cache = undefined;
    },
    render(width, { expanded }) {
      if (cache?.width !== width || cache.expanded !== expanded) {
        const lines = draw(Math.max(MIN_WIDTH, width), { expanded });
        cache = { width, expanded, lines: lines.map((line) => fitLine(line, width)) };
      }
      return cache.lines;
    },
  };
}

/** Cuts what is too wide (the screen library refuses to draw it) and drops padding, which would wrap when the terminal narrows. */
export function fitLine(line: string, width: number): string {
  const trimmed = line.trimEnd();
  return visibleWidth(trimmed) <= width ? trimmed : truncateToWidth(trimmed, width, "…");
}
