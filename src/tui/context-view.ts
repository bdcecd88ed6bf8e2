/** What takes up the model's window, as a table with bars. */
import type { ContextPart, ContextUse } from "../core/index.ts";
import { formatCount } from "./format.ts";

const NAMES: Readonly<Record<ContextPart, string>> = {
  system: "system message",
  tools: "tools",
  user: "your messages",
  assistant: "the model's messages",
  notes: "notes of a compaction",
  results: "older results",
  newest_results: "last results",
};

const BAR_COLUMNS = 20;

/** Lines without styles; parts that are empty are left out. */
export function formatContextUse(use: ContextUse): string[] {
  const { windowTokens, totalTokens, freeTokens, source, compactAt } = use;
  const whole = Math.max(1, windowTokens ?? totalTokens);
  const parts = Object.entries(NAMES).map(([part, name]) => ({
    name,
    tokens: use.parts[part as ContextPart],
  }));
  const rows = parts.filter(({ tokens }) => tokens > 0);
  if (freeTokens !== undefined) rows.push({ name: "free", tokens: freeTokens });
  const nameColumns = Math.max(0, ...rows.map(({ name }) => name.length));
  const countColumns = Math.max(0, ...rows.map(({ tokens }) => formatCount(tokens).length));
  const of = windowTokens === undefined ? "" : ` of ${formatCount(windowTokens)}`;
  return [
    `${formatCount(totalTokens)}${of} tokens, ${source === "server" ? "as the server counts them" : "estimated"}`,
    ...rows.map(({ name, tokens }) => {
      const count = formatCount(tokens).padStart(countColumns);
      return `  ${name.padEnd(nameColumns)}  ${count}  ${toPercent(tokens, whole).padStart(4)}  ${toBar(tokens, whole)}`.trimEnd();
    }),
    ...(windowTokens === undefined ? ["The server does not say how large its window is."] : []),
    `The conversation is shortened at ${formatCount(compactAt)} tokens.`,
  ];
}

function toPercent(tokens: number, whole: number): string {
  const percent = (tokens * 100) / whole;
  return percent > 0 && percent < 1 ? "<1%" : `${Math.round(percent)}%`;
}

function toBar(tokens: number, whole: number): string {
  return "█".repeat(Math.min(BAR_COLUMNS, Math.round((tokens / whole) * BAR_COLUMNS)));
}
