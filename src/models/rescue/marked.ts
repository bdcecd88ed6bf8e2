import { createCodeContext } from "../code-context.ts";
import type { FormScope, FoundBlock, WrittenCall } from "./form.ts";
import { MARKED_FORMS, OPENERS } from "./forms.ts";
import { introducesExample, isQuoted } from "./placement.ts";

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
    const block = context.inCode || isQuoted(context.line) ? undefined : readMarked(text, hit.index, scope);
    if (block) blocks.push({ ...block, start: hit.index, line: context.line });
    else context.feed(hit[0]);
    at = block?.end ?? hit.index + hit[0].length;
  }
  return blocks.filter((block, position) => isMeant(text, block, blocks.slice(position + 1)));
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

function isMeant(text: string, block: MarkedBlock, later: readonly MarkedBlock[]): boolean {
  if (introducesExample(text.slice(0, block.start))) return false;
  const inSentence = block.line.trim() !== "";
  return !(inSentence && hasProseAfter(text, block, later));
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
      /<\/?(?:tool_calls?|tools|function|function_calls|invoke|minimax:tool_call|think)>|<\/s>|<\|(?:im_end|eot_id|eom_id|end|return|call)\|>/g,
      "",
    )
    .trim();
}
