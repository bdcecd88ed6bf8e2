import { toBudgets } from "./budget.ts";
import { compact } from "./compact.ts";
import { offeredTools, PrefixContract, toToolSchemas } from "./context.ts";
import type { AgentEvent } from "./events.ts";
import type { Message } from "./message.ts";
import type { RunOptions } from "./run-options.ts";
import { TokenMeter } from "./token-meter.ts";

/** The user asked for it, so less than what makes room for a run is worth it. */
const LEAST_SHARE = 0.2;

export type CompactNowOptions = Pick<
  RunOptions,
  "model" | "tools" | "messages" | "meter" | "compactAt" | "outputs" | "stateNote" | "temperature" | "signal"
>;

/**
 * Shortens a conversation between runs, as a run would, and returns it: the very same array, after a warning, when too little could go. `focus`: what to
 * keep above all, in words; a summary is then written also where leaving out old results would be enough. Throws what `Model.describe`
 * throws, and the signal's reason on abort; nothing has changed then.
 */
export async function* compactNow(
  options: CompactNowOptions,
  { focus = "" }: { focus?: string } = {},
): AsyncGenerator<AgentEvent, readonly Message[]> {
  const { model, messages, outputs, stateNote } = options;
  const { meter = new TokenMeter(), signal = new AbortController().signal } = options;
  const info = await model.describe({ signal });
  if (info.profile.recentRequests !== undefined) {
    yield toNothing(`the \`${info.profile.name}\` profile sends only the newest requests`);
    return messages;
  }
  const tools = toToolSchemas(offeredTools(options.tools, info.profile));
  const temperature = info.profile.temperature ?? options.temperature;
  const budgets = toBudgets({
    info,
    fixedTokens: meter.toFixedTokens({ messages, tools }),
    bytesPerToken: meter.bytesPerToken,
    compactAt: options.compactAt,
    learnedWindowTokens: meter.windowTokens,
  });
  const after = yield* compact({
    model,
    messages,
    request: {
      tools,
      ...(temperature === undefined ? {} : { temperature }),
    },
    meter,
    budgets,
    cause: "request",
    focus: focus.trim() === "" ? undefined : focus,
    leastTokens: Math.max(1, Math.floor(budgets.progressTokens * LEAST_SHARE)),
    outputs,
    stateNote,
    turn: 0,
    signal,
  });
  if (after === undefined) {
    const { tokens } = meter.count({ messages, tools });
    const parts = `of about ${tokens} tokens, instructions and tools take ${budgets.fixedTokens}`;
    yield toNothing(`${parts}, and your own words and the newest turn stay`);
    return messages;
  }
  yield* toBroken(messages, after, { meter, tools });
  return after;
}

function toNothing(why: string): AgentEvent {
  return {
    type: "warning",
    code: "nothing_compacted",
    message: `Nothing was shortened, since too little could go: ${why}.`,
  };
}

function* toBroken(
  before: readonly Message[],
  after: readonly Message[],
  { meter, tools }: { meter: TokenMeter; tools: ReturnType<typeof toToolSchemas> },
): Generator<AgentEvent, void, undefined> {
  const prefix = new PrefixContract();
  prefix.check(before, tools);
  const broken = prefix.check(after, tools);
  if (broken === undefined) return;
  const same = before.findIndex((message, index) => message !== after[index]);
  const tokens = meter.toMessageTokens(after.slice(same));
  const seconds = meter.prefillSeconds(tokens);
  yield {
    type: "prefix_broken",
    why: "the conversation was shortened because you asked for it",
    bytes: broken.bytes,
    tokens,
    ...(seconds === undefined ? {} : { seconds }),
  };
}
