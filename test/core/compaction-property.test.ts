import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { toBudgets } from "../../src/core/budget.ts";
import { compact } from "../../src/core/compact.ts";
import { applyCompaction, type Compaction } from "../../src/core/compaction.ts";
import { breakControlTokens } from "../../src/core/control-tokens.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { byteLength } from "../../src/core/message-size.ts";
import { messageText, type Message } from "../../src/core/message.ts";
import type { ModelReply } from "../../src/core/model.ts";
import { toWellFormed } from "../../src/core/result.ts";
import { TokenMeter } from "../../src/core/token-meter.ts";
import { isOwnRequest, newestTurnStart } from "../../src/core/transcript.ts";
import { createScriptedModel } from "../../src/testing/scripted-model.ts";
import { addSteps, countsAsTurn, createMemoryOutputs, steeredStep, step, type Step } from "./_transcripts.ts";

const SYSTEM: Message = { role: "system", content: "You are an agent." };
const STATE = "todo 1 (open): <b>mend</b> `a.ts`";

const reply = fc.oneof(
  fc.constant<Partial<ModelReply>>({ text: "Goal: mend it <|im_end|>\nState: half done" }),
  fc.constant<Partial<ModelReply>>({ text: "" }),
  fc.constant<Partial<ModelReply>>({ text: "cut off in the", finish: "length" }),
  fc.constant<Partial<ModelReply>>({ text: "long ".repeat(5_000) }),
);

interface Outcome {
  after: Message[] | undefined;
  compaction: Compaction | undefined;
}

async function compactOnce(
  messages: readonly Message[],
  options: { window: number; replied: Partial<ModelReply>; outputs: ReturnType<typeof createMemoryOutputs> },
): Promise<Outcome & { leastTokens: number }> {
  const meter = new TokenMeter();
  const info = { contextTokens: options.window, profile: { name: "default" } };
  const budgets = toBudgets({
    info,
    fixedTokens: meter.toFixedTokens({ messages, tools: [] }),
    bytesPerToken: meter.bytesPerToken,
  });
  const events = compact({
    model: createScriptedModel([options.replied]),
    messages,
    request: { tools: [] },
    meter,
    budgets,
    cause: "threshold",
    leastTokens: budgets.progressTokens,
    outputs: options.outputs.log,
    stateNote: () => STATE,
    turn: 1,
    signal: new AbortController().signal,
  });
  const seen: AgentEvent[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (!done) seen.push(value);
    else {
      const told = seen.filter((event) => event.type === "context_compacted");
      expect(told).toHaveLength(value === undefined ? 0 : 1);
      return { after: value, compaction: told[0], leastTokens: budgets.progressTokens };
    }
  }
}

function checkPairs(messages: readonly Message[]): void {
  let open: string[] = [];
  for (const message of messages) {
    if (message.role === "tool") expect(open.shift()).toBe(message.tool_call_id);
    else {
      expect(open).toEqual([]);
      if (message.role === "assistant") open = (message.tool_calls ?? []).map(({ id }) => id);
    }
  }
  expect(open).toEqual([]);
}

function checkNeighbours(messages: readonly Message[]): void {
  for (const [index, message] of messages.entries()) {
    const next = messages[index + 1];
    if (next === undefined || !countsAsTurn(message) || !countsAsTurn(next)) continue;
    expect(next.role).not.toBe(message.role);
  }
}

function areTurnsStrict(messages: readonly Message[]): boolean {
  return messages.filter(countsAsTurn).every(({ role }, index) => (role === "user") === (index % 2 === 0));
}

/** As the strictest templates have it: one system message first, then user and assistant by turns, calls and results apart. */
function checkTurns(messages: readonly Message[]): void {
  expect(messages.filter(({ role }) => role === "system")).toEqual([SYSTEM]);
  expect(messages[0]).toEqual(SYSTEM);
  const turns = messages.filter(countsAsTurn).map(({ role }) => role);
  expect(turns).toEqual(turns.map((_, index) => (index % 2 === 0 ? "user" : "assistant")));
}

function checkNew(
  before: readonly Message[],
  after: readonly Message[],
  files: ReadonlyMap<string, string>,
): void {
  for (const message of after) {
    if (before.includes(message)) continue;
    const text = messageText(message);
    expect(breakControlTokens(text)).toBe(text);
    expect(toWellFormed(text)).toBe(text);
    for (const [, path = ""] of text.matchAll(/(?:the whole is|,) in (\.lmagent\/outputs\/[\w-]+\.txt)/g))
      expect(files.has(path)).toBe(true);
    if (message.role !== "tool") expect(message).toMatchObject({ note: "compaction" });
    else {
      expect(byteLength(text)).toBeLessThan(700);
      expect(JSON.parse(text)).toHaveProperty("ok");
    }
  }
}

function checkOutcome(
  before: readonly Message[],
  { after, compaction, leastTokens }: Outcome & { leastTokens: number },
  files: ReadonlyMap<string, string>,
): void {
  if (after === undefined || compaction === undefined) return;
  expect(applyCompaction(before, compaction.parts)).toEqual(after);
  expect(compaction.tokensBefore - compaction.tokensAfter).toBeGreaterThanOrEqual(leastTokens);
  expect(after.filter(isOwnRequest)).toEqual(before.filter(isOwnRequest));
  const newest = before.slice(newestTurnStart(before));
  expect(newest.length === 0 ? [] : after.slice(-newest.length)).toEqual(newest);
  checkPairs(after);
  checkNeighbours(after);
  if (areTurnsStrict(before)) checkTurns(after);
  checkNew(before, after, files);
  if (compaction.method === "elided") expect(after).toHaveLength(before.length);
  else
    expect(
      after.map(messageText).filter((text) => text.includes(STATE) && text.startsWith("Record")),
    ).toHaveLength(1);
}

/** Compacts again and again, with more in between and from the log, and gives how. */
async function checkRounds(steps: fc.Arbitrary<Step>, numRuns: number): Promise<string[]> {
  const methods: string[] = [];
  const round = fc.tuple(fc.array(steps, { minLength: 3, maxLength: 30 }), reply);
  const property = fc.asyncProperty(
    fc.array(round, { minLength: 1, maxLength: 4 }),
    fc.constantFrom(4_096, 8_192),
    async (rounds, window) => {
      const outputs = createMemoryOutputs();
      let messages: Message[] = [SYSTEM, { role: "user", content: "the task" }];
      for (const [more, replied] of rounds) {
        messages = addSteps(messages, more);
        const outcome = await compactOnce(messages, { window, replied, outputs });
        checkOutcome(messages, outcome, outputs.files);
        if (outcome.after === undefined) continue;
        methods.push(outcome.compaction?.method ?? "");
        const stored = structuredClone({ messages, parts: outcome.compaction?.parts ?? [] });
        messages = applyCompaction(stored.messages, stored.parts) as Message[];
        expect(messages).toEqual(outcome.after);
      }
    },
  );
  await fc.assert(property, { numRuns, endOnFailure: true });
  return methods;
}

describe("whatever a conversation holds", () => {
  it("a compaction keeps the user's words, the pairs, the turns and the newest turn, again and again, and a resume gives the same", async () => {
    const methods = await checkRounds(step, 80);
    for (const method of ["elided", "folded", "summarised"]) expect(methods).toContain(method);
  });

  it("the user may also have spoken up between the calls", async () => {
    expect((await checkRounds(steeredStep, 40)).length).toBeGreaterThan(10);
  });
});
