/**
 * The door of the views. The interactive screen has its own door, `screen/index.ts`, which is imported only when a
 * screen is drawn.
 */
export * from "./plain/index.ts";
export { formatDiffSize, toDiffLines } from "./diff-lines.ts";
export {
  formatBytes,
  formatCall,
  formatCount,
  formatDuration,
  formatRate,
  formatTokens,
  formatUsage,
  shorten,
} from "./format.ts";
export { COLOURED, COLOURLESS } from "./style.ts";
export { createTextStream, toTerminalLine, toTerminalText } from "./terminal-text.ts";
