import type { ToolSchema } from "../../core/model.ts";
import type { CodeContext } from "../code-context.ts";
import { createCodeContext } from "../code-context.ts";
import { endingOpeners } from "./ending.ts";
import { OPENERS } from "./forms.ts";
import { FIRST_KEYS } from "./json-calls.ts";
import { isQuoted } from "./placement.ts";
import { CALL_FENCES } from "./unmarked.ts";

export interface TextGate {
  /** Takes text and returns what can be shown for certain. What is held comes out of the finished reply. */
  push(text: string): string;
  /** Characters held back right now. */
  readonly heldChars: number;
  /** The tool that what is held back seems to call; empty when there is no telling. */
  readonly heldName: string;
}

export interface TextGateOptions {
  /** What can be called; with nothing all text is shown as it comes. */
  tools: readonly ToolSchema[];
}

/** What is held longest before it is shown after all; a call of this size would be a whole large file. */
const MAX_HELD_CHARS = 256 * 1024;
/** A name comes early or not at all. */
const NAME_CHARS = 400;
const STARTS = /[<[`{fA>]/;

/** Holds back text that is or may become a call, so that the user never sees one that runs. */
export function createTextGate({ tools }: TextGateOptions): TextGate {
  const openers = endingOpeners(tools);
  const context = createCodeContext();
  let held = "";
  // Shown only with what follows it: at the end of a reply, and before a call, it is dropped.
  let space = "";
  let begun = false;
  let open = false;
  let name = "";
  let until: Hold["until"] = "more";

  const show = (text: string): string => {
    const shown = (begun ? space : "") + text;
    context.feed(text);
    held = held.slice(text.length);
    space = "";
    begun = true;
    return shown;
  };
  const step = (): string | undefined => {
    const body = held.trimStart();
    if (body.length < held.length) {
      const skipped = held.slice(0, held.length - body.length);
      context.feed(skipped);
      space += skipped;
      held = body;
    }
    if (held === "") return undefined;
    const start = tools.length > 0 ? held.search(STARTS) : -1;
    if (start !== 0) return show((start < 0 ? held : held.slice(0, start)).trimEnd());
    const verdict = judge(held, context, openers);
    if (typeof verdict === "number") return show(held.slice(0, verdict));
    until = verdict.until;
    return undefined;
  };
  return {
    push(text) {
      if (open) return text;
      held += text;
      // What is held to the end needs no second look at every piece, which would cost its whole length.
      const decided = until === "end" || (until === "tick" && !text.includes("`"));
      if (decided && held.length <= MAX_HELD_CHARS) return "";
      let shown = "";
      for (let part = step(); part !== undefined; part = step()) shown += part;
      if (held.length <= MAX_HELD_CHARS) return shown;
      open = true;
      return shown + show(held);
    },
    get heldChars() {
      return held.length;
    },
    get heldName() {
      if (name === "" && held.length < NAME_CHARS) {
        name = /"name"\s*:\s*"([\w.-]+)"|<function=([\w.-]+)/.exec(held)?.slice(1).find(Boolean) ?? "";
      }
      return name;
    },
  };
}

/** Until when nothing needs to be looked at again: the next piece, a backtick, or the end of the reply. */
interface Hold {
  until: "more" | "tick" | "end";
}

/** What may follow a fenced call. */
const LOST_TAGS = ["</tool_call>", "</tools>"];

const MORE: Hold = { until: "more" };
const TO_THE_END: Hold = { until: "end" };

/** Hold, or how many characters may be shown. */
function judge(held: string, context: CodeContext, openers: readonly string[]): Hold | number {
  const lineStart = context.line.trim() === "";
  if (held.startsWith("`") && lineStart && !context.fenced) return judgeFence(held);
  if (/^[{[]/.test(held) && lineStart && !context.fenced) {
    const verdict = judgeJson(held);
    if (verdict) return verdict;
  }
  if (context.inCode || isQuoted(context.line)) return 1;
  if (/^[fA>]/.test(held) && !lineStart) return 1;
  const mark =
    OPENERS.find((opener) => opener.startsWith(held.slice(0, opener.length))) ??
    (lineStart ? openers.find((opener) => opener.startsWith(held.slice(0, opener.length))) : undefined);
  if (mark === undefined) return 1;
  return mark.length <= held.length ? TO_THE_END : MORE;
}

function judgeFence(held: string): Hold | number {
  const head = /^(`+)[ \t]*([\w-]*)([ \t]*\n?\s*)/.exec(held);
  const [whole = "", ticks = "", language = "", space = ""] = head ?? [];
  if (whole.length === held.length && space === "") {
    const possible = CALL_FENCES.some((name) => name.startsWith(language.toLowerCase()));
    return possible && ticks.length <= 3 ? MORE : ticks.length;
  }
  if (ticks.length < 3 || !CALL_FENCES.includes(language.toLowerCase())) return ticks.length;
  const body = held.slice(whole.length);
  if (body === "") return MORE;
  const verdict = language === "tool_code" || body.startsWith("<") ? TO_THE_END : judgeJson(body);
  if (!verdict) return ticks.length;
  const close = held.indexOf(`\n${ticks}`, whole.length);
  if (close < 0) return verdict === MORE ? MORE : { until: "tick" };
  // Words after the fence make it an answer.
  const end = close + 1 + ticks.length;
  const after = held.slice(end).trim();
  const followed = after === "" || after.startsWith("`") || LOST_TAGS.some((tag) => tag.startsWith(after));
  return followed ? MORE : end;
}

/** The first key decides early that JSON is no call. */
function judgeJson(text: string): Hold | undefined {
  const list = /^\[\s*[A-Za-z_][\w.]*(\(?)/.exec(text);
  if (list) return list[1] === "(" ? TO_THE_END : list[0].length === text.length ? MORE : undefined;
  const head = /^\s*(?:\[\s*)?(?:\{{1,2}\s*(?:(["'])([A-Za-z_]*)(\1?))?)?/.exec(text);
  const [whole = "", quote, key = "", end] = head ?? [];
  const open = whole.length === text.length ? MORE : undefined;
  if (quote === undefined) return open;
  if (end === quote) return FIRST_KEYS.includes(key) ? TO_THE_END : undefined;
  return FIRST_KEYS.some((name) => name.startsWith(key)) ? open : undefined;
}
