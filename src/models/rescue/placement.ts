/** Whether the words around a call say that it is meant to run, or that it is shown to the user. */

import { holdsBack } from "./lead.ts";

const EXAMPLE =
  /\b(?:examples?|e\.g|for instance|such as|looks? like|syntax|illustrat\w+|demonstrat\w+|would (?:be|look))\b/i;
/** Words of examples, and just as well of work: "let me format the sample". */
const MAYBE_EXAMPLE = /\b(?:formats?|samples?|snippets?|templates?|could)\b/i;
const SPEAKS_OF_CALLS =
  /\b(?:formats?|samples?|snippets?|templates?|could|tool[- ]calls?|(?:a|the|each|every) (?:model|agent|assistant|server|client)|models|responds? with|answers? with|means?|called|written)\b/i;
const PRESENTS =
  /\b(?:show|tell|give|offer)\w* you\b|\byou (?:can|could|may|might|should|would|will|need|want)\b|\b(?:copy|paste|save this)\b/i;
/** The writer speaks of itself and yet does nothing but explain. */
const EXPLAINS =
  /\b(?:I'll|I’ll|I will|I'm going to|I can|I would|let me|let's|let’s)\s+(?:\w+ly |now |first |just )*(?:explain|describe|illustrate|demonstrate|give (?!it\b)|show (?:how|what|an?\b|the (?:json|call|format|syntax)))|\b(?:written|formatted|expressed|encoded|called|structured|defined) (?:as follows|like (?:this|so))\b/i;
const FIRST_PERSON =
  /\b(?:I'll|I’ll|I will|I'm|I’m|I am|I need|I should|I must|I have to|let me|let's|let’s|let us)\b/i;
const ANNOUNCES =
  /\b(?:I'll|I’ll|I will|(?:I'm|I’m|I am)\s+(?:(?:now|just|first|also|currently)\s+)*(?:going to|about to|calling|using|running|reading|creating|writing|editing|executing|checking|listing|searching|opening|looking|making|adding|updating|deleting|removing|fixing|testing|installing|starting|fetching|getting|building|changing|saving|moving|applying|doing|trying)|I need|I should|I must|I have to|I would|let me|let's|let’s|let us)\b|^(?:calling|using|running|reading|creating|writing|editing|executing|checking|listing|searching|opening|looking|first|next|now)\b/im;
const EFFECT =
  /^(?:(?:this|that|it|the (?:call|command))\s+(?:will|should|is going to)|I'll|I’ll|I will)\b[^.!?]*[.!]?$/i;
const LONGEST_ANNOUNCEMENT = 400;

/** The words right before an unmarked call announce an action of the writer, and present nothing to the reader. */
export function announcesAction(before: string): boolean {
  const paragraph = lastParagraph(before);
  return isOwnAction(paragraph) && ANNOUNCES.test(paragraph) && !holdsBack(before);
}

/** The words right before present something to the reader. */
export function presents(before: string): boolean {
  const paragraph = lastParagraph(before);
  const example = EXAMPLE.test(paragraph) || MAYBE_EXAMPLE.test(paragraph);
  return PRESENTS.test(paragraph) || EXPLAINS.test(paragraph) || (example && !ANNOUNCES.test(paragraph));
}

/** One sentence that says what a call is going to do: "This will create the file." */
export function announcesEffect(words: string): boolean {
  return words.length <= LONGEST_ANNOUNCEMENT && isOwnAction(words) && EFFECT.test(words);
}

/**
 * Words follow the call: weak models go on as if they had its result, and a text that explains calls goes on too. It is shown rather
 * than made where the sentence runs through it or the words around speak of examples and forms.
 */
export function isActionWithin({ before, after }: { before: string; after: string }): boolean {
  if (/^\s*\p{Ll}/u.test(after)) return false;
  if (before.trim() === "") return true;
  const around = [lastParagraph(before), after.trim().split(/\n\s*\n/)[0] ?? ""];
  if (around.some((part) => EXPLAINS.test(part))) return false;
  return (
    around.some(speaksOfItself) || around.every((part) => isOwnAction(part) && !SPEAKS_OF_CALLS.test(part))
  );
}

function speaksOfItself(paragraph: string): boolean {
  return isOwnAction(paragraph) && FIRST_PERSON.test(paragraph);
}

function isOwnAction(paragraph: string): boolean {
  if (paragraph.length > LONGEST_ANNOUNCEMENT) return false;
  return ![EXAMPLE, PRESENTS, EXPLAINS].some((pattern) => pattern.test(paragraph));
}

/** Between `<pre>` or `<code>` and its end. */
export function isInHtmlCode(text: string, { start, end }: { start: number; end: number }): boolean {
  return ["pre", "code"].some((name) => {
    const open = [...text.slice(0, start).matchAll(new RegExp(`<(/?)${name}(?:\\s[^<>]*)?>`, "gi"))].at(-1);
    return open?.[1] === "" && text.slice(end).toLowerCase().includes(`</${name}>`);
  });
}

/** The line that leads in says that an example follows. */
export function introducesExample(before: string): boolean {
  const lead = before.trimEnd().split("\n").at(-1) ?? "";
  if (!lead.endsWith(":")) return false;
  const example = EXAMPLE.test(lead) || MAYBE_EXAMPLE.test(lead);
  return PRESENTS.test(lead) || (example && !ANNOUNCES.test(lead));
}

/** In a quotation (`> …`) or right after a quotation mark or bracket. */
export function isQuoted(line: string): boolean {
  return /^\s*>/.test(line) || /["'`“‘«(]$/.test(line);
}

function lastParagraph(text: string): string {
  return (
    text
      .trim()
      .split(/\n\s*\n/)
      .at(-1) ?? ""
  );
}
