/** How numbers and calls are worded, the same in every view. */
import type { Usage } from "../core/index.ts";
import { toTerminalLine } from "./terminal-text.ts";

export function formatDuration(durationMs: number): string {
  const ms = Math.max(0, durationMs);
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return joinUnits(`${minutes} min`, seconds % 60, "s");
  return joinUnits(`${Math.floor(minutes / 60)} h`, minutes % 60, "min");
}

/** An estimate, in whole seconds or more: `8 s`, `1 min 20 s`. */
export function formatWait(durationMs: number): string {
  const seconds = Math.max(1, Math.ceil(durationMs / 1_000));
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1_000);
}

function joinUnits(large: string, rest: number, unit: string): string {
  return rest === 0 ? large : `${large} ${rest} ${unit}`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 999_500) return `${(bytes / 1_000).toFixed(bytes < 9_950 ? 1 : 0)} kB`;
  if (bytes < 999_500_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}

/** 1234567 → `1,234,567`. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 step`, `1,200 steps`: nouns that take an s. */
export function formatCounted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** 3400 → `3.4k`: where there is little room. */
export function formatTokens(tokens: number): string {
  if (tokens < 1_000) return String(Math.round(tokens));
  if (tokens < 9_950) return `${(tokens / 1_000).toFixed(1)}k`;
  if (tokens < 999_500) return `${Math.round(tokens / 1_000)}k`;
  return `${(tokens / 1_000_000).toFixed(1)}M`;
}

export function formatRate(tokensPerSecond: number): string {
  return `${tokensPerSecond < 99.95 ? tokensPerSecond.toFixed(1) : Math.round(tokensPerSecond)} tok/s`;
}

/** What a turn cost, by the server's own count: `1,100 cached · 240 new · 85 out · 23.4 tok/s`. Empty when it says nothing. */
export function formatUsage(usage: Usage): string {
  const parts: string[] = [];
  const { promptTokens, cachedTokens, completionTokens, decodeTokensPerSecond } = usage;
  if (promptTokens !== undefined && cachedTokens !== undefined) {
    parts.push(
      `${formatCount(cachedTokens)} cached`,
      `${formatCount(Math.max(0, promptTokens - cachedTokens))} new`,
    );
  } else if (promptTokens !== undefined) {
    parts.push(`${formatCount(promptTokens)} in`);
  }
  if (completionTokens !== undefined) parts.push(`${formatCount(completionTokens)} out`);
  if (decodeTokensPerSecond !== undefined) parts.push(formatRate(decodeTokensPerSecond));
  return parts.join(" · ");
}

export interface CallSummary {
  name: string;
  /** What the call is about, on one line; may be empty. */
  subject: string;
}

/** Arguments that say most about a call, the most telling first. */
const SUBJECT_ARGUMENTS = [
  "command",
  "path",
  "pattern",
  "message",
  "name",
  "query",
  "objective",
  "text",
  "todo_id",
  "step_id",
];
const SUBJECT_CHARACTERS = 200;

/** `read` and `notes.txt`, `shell` and `npm test`: a call on one line. */
export function toCallSummary(name: string, input: unknown): CallSummary {
  return {
    name: toTerminalLine(name),
    subject: shorten(toTerminalLine(toSubject(name, input)), SUBJECT_CHARACTERS),
  };
}

export function formatCall(name: string, input: unknown): string {
  const summary = toCallSummary(name, input);
  return summary.subject === "" ? summary.name : `${summary.name} ${summary.subject}`;
}

function toSubject(name: string, input: unknown): string {
  if (typeof input === "string") return input;
  if (typeof input !== "object" || input === null) return "";
  const fields = input as Record<string, unknown>;
  if (name === "grep" || name === "glob") return toSearchSubject(fields);
  for (const key of SUBJECT_ARGUMENTS) {
    const text = toShortText(fields[key]);
    if (text !== "") return key === "path" ? text + toLineRange(fields) : text;
  }
  return Object.values(fields).map(toShortText).find(Boolean) ?? "";
}

function toSearchSubject(fields: Record<string, unknown>): string {
  const where = [toShortText(fields["path"]), toShortText(fields["glob"])].filter(Boolean).join(" ");
  return toShortText(fields["pattern"]) + (where === "" ? "" : ` in ${where}`);
}

function toLineRange({ offset, limit }: Record<string, unknown>): string {
  if (typeof offset !== "number") return "";
  return typeof limit === "number" ? `:${offset}-${offset + limit - 1}` : `:${offset}-`;
}

function toShortText(value: unknown): string {
  if (typeof value === "string") return value.slice(0, SUBJECT_CHARACTERS * 2);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value))
    return value
      .filter((item) => typeof item === "string")
      .join(" ")
      .slice(0, SUBJECT_CHARACTERS * 2);
  return "";
}

/** At most `length` UTF-16 units, the last one `…` when something was cut. No surrogate pair is split. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, Math.max(0, length - 1)).replace(/[\ud800-\udbff]$/, "")}…`;
}
