import type { CodeContext } from "../code-context.ts";
import { createCodeContext } from "../code-context.ts";
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

/** What is held longest before it is shown after all; a call of this size would be a whole large file. */
const MAX_HELD_CHARS = 256 * 1024;
const STARTS = /[<[`{f]/;

/** Holds back text that is or may become a call, so that the user never sees one that runs. */
export function createTextGate({
  calls,
}: {
  /** Whether there is anything to call. */ calls: boolean;
}): TextGate {
  const context = createCodeContext();
  let held = "";
  // Shown only with what follows it: at the end of a reply, and before a call, it is dropped.
  let space = "";
  let begun = false;
  let open = false;

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
    const start = calls ? held.search(STARTS) : -1;
    if (start !== 0) return show((start < 0 ? held : held.slice(0, start)).trimEnd());
    const verdict = judge(held, { begun, context });
    return verdict === "hold" ? undefined : show(held.slice(0, verdict));
  };
  return {
    push(text) {
      if (open) return text;
      held += text;
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
      return (
        /"name"\s*:\s*"([\w.-]+)"|<function=([\w.-]+)/.exec(held.slice(0, 400))?.slice(1).find(Boolean) ?? ""
      );
    },
  };
}

interface GateState {
  begun: boolean;
  context: CodeContext;
}

/** `hold`, or how many characters may be shown. */
function judge(held: string, { begun, context }: GateState): "hold" | number {
  const lineStart = context.line.trim() === "";
  if (held.startsWith("`") && lineStart && !context.fenced) return judgeFence(held);
  if (held.startsWith("{") || held.startsWith("[")) {
    if (!begun && couldBeginCall(held)) return "hold";
  }
  if (context.inCode || isQuoted(context.line)) return 1;
  if (held.startsWith("f") && !lineStart) return 1;
  const isMark = OPENERS.some((opener) => opener.startsWith(held.slice(0, opener.length)));
  return isMark ? "hold" : 1;
}

function judgeFence(held: string): "hold" | number {
  const head = /^(`+)[ \t]*([\w-]*)([ \t]*\n?\s*)/.exec(held);
  const [whole = "", ticks = "", language = "", space = ""] = head ?? [];
  if (whole.length === held.length && space === "") {
    const possible = CALL_FENCES.some((name) => name.startsWith(language.toLowerCase()));
    return possible && ticks.length <= 3 ? "hold" : ticks.length;
  }
  if (ticks.length < 3 || !CALL_FENCES.includes(language.toLowerCase())) return ticks.length;
  const body = held.slice(whole.length);
  if (body === "") return "hold";
  const possible = language === "tool_code" || body.startsWith("<") || couldBeginCall(body);
  if (!possible) return ticks.length;
  // Words after the fence make it an answer.
  const close = held.indexOf(`\n${ticks}`, whole.length);
  const after = close < 0 ? "" : held.slice(close + 1 + ticks.length).trim();
  return after === "" || after.startsWith("`") || "```".startsWith(after) ? "hold" : close + 1 + ticks.length;
}

/** The first key decides early that JSON is no call. */
function couldBeginCall(text: string): boolean {
  const head = /^\s*(?:\[\s*)?(?:\{\s*(?:(["'])([A-Za-z_]*)(\1?))?)?/.exec(text);
  const [whole = "", quote, key = "", end] = head ?? [];
  if (quote === undefined) return whole.length === text.length;
  if (end === quote) return FIRST_KEYS.includes(key);
  return whole.length === text.length && FIRST_KEYS.some((name) => name.startsWith(key));
}
