import type { ToolSchema } from "../../core/model.ts";
import { createCodeContext } from "../code-context.ts";
import { readLooseJson } from "../loose-json.ts";
import type { FormScope, WrittenCall } from "./form.ts";
import { parametersOf, skipSpace, toParameter } from "./form.ts";
import { isExact, readExactCalls } from "./exact.ts";
import { skipMark } from "./json-calls.ts";
import type { FormedCall } from "./marked.ts";
import { holdsBack } from "./lead.ts";
import { presents } from "./placement.ts";

/** Forms whose marks are ordinary text elsewhere, so they count only as the end of an answer, whole and for declared tools. */
interface EndingForm {
  name: string;
  read(
    text: string,
    at: number,
    scope: FormScope,
  ): { end: number; calls: readonly WrittenCall[] } | undefined;
}

const FENCE = ["```json", "```"];

/** `Action: read` and `Action Input: {…}` on the next line. */
const react: EndingForm = {
  name: "Action: in text",
  read(text, at, scope) {
    const head = /Action:[ \t]*([\w.-]+)[ \t]*\n\s*Action Input:\s*/y;
    return readNamedJson(text, at, { head, scope });
  },
};

/** Command R before 08-2024: `Action:` and a fenced list of calls. */
const commandR: EndingForm = {
  name: "Action: in text",
  read(text, at, scope) {
    const start = skipMark(text, at + "Action:".length, FENCE);
    const found =
      text.startsWith("Action:", at) && start !== undefined
        ? readExactCalls(text, skipSpace(text, start), scope)
        : undefined;
    const end = found && skipMark(text, found.end, ["```"]);
    return found && end !== undefined ? { end, calls: found.calls } : undefined;
  },
};

/** Functionary 3: `>>>read` and the arguments on the next line. */
const functionary: EndingForm = {
  name: ">>> in text",
  read: (text, at, scope) => readNamedJson(text, at, { head: />>>([\w.-]+)[ \t]*\n\s*/y, scope }),
};

/** `<read><path>a.txt</path></read>`: each parameter in a tag of its name. */
const tags: EndingForm = {
  name: "tags of tool names in text",
  read(text, at, scope) {
    const name = /<([\w.-]+)>/y;
    name.lastIndex = at;
    const [whole = "", tool = ""] = name.exec(text) ?? [];
    if (!isDeclared(tool, scope.tools)) return undefined;
    const found = readTags(text, at + whole.length, { scope, tool });
    return found && { end: found.end, calls: [{ ...found.call, raw: text.slice(at, found.end) }] };
  },
};

const FORMS: readonly EndingForm[] = [react, commandR, functionary, tags];

/** What such calls begin with, at the start of a line. */
export function endingOpeners(tools: readonly ToolSchema[]): string[] {
  const names = tools.map((tool) => tool.function.name);
  return names.length === 0 ? [] : ["Action:", ...names.flatMap((name) => [`>>>${name}\n`, `<${name}>`])];
}

/** Calls with which the answer ends, after words that do not present them. */
export function readEndingCalls(
  text: string,
  scope: FormScope,
): { text: string; calls: FormedCall[] } | undefined {
  const openers = endingOpeners(scope.tools).map((opener) => opener.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const start = new RegExp(`^(?:${openers.join("|")})`, "gm");
  const context = createCodeContext();
  let fed = 0;
  for (let hit = start.exec(text); hit; hit = start.exec(text)) {
    context.feed(text.slice(fed, hit.index));
    fed = hit.index;
    if (context.inCode) continue;
    const before = text.slice(0, hit.index).trim();
    const calls = presents(before) || holdsBack(before) ? undefined : readToEnd(text, hit.index, scope);
    return calls && { text: before, calls };
  }
  return undefined;
}

function readToEnd(text: string, from: number, scope: FormScope): FormedCall[] | undefined {
  const calls: FormedCall[] = [];
  let at = from;
  while (at < text.length) {
    const found = readOne(text, at, scope);
    if (!found) return undefined;
    calls.push(...found.calls);
    at = skipSpace(text, skipMark(text, found.end, ["Observation:"]) ?? found.end);
  }
  return calls;
}

function readOne(
  text: string,
  at: number,
  scope: FormScope,
): { end: number; calls: FormedCall[] } | undefined {
  for (const form of FORMS) {
    const found = form.read(text, at, scope);
    if (found && found.calls.every((call) => isExact(call, scope.tools)))
      return { end: found.end, calls: found.calls.map((call) => ({ ...call, form: form.name })) };
  }
  return undefined;
}

function readNamedJson(
  text: string,
  at: number,
  { head, scope }: { head: RegExp; scope: FormScope },
): { end: number; calls: WrittenCall[] } | undefined {
  head.lastIndex = at;
  const [whole = "", name = ""] = head.exec(text) ?? [];
  if (name === "") return undefined;
  const fence = skipMark(text, at + whole.length, FENCE);
  const start = skipSpace(text, fence ?? at + whole.length);
  if (text[start] !== "{") return undefined;
  const loose = readLooseJson(text, { at: start, closeOpen: scope.complete });
  if (!loose.ok) return undefined;
  const end = fence === undefined ? loose.end : skipMark(text, loose.end, ["```"]);
  const call = { name, arguments: loose.value, raw: text.slice(at, loose.end) };
  return end === undefined ? undefined : { end, calls: [call] };
}

function readTags(
  text: string,
  from: number,
  { scope, tool }: { scope: FormScope; tool: string },
): { end: number; call: Omit<WrittenCall, "raw"> } | undefined {
  const declared = parametersOf(scope.tools, tool);
  const values = new Map<string, unknown>();
  const names = Object.keys(declared);
  const follows = [`</${tool}>`, ...names.map((name) => `<${name}>`)];
  let at = from;
  for (let end = skipMark(text, at, [`</${tool}>`]); ; end = skipMark(text, at, [`</${tool}>`])) {
    if (end !== undefined) return { end, call: { name: tool, arguments: Object.fromEntries(values) } };
    const start = skipMark(text, at, follows);
    const key = start === undefined ? "" : (/<([\w.-]+)>$/.exec(text.slice(at, start))?.[1] ?? "");
    if (start === undefined || values.has(key)) return undefined;
    const close = findClose(text, start, { key, follows });
    if (close < 0) return undefined;
    const value = text.slice(start, close).replace(/^\r?\n|\r?\n$/g, "");
    values.set(key, toParameter(declared[key]?.type ?? "string", value));
    at = close + key.length + 3;
  }
}

/** The end of a value is the one after which the call goes on; the value may be a file that holds such tags. */
function findClose(
  text: string,
  start: number,
  { key, follows }: { key: string; follows: readonly string[] },
): number {
  const tag = `</${key}>`;
  let close = text.indexOf(tag, start);
  while (close >= 0 && skipMark(text, close + tag.length, follows) === undefined)
    close = text.indexOf(tag, close + 1);
  return close;
}

function isDeclared(name: string, tools: readonly ToolSchema[]): boolean {
  return tools.some((tool) => tool.function.name === name);
}
