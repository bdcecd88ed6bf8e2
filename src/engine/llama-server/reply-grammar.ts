/**
 * What a reply has to look like as one grammar that rules from its first token on. `llama-server` knows grammars that wake up at a word,
 * but that word also counts in the middle of thinking, and once awake such a grammar rules to the end. So text, thinking and calls are
 * written as one automaton: every state is a rule, and the way from tag to tag is spelled out.
 */
import type { CallGrammar, ReplyGrammar } from "../protocol.ts";

type Thinking = NonNullable<ReplyGrammar["thinking"]>;

const OUTSIDE = "lm-text";
const INSIDE = "lm-thinking";
const CALL = "lm-call";
const REPLY = "lm-reply";
const SPACE = "lm-space";

/** GBNF; `undefined` when nothing is constrained. */
export function toServerGrammar({ answer, calls, ...rest }: ReplyGrammar): string | undefined {
  const thinking = isUsable(rest.thinking) ? rest.thinking : undefined;
  if (answer !== undefined) return thinking === undefined ? answer : toAnswerGrammar(answer, thinking);
  return calls === undefined ? undefined : toCallsGrammar(calls, thinking);
}

/** Tags of no letters would be everywhere. */
function isUsable(thinking: ReplyGrammar["thinking"]): boolean {
  return thinking !== undefined && thinking.open !== "" && thinking.close !== "";
}

function toAnswerGrammar(answer: string, thinking: Thinking): string {
  const root = thinking.startsInside
    ? `${INSIDE}-0`
    : // Space before the tag would be a way into thinking for models that do not think.
      `${REPLY} | ${toLiteral(thinking.open)} ${INSIDE}-0`;
  return [
    `root ::= ${root}`,
    // The model must come to its answer: thinking cannot be the end.
    ...toScanRules(INSIDE, [{ tag: thinking.close, next: `${SPACE} ${REPLY}` }], { mayEnd: false }),
    `${SPACE} ::= [ \\t\\r\\n]{0,8}`,
    renameRules(answer, (name) => (name === "root" ? REPLY : `a-${name}`)),
  ].join("\n");
}

function toCallsGrammar(calls: CallGrammar, thinking: Thinking | undefined): string {
  const { fromStart, afterOpen, open, single } = calls;
  if (fromStart !== undefined && single) return fromStart;
  const after = single ? "" : ` ${OUTSIDE}-0`;
  const isInside = thinking?.startsInside === true && fromStart === undefined;
  const root = fromStart === undefined ? `${isInside ? INSIDE : OUTSIDE}-0` : `${REPLY} ${OUTSIDE}-0`;
  const exits = [
    { tag: open, next: `${CALL}${after}` },
    ...(thinking === undefined ? [] : [{ tag: thinking.open, next: `${INSIDE}-0` }]),
  ];
  return [
    `root ::= ${root}`,
    ...toScanRules(OUTSIDE, exits, { mayEnd: true }),
    ...(thinking === undefined
      ? []
      : toScanRules(INSIDE, [{ tag: thinking.close, next: `${OUTSIDE}-0` }], { mayEnd: true })),
    renameRules(afterOpen, (name) => (name === "root" ? CALL : `c-${name}`)),
    ...(fromStart === undefined
      ? []
      : [renameRules(fromStart, (name) => (name === "root" ? REPLY : `s-${name}`))]),
  ].join("\n");
}

interface Exit {
  tag: string;
  /** GBNF of what follows the tag. */
  next: string;
}

/** Any text up to a tag, as an automaton of Aho and Corasick: state n has seen the n-th beginning of a tag. */
function toScanRules(name: string, exits: readonly Exit[], { mayEnd }: { mayEnd: boolean }): string[] {
  const tags = exits.map(({ tag, next }) => ({ letters: Array.from(tag), next }));
  const beginnings = [
    ...new Set(tags.flatMap(({ letters }) => letters.map((_, at) => letters.slice(0, at).join("")))),
  ];
  const alphabet = [...new Set(tags.flatMap(({ letters }) => letters))];
  const others = `[^${alphabet.map(toEscape).join("")}] ${name}-0`;
  const toState = (seen: string): string => {
    // The longest end of what was seen that begins a tag; the empty one always does.
    for (let rest = Array.from(seen); ; rest = rest.slice(1)) {
      const state = beginnings.indexOf(rest.join(""));
      if (state >= 0) return `${name}-${state}`;
    }
  };
  return beginnings.map((seen, state) => {
    const ways = alphabet.map((letter) => {
      const text = seen + letter;
      const exit = tags.find(({ letters }) => text.endsWith(letters.join("")));
      return `${toLiteral(letter)} ${exit === undefined ? toState(text) : exit.next}`;
    });
    return `${name}-${state} ::= ${[others, ...ways, ...(mayEnd ? ['""'] : [])].join(" | ")}`;
  });
}

function toLiteral(text: string): string {
  return `"${Array.from(text, toEscape).join("")}"`;
}

function toEscape(letter: string): string {
  if (/[A-Za-z0-9]/.test(letter)) return letter;
  return `\\U${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(8, "0")}`;
}

/** Literals, classes, repetitions, tokens and comments, in which words are no names of rules; then words. */
const PIECE = /"(?:\\[^]|[^"\\])*"|\[(?:\\[^]|[^\]\\])*\]|\{[^}]*\}|<[^>]*>|#[^\n]*|[A-Za-z0-9-]+/g;

/** So that grammars made apart can be one. */
function renameRules(gbnf: string, rename: (name: string) => string): string {
  return gbnf.replace(PIECE, (piece) => (/^[A-Za-z0-9-]/.test(piece) ? rename(piece) : piece));
}
