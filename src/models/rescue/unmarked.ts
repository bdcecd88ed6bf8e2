import type { FormScope } from "./form.ts";
import { skipSpace } from "./form.ts";
import type { Found } from "./exact.ts";
import { isExact, readExactCalls } from "./exact.ts";
import type { FormedCall } from "./marked.ts";
import { readMarked } from "./marked.ts";
import { announcesAction, announcesEffect } from "./placement.ts";
import { OPENERS } from "./forms.ts";
import { readPythonCalls, readPythonList } from "./python-call.ts";

/** Names of fences in which models write calls; any other language is an answer. */
export const CALL_FENCES: readonly string[] = [
  "",
  "json",
  "tool_call",
  "tool_calls",
  "tool_code",
  "tool",
  "tool_use",
  "function_call",
  "function",
  "xml",
];

/** The whole answer is JSON, and exactly calls of declared tools. */
export function readBareCalls(text: string, scope: FormScope): FormedCall[] | undefined {
  const listed = readPythonList(text, scope);
  if (listed?.every((call) => isExact(call, scope.tools))) {
    return listed.map((call) => ({ ...call, form: "a list of calls as the answer" }));
  }
  const calls: FormedCall[] = [];
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const found = readExactCalls(text, at, scope);
    if (!found) return undefined;
    calls.push(...found.calls.map((call) => ({ ...call, form: "JSON as the answer" })));
    at = skipSpace(text, found.end);
    if (/[,;]/.test(text[at] ?? "") && skipSpace(text, at + 1) < text.length) at = skipSpace(text, at + 1);
  }
  return calls.length > 0 ? calls : undefined;
}

/** The same with one sentence after it that says what the calls do. */
export function readExplainedCalls(
  text: string,
  scope: FormScope,
): { text: string; calls: FormedCall[] } | undefined {
  const [, json = "", words = ""] = /^([\s\S]*[}\]])\s*\n\s*([^\n]+?)\s*$/.exec(text) ?? [];
  const calls = announcesEffect(words) ? readBareCalls(json, scope) : undefined;
  return calls && { text: words, calls };
}

/** The same at the end of an answer, on lines of its own after the announcement of an action. */
export function readAnnouncedCalls(
  text: string,
  scope: FormScope,
): { text: string; calls: FormedCall[] } | undefined {
  const first = text.search(/^[ \t]*(?:\[\s*)?\{/m);
  if (first <= 0) return undefined;
  const before = text.slice(0, first).trim();
  // The inside of a marked call that is not meant is no call either.
  if (OPENERS.some((opener) => before.endsWith(opener))) return undefined;
  const calls = announcesAction(before) ? readBareCalls(text.slice(first), scope) : undefined;
  return calls && { text: before, calls };
}

/** Fenced calls that end the answer, with nothing before them but the announcement of an action. */
export function readFencedCalls(
  text: string,
  scope: FormScope,
): { text: string; calls: FormedCall[] } | undefined {
  const first = text.search(/^[ \t]*`{3}/m);
  if (first < 0) return undefined;
  const before = text.slice(0, first).trim();
  if (before !== "" && !announcesAction(before)) return undefined;
  const calls: FormedCall[] = [];
  let at = first;
  while (skipSpace(text, at) < text.length) {
    const found = readFence(text, at, scope);
    if (!found) return undefined;
    calls.push(...found.calls);
    at = found.end;
  }
  return { text: before, calls };
}

function readFence(text: string, at: number, scope: FormScope): Found | undefined {
  const open = /\s*(`{3,})[ \t]*([\w-]*)\s*/y;
  open.lastIndex = at;
  const [whole = "", ticks = "```", language = ""] = open.exec(text) ?? [];
  if (whole === "" || !CALL_FENCES.includes(language.toLowerCase())) return undefined;
  const start = at + whole.length;
  const body = readFenceBody(text, start, { scope, language, ticks });
  if (!body) return undefined;
  const end = skipSpace(text, body.end);
  const form = language === "" ? "fenced JSON" : `fenced ${language}`;
  const calls = body.calls.map((call) => ({ ...call, form }));
  if (text.startsWith(ticks, end)) return { end: end + ticks.length, calls };
  return end === text.length ? { end, calls } : undefined;
}

function readFenceBody(
  text: string,
  start: number,
  { scope, language, ticks }: { scope: FormScope; language: string; ticks: string },
): Found | undefined {
  const first = text[start];
  if (first === "{" || first === "[")
    return readExactCalls(text, start, scope) ?? readMarked(text, start, scope);
  if (first === "<") return readMarked(text, start, scope);
  if (language !== "tool_code") return undefined;
  const close = text.indexOf(ticks, start);
  const end = close < 0 ? text.length : close;
  const calls = close < 0 && !scope.complete ? undefined : readPythonCalls(text.slice(start, end), scope);
  if (!calls?.every((call) => isExact(call, scope.tools))) return undefined;
  return { end, calls: calls.map((call) => ({ ...call, form: "" })) };
}
