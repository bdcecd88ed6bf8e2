import type { EditorTheme, MarkdownTheme, SelectListTheme } from "@mariozechner/pi-tui";
import type { Style } from "../style.ts";

/** How the screen looks: one accent colour, grey for what is secondary, red and green only for outcomes. */
export interface Theme {
  style: Style;
  markdown: MarkdownTheme;
  editor: EditorTheme;
}

export function createTheme(style: Style): Theme {
  return { style, markdown: toMarkdownTheme(style), editor: toEditorTheme(style) };
}

function toMarkdownTheme(style: Style): MarkdownTheme {
  return {
    heading: (text) => style.bold(text),
    link: style.cyan,
    linkUrl: style.dim,
    code: style.cyan,
    codeBlock: (text) => text,
    codeBlockBorder: style.dim,
    quote: style.italic,
    quoteBorder: style.dim,
    hr: style.dim,
    listBullet: style.cyan,
    bold: style.bold,
    italic: style.italic,
    strikethrough: style.strike,
    underline: style.underline,
    codeBlockIndent: "",
  };
}

function toEditorTheme(style: Style): EditorTheme {
  const selectList: SelectListTheme = {
    selectedPrefix: style.cyan,
    selectedText: style.cyan,
    description: style.dim,
    scrollInfo: style.dim,
    noMatch: style.dim,
  };
  return { borderColor: style.dim, selectList };
}
