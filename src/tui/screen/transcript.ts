import type { Message } from "../../core/index.ts";
import { createBlock, type Block } from "./block.ts";
import type { Frame } from "./frame.ts";
import { toTranscriptBlocks } from "./replay.ts";
import { createNoteBlock, wrapText } from "./text-blocks.ts";
import type { Theme } from "./theme.ts";

/** Adds to the upper part of the screen what is no event of a run. */
export interface Transcript {
  /** The banner and a conversation that was had before. */
  open(messages: readonly Message[]): void;
  print: (text: string) => void;
  /** A command line as it was typed. */
  echo: (text: string) => void;
  warn: (text: string) => void;
  fail: (text: string) => void;
}

export function createTranscript(
  frame: Frame,
  options: { theme: Theme; banner: readonly string[] },
): Transcript {
  const { theme, banner } = options;
  const { style } = theme;
  return {
    open(messages) {
      if (banner.length > 0) frame.add(createBannerBlock(banner, theme));
      for (const block of toTranscriptBlocks(messages, theme)) frame.add(block);
    },
    print: (text) => frame.add(createNoteBlock(text, { paint: (line) => line })),
    echo: (text) => frame.add(createNoteBlock(text, { paint: style.dim, mark: "›" })),
    warn: (text) => frame.add(createNoteBlock(text, { paint: style.yellow, mark: "!" })),
    fail: (text) => frame.add(createNoteBlock(text, { paint: style.red, mark: "✗" })),
  };
}

function createBannerBlock(banner: readonly string[], { style }: Theme): Block {
  return createBlock("banner", (width) =>
    banner.flatMap((text, index) => wrapText(text, { width, paint: index === 0 ? style.bold : style.dim })),
  );
}
