import { readEndingCalls } from "./ending.ts";
import type { FormScope } from "./form.ts";
import type { FormedCall, MarkedBlock } from "./marked.ts";
import { findMarkedBlocks, hasProseAfter, stripLeftovers } from "./marked.ts";
import { isQuotation } from "./quotation.ts";
import { readAnnouncedCalls, readBareCalls, readExplainedCalls, readFencedCalls } from "./unmarked.ts";

export interface Rescue {
  /** What is left for the user. */
  text: string;
  calls: readonly FormedCall[];
}

/** Recovers calls that were written as text. Without tools nothing is looked for. */
export function rescueFromText(text: string, scope: FormScope): Rescue {
  if (scope.tools.length === 0) return { text, calls: [] };
  const blocks = findMarkedBlocks(text, scope);
  if (blocks.length > 0)
    return { text: removeBlocks(text, blocks), calls: blocks.flatMap(({ calls }) => calls) };
  // The end of a tag whose beginning the server took away.
  const body = text.replace(/\s*<\/(?:tool_call|tools)>\s*$/, "");
  const found = readUnmarked(body, scope);
  return found && !isQuotation(found.calls, scope) ? found : { text, calls: [] };
}

function readUnmarked(body: string, scope: FormScope): Rescue | undefined {
  const bare = readBareCalls(body, scope);
  if (bare) return { text: "", calls: bare };
  return (
    readExplainedCalls(body, scope) ??
    readFencedCalls(body, scope) ??
    readAnnouncedCalls(body, scope) ??
    readEndingCalls(body, scope)
  );
}

/**
 * The same for thinking, when nothing else came. Stricter: only calls with which the thinking ends, for what is considered
 * in between is not yet decided.
 */
export function rescueFromThinking(thinking: string, scope: FormScope): readonly FormedCall[] {
  if (scope.tools.length === 0) return [];
  const blocks = findMarkedBlocks(thinking, scope);
  const last = blocks.filter((block, at) => !hasProseAfter(thinking, block, blocks.slice(at + 1)));
  const calls =
    last.length > 0 ? last.flatMap((block) => block.calls) : (readBareCalls(thinking, scope) ?? []);
  if (isQuotation(calls, scope)) return [];
  return calls.map((call) => ({ ...call, form: `${call.form}, in thinking` }));
}

function removeBlocks(text: string, blocks: readonly MarkedBlock[]): string {
  const kept: string[] = [text.slice(0, blocks[0]?.start ?? 0).trim()];
  blocks.forEach((block, at) => {
    kept.push(stripLeftovers(text.slice(block.end, blocks[at + 1]?.start)));
  });
  return kept.filter((part) => part !== "").join("\n\n");
}
