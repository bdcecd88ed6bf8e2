/** Where a value in `<parameter=…>…</parameter>` ends, when the value itself may hold such tags: it is often a file. */

const PREFIX = "(?:[｜|]DSML[｜|])?";
const TAG = new RegExp(`<(/?)${PREFIX}(parameter|function|invoke)(?=[\\s=>])`, "g");
const CLOSE = new RegExp(`</${PREFIX}parameter>`, "g");
/** What may follow a value: the next one, or the end of the call. */
const FOLLOWS = new RegExp(
  `\\s*(?:$|<${PREFIX}parameter(?:=|\\s+name=)|</${PREFIX}(?:function|invoke)>|</(?:[\\w:]*tool_call|function_calls)>|<\\|im_end\\|>|</s>)`,
  "y",
);
const NEXT_LINE = new RegExp(`\\n\\s*<${PREFIX}parameter(?:=|\\s+name=)\\s*"?([\\w.-]+)"?[^<>]*>`, "g");
const LAST_LINE = new RegExp(
  `\\n\\s*(?:</${PREFIX}(?:function|invoke)>|</tool_call>)(?=\\s*(?:$|</(?:[\\w:]*tool_call|function_calls)>|<\\|im_end\\|>|<tool_call>|<${PREFIX}(?:function|invoke)[\\s=]))`,
  "g",
);

export interface XmlValue {
  /** End of the value. */
  at: number;
  /** Where to read on. */
  end: number;
}

/**
 * Reads the value that begins at `start`. `undefined`: it does not end; `"unclear"`: it could end in several places.
 * `isNext` tells whether a parameter of this name can still come.
 */
export function readXmlValue(
  text: string,
  start: number,
  isNext: (name: string) => boolean,
): XmlValue | "unclear" | undefined {
  const balanced = findBalanced(text, start);
  if (balanced && matchesAt(FOLLOWS, text, balanced.end)) return balanced;
  const closed = findFollowed(text, start);
  const open = findForgotten(text, { start, limit: closed?.at ?? text.length, isNext });
  const found = open ?? closed;
  if (!found || found === "unclear") return found;
  const holds = text.slice(start, found.at);
  return (open && /<\/?parameter[\s=>]/.test(holds)) || /<(?:function=|invoke )/.test(holds)
    ? "unclear"
    : found;
}

/** How many tags after a call are looked at; what is left of a value comes soon. */
const WALKED_TAGS = 200;

/** A value ends after the call that did not begin there: what was read as the end of the call was part of that value. */
export function hasStrayEnd(text: string, from: number): boolean {
  const open: string[] = [];
  TAG.lastIndex = from;
  let tag = TAG.exec(text);
  for (let walked = 0; tag && walked < WALKED_TAGS; walked += 1) {
    const [whole, slash, name = ""] = tag;
    const { lastIndex } = TAG;
    if (slash === "" && name === "parameter" && open.length === 0) return true;
    if (slash === "") open.push(name);
    else if (open.at(-1) === name) open.pop();
    else if (name === "parameter" && matchesAt(FOLLOWS, text, tag.index + whole.length + 1)) return true;
    TAG.lastIndex = lastIndex;
    tag = TAG.exec(text);
  }
  return false;
}

/** The closing tag that belongs to the value when all tags within are closed in their order. */
function findBalanced(text: string, start: number): XmlValue | undefined {
  const open: string[] = [];
  TAG.lastIndex = start;
  for (let tag = TAG.exec(text); tag; tag = TAG.exec(text)) {
    const [whole, slash, name = ""] = tag;
    if (slash === "") open.push(name);
    else if (open.length === 0 && name === "parameter")
      return { at: tag.index, end: tag.index + whole.length + 1 };
    else if (open.pop() !== name) return undefined;
  }
  return undefined;
}

/** The first closing tag after which the call goes on or ends. */
function findFollowed(text: string, start: number): XmlValue | undefined {
  CLOSE.lastIndex = start;
  for (let close = CLOSE.exec(text); close; close = CLOSE.exec(text)) {
    const end = close.index + close[0].length;
    if (matchesAt(FOLLOWS, text, end)) return { at: close.index, end };
  }
  return undefined;
}

/** Where the closing tag was forgotten: the next tag of the call on a line of its own. */
function findForgotten(
  text: string,
  { start, limit, isNext }: { start: number; limit: number; isNext: (name: string) => boolean },
): XmlValue | "unclear" | undefined {
  LAST_LINE.lastIndex = start;
  const last = LAST_LINE.exec(text)?.index ?? limit;
  NEXT_LINE.lastIndex = start;
  let next = NEXT_LINE.exec(text);
  while (next && !isNext(next[1] ?? "")) next = NEXT_LINE.exec(text);
  const at = Math.min(last, next?.index ?? limit);
  if (at >= limit) return undefined;
  // Either this value lacks its end and another call follows, or the value is a text about calls.
  return last < limit && limit < text.length && at === last ? "unclear" : { at: at + 1, end: at + 1 };
}

function matchesAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}
