/** Tells an answer from the announcement of an action that should have been a call. */

const VERBS =
  "read|writ|creat|add|edit|updat|chang|modif|fix|run|runn|execut|check|double-check|look|open|list|search|find|start|begin|proceed|continu|call|mak|install|test|inspect|examin|explor|implement|delet|remov|renam|mov|copy|view|verif|apply|sav|commit|tak|analyz|analys|investigat|review|go through|set up";
const INTENT =
  "i(?:'|’)?ll|i will|i am going to|i(?:'|’)m going to|let me|let(?:'|’)s|now i(?:'|’)ll|allow me to|i(?:'|’)m(?: now)?|i am(?: now)?";
const FILLER = "now|first|next|then|just|quickly|also|start by|begin by|go ahead and";
const PROMISE = new RegExp(
  `\\b(?:${INTENT})\\s+(?:(?:${FILLER})\\s+)*(?:${VERBS})(?:e|y|ie|ing|ning|ting)?\\b`,
  "i",
);
/** "Running the tests now...": begun in words only. */
const UNDER_WAY = new RegExp(
  `^(?:now |ok(?:ay)?,? |sure[,!.]? |first,? )*(?:(?:${VERBS})(?:n|t)?ing\\b.*(?:\\bnow\\b.{0,3}|\\.\\.\\.|…)|(?:calling|using|invoking) (?:the )?\\S+ tool\\.?)$`,
  "i",
);
const WAIT =
  /^(?:(?:just )?(?:one|a) (?:moment|second|sec|minute)|please (?:wait|hold)|hold on|stand by|bear with me|give me a)/i;
/** Conditions, habits and words that leave the next move to the user are no announcements of the next step. */
const NOT_NOW =
  /\b(?:if you|when you|once|as soon as|after you|let me know|whenever|unless|from now on|in (?:the )?future|next time|tomorrow|later|going forward|always|never|please (?:confirm|tell|provide|choose|say|answer|reply|give|send)|confirm|say the word|tell me|provide|approve|permission)\b/i;
/** Code and closings end in a colon as well: `else:`, `def f():`. */
const CODE_LIKE = /[(){}=;<>]|^\S+:$|^\s*(?:def|class|if|else|elif|for|while|try|except|case|with)\b/;
const FEWEST_WORDS = 3;

/** Whether a reply announces an action that should have been a call: "I'll run the tests now:". */
export function promisesAction(text: string): boolean {
  const plain = withoutLastFence(text.trim());
  const paragraphs = plain.split(/\n\s*\n/);
  const last = plain.split("\n").at(-1)?.trim() ?? "";
  if (isShown(last, paragraphs.at(-2))) return false;
  if (/[:：]$/.test(last)) return endsInMidAir(last);
  const sentences = last.replace(/"[^"]*"|“[^”]*”|`[^`]*`/g, "_").split(/(?<=[.!?…])\s+/);
  const end = sentences.at(-1) ?? last;
  const sentence = WAIT.test(end) ? (sentences.at(-2) ?? paragraphs.at(-2) ?? end) : end;
  if (last.includes("?") || NOT_NOW.test(last)) return false;
  return PROMISE.test(sentence) || UNDER_WAY.test(sentence);
}

/** Lists, quotations, tables, code, and what stands under a line such as "It says:" are what the user asked for. */
function isShown(last: string, before: string | undefined): boolean {
  if (/^(?:[-*+>|]|\d+[.)])\s?/.test(last) || last.endsWith("```")) return true;
  return before !== undefined && /[:：]$/.test(before.trim()) && !PROMISE.test(before);
}

/** Nothing follows what was announced, in whatever language. */
function endsInMidAir(last: string): boolean {
  return !CODE_LIKE.test(last) && (last.split(/\s+/).length >= FEWEST_WORDS || /\P{ASCII}{6}/u.test(last));
}

/** "I'll run this now:" and then only the command in a code block: the block is no answer either. */
function withoutLastFence(text: string): string {
  const fence = /^([^]*\S)\s*\n```[^\n]*\n[^]*\n?```$/.exec(text);
  const before = fence?.[1]?.split("\n").at(-1) ?? "";
  return PROMISE.test(before) && !NOT_NOW.test(before) ? (fence?.[1] ?? text) : text;
}
