import { readLooseJson } from "../loose-json.ts";
import type { FormScope, WrittenCall } from "./form.ts";
import { parametersOf, skipSpace } from "./form.ts";

const HEAD = /\s*(?:print\(\s*)?(?:[\w]+\.)?([A-Za-z_]\w*)\s*\(/y;

/** Gemma writes calls as Python inside a fence named `tool_code`: `read(path="a.txt")`. Only keywords with plain values. */
export function readPythonCalls(text: string, { tools }: FormScope): WrittenCall[] | undefined {
  const calls: WrittenCall[] = [];
  let at = 0;
  while (skipSpace(text, at) < text.length) {
    HEAD.lastIndex = at;
    const head = HEAD.exec(text);
    if (!head?.[1]) return undefined;
    const body = readKeywords(text, at + head[0].length, Object.keys(parametersOf(tools, head[1])));
    if (!body) return undefined;
    calls.push({ name: head[1], arguments: body.values, raw: text.slice(at, body.end).trim() });
    at = head[0].includes("print") && text[body.end] === ")" ? body.end + 1 : body.end;
    const comma = skipSpace(text, at);
    if (text[comma] === ",") at = comma + 1;
  }
  return calls.length > 0 ? calls : undefined;
}

/** Llama 4 and others: the whole answer is `[read(path="a.txt"), ls()]`. */
export function readPythonList(text: string, scope: FormScope): WrittenCall[] | undefined {
  const inner = /^\s*\[\s*([A-Za-z_][\s\S]*\))\s*\]\s*$/.exec(text)?.[1];
  return inner === undefined ? undefined : readPythonCalls(inner, scope);
}

function readKeywords(
  text: string,
  from: number,
  declared: readonly string[],
): { values: Record<string, unknown>; end: number } | undefined {
  const entries: [string, unknown][] = [];
  let at = skipSpace(text, from);
  while (text[at] !== ")") {
    const keyword = /([A-Za-z_]\w*)\s*=\s*/y;
    keyword.lastIndex = at;
    const found = keyword.exec(text);
    // A value alone can only be meant for the one parameter there is.
    const key = found?.[1] ?? (entries.length === 0 && declared.length === 1 ? declared[0] : undefined);
    const value = readLooseJson(text, { at: at + (found?.[0].length ?? 0) });
    if (key === undefined || !value.ok) return undefined;
    entries.push([key, value.value]);
    at = skipSpace(text, value.end);
    if (text[at] === ",") at = skipSpace(text, at + 1);
    else if (text[at] !== ")") return undefined;
  }
  return { values: Object.fromEntries(entries), end: at + 1 };
}
