import { createCodeContext } from "../code-context.ts";
import type { FormScope, FoundBlock, WrittenCall } from "./form.ts";
import { MARKED_FORMS, OPENERS } from "./forms.ts";
import { holdsBack } from "./lead.ts";
import { announcesAction, introducesExample, isActionWithin, isInHtmlCode, isQuoted } from "./placement.ts";
import { isQuotation } from "./quotation.ts";

export interface FormedCall extends WrittenCall {
  /** Name of the form it was recovered from. */
  form: string;
}

export interface MarkedBlock {
  start: number;
  end: number;
  calls: readonly FormedCall[];
  /** What stands before it on its line. */
  line: string;
}

const OPENER = new RegExp(
  OPENERS.map((opener) => opener.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"),
  "g",
);

/** Blocks with a mark of their own that are meant to run: outside code, quotations and examples. */
export function findMarkedBlocks(text: string, scope: FormScope): MarkedBlock[] {
  const context = createCodeContext();
  const blocks: MarkedBlock[] = [];
  let at = 0;
  for (;;) {
    OPENER.lastIndex = at;
    const hit = OPENER.exec(text);
    if (!hit) break;
    context.feed(text.slice(at, hit.index));
    const { line } = context;
    const isText = context.inCode || isQuoted(line) || isElided(text, OPENER.lastIndex, line);
    const found = isText ? undefined : readMarked(text, hit.index, scope);
    const block = found && isNamelessInSentence(found.calls, line) ? undefined : found;
    const isRepeated = block && isRepetition(text.slice(hit.index, block.end), block.calls, scope);
    if (block && !isRepeated) blocks.push({ ...block, start: hit.index, line });
    else context.feed(text.slice(hit.index, block?.end ?? OPENER.lastIndex));
    at = block?.end ?? hit.index + hit[0].length;
  }
  return keepMeant(text, blocks);
}

/** Reads the block at `at` with the first form that can. */
export function readMarked(
  text: string,
  at: number,
  scope: FormScope,
): (FoundBlock & { calls: FormedCall[] }) | undefined {
  for (const form of MARKED_FORMS) {
    if (!form.openers.some((opener) => text.startsWith(opener, at))) continue;
    const block = form.read(text, at, scope);
    if (block && block.calls.length > 0 && block.end > at) {
      return { end: block.end, calls: block.calls.map((call) => ({ ...call, form: form.name })) };
    }
  }
  return undefined;
}

/** What was read in a file or a web page is no call of the model. */
function isRepetition(block: string, calls: readonly FormedCall[], scope: FormScope): boolean {
  return scope.quotations?.hasText(block) === true || isQuotation(calls, scope);
}

/** "Mistral: [TOOL_CALLS][...]" in a list of formats. */
function isElided(text: string, at: number, line: string): boolean {
  const dots = /\s*[[{]?\s*(?:\.\.\.|…)/y;
  dots.lastIndex = at;
  return line.trim() !== "" && dots.test(text);
}

/** A mark in a sentence with nothing to call. */
function isNamelessInSentence(calls: readonly FormedCall[], line: string): boolean {
  return line.trim() !== "" && calls.every(({ name, problem }) => name === "" && problem !== undefined);
}

function keepMeant(text: string, blocks: readonly MarkedBlock[]): MarkedBlock[] {
  const kept: MarkedBlock[] = [];
  const prose = [...blocks.keys(), blocks.length].map((at) =>
    stripLeftovers(text.slice(blocks[at - 1]?.end ?? 0, blocks[at]?.start)),
  );
  const followed = prose.findLastIndex((part) => part !== "");
  const hasHtml = /<(?:pre|code)\b/i.test(text);
  let before = "";
  blocks.forEach((block, at) => {
    before = prose[at] === "" ? before : (prose[at] ?? "");
    const after = followed > at ? (prose.slice(at + 1).find((part) => part !== "") ?? "") : "";
    if (hasHtml && isInHtmlCode(text, block)) return;
    // After an example there may be more of them, so the last one has to be announced.
    const needsWords = kept.length < at;
    if (isMeant(text, block, { before, after }) && (!needsWords || announcesAction(before))) kept.push(block);
  });
  return kept;
}

function isMeant(
  text: string,
  block: MarkedBlock,
  { before, after }: { before: string; after: string },
): boolean {
  if (introducesExample(text.slice(0, block.start)) || holdsBack(before)) return false;
  if (after === "") return true;
  return block.line.trim() === "" && isActionWithin({ before, after });
}

/** Words follow, other than more calls and results that the model made up. */
export function hasProseAfter(text: string, block: MarkedBlock, later: readonly MarkedBlock[]): boolean {
  let at = block.end;
  for (const next of later) {
    if (stripLeftovers(text.slice(at, next.start)) !== "") return true;
    at = next.end;
  }
  return stripLeftovers(text.slice(at)) !== "";
}

/** Drops stray tags of the chat format, and everything from a made-up tool result on. */
export function stripLeftovers(text: string): string {
  return text
    .replace(/<tool_response>[\s\S]*$/, "")
    .replace(
      /<\/?(?:tool_calls?|tools|function|function_calls|invoke|(?:minimax|seed):tool_call|think)>|<\/s>|<\|(?:im_end|eot_id|eom_id|end|return|call)\|>|<start_function_response>/g,
      "",
    )
    .trim();
}
