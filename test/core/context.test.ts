import { describe, expect, it } from "vitest";
import { compactNow } from "../../src/core/compact-now.ts";
import { CONTEXT_PARTS, toContextUse } from "../../src/core/context-use.ts";
import { AgentError } from "../../src/core/errors.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { messageText, type Message } from "../../src/core/message.ts";
import type { ModelEvent, ModelReply, ModelRequest, Usage } from "../../src/core/model.ts";
import { TokenMeter } from "../../src/core/token-meter.ts";
import { createScriptedModel, scriptedCall, type ScriptedReply } from "../../src/testing/scripted-model.ts";
import { createCachedModel } from "./_cached-model.ts";
import { ofType, replay } from "./_replay.ts";
import { collect, last, textTool } from "./_run.ts";

const SUMMARY =
  "Goal: read all and mend ten\nDecisions: none\nFiles: see the list\nState: some are read\nNext: go on";

/** A tool that answers with a text of so many bytes. */
const fill = textTool("fill", (text) => ({ ok: true, output: `${text} `.repeat(2_000).slice(0, 3_000) }));
const fillCall = (turn: number, count = 1): ScriptedReply => ({
  calls: Array.from({ length: count }, (_, at) => scriptedCall("fill", { text: `turn ${turn} call ${at}` })),
});

/** A reply with the server's count. */
function counted(usage: Usage, reply: Partial<ModelReply>): ScriptedReply {
  return async function* (): AsyncGenerator<ModelEvent> {
    yield { type: "usage", usage };
    yield { type: "finished", reply: { text: "", thinking: "", calls: [], finish: "stop", ...reply } };
  };
}

describe("a window", () => {
  it("below 4,096 tokens ends a run before its first request, with what helps", async () => {
    const model = createScriptedModel([{ text: "hi" }], { contextTokens: 2_048 });
    const { events } = await collect({ model });
    expect(last(events)).toMatchObject({ reason: "overflow", turns: 0 });
    expect(last(events).message).toMatch(/2048 tokens.*at least 4096/);
    expect(model.requests).toHaveLength(0);
  });

  it("may be smaller for a model that is sent only the newest request", async () => {
    const profile = { name: "practice", recentRequests: 1 };
    const model = createScriptedModel([{ text: "hi" }], { contextTokens: 512, profile });
    expect(last((await collect({ model })).events).reason).toBe("done");
  });

  it("that instructions and tools fill ends a run at once as well", async () => {
    const model = createScriptedModel([{ text: "hi" }], { contextTokens: 4_096 });
    const messages: Message[] = [{ role: "system", content: "rule ".repeat(3_000) }];
    expect(last((await collect({ model, messages })).events)).toMatchObject({
      reason: "overflow",
      message: expect.stringContaining("Instructions and tools take"),
    });
  });

  it("gets no message that alone is too long, and the conversation does not keep it", async () => {
    const model = createScriptedModel([{ text: "hi" }], { contextTokens: 4_096 });
    const { events, result } = await collect({ model, input: "word ".repeat(5_000) });
    expect(last(events)).toMatchObject({
      reason: "overflow",
      message: expect.stringMatching(/^Your message takes about \d+ tokens.*Put long text into a file/),
    });
    expect(result.messages).toEqual([]);
    expect(model.requests).toHaveLength(0);
  });

  it("bounds answers by what it leaves, and not at all where it is not known", async () => {
    const known = createScriptedModel([fillCall(1), { text: "ok" }], { contextTokens: 8_192 });
    await collect({ model: known, tools: [fill] });
    const [first = 0, second = 0] = known.requests.map(({ maxTokens }) => maxTokens);
    expect(first).toBeGreaterThan(3_500);
    expect(second).toBeLessThanOrEqual(first);
    const unknown = createScriptedModel([{ text: "ok" }]);
    await collect({ model: unknown });
    expect(unknown.requests[0]).not.toHaveProperty("maxTokens");
    const profile = { name: "p", maxTokens: 77 };
    const set = createScriptedModel([{ text: "ok" }], { profile });
    await collect({ model: set });
    expect(set.requests[0]?.maxTokens).toBe(77);
  });

  it("is shared by the results of one turn", async () => {
    const model = createScriptedModel([fillCall(1, 6), { text: "ok" }], { contextTokens: 8_192 });
    await collect({ model, tools: [fill] });
    const results = model.requests[1]?.messages.filter(({ role }) => role === "tool") ?? [];
    const bytes = results.map((message) => messageText(message).length);
    expect(bytes).toHaveLength(6);
    expect(Math.max(...bytes)).toBeLessThan(2_000);
    expect(Math.min(...bytes)).toBeGreaterThan(1_000);
  });

  it("in which nothing more can be left out ends the run with advice, after no useless compaction", async () => {
    const say = textTool("say", () => ({ ok: true, output: "short" }));
    const replies = Array.from({ length: 40 }, (_, turn): ScriptedReply => ({
      text: "",
      calls: [scriptedCall("say", { text: `${turn}` })],
    }));
    const inputs = Array.from({ length: 9 }, (_, index): Message[] => [
      { role: "user", content: `${index} ${"word ".repeat(280)}` },
      { role: "assistant", content: "ok" },
    ]).flat();
    const model = createScriptedModel(replies, { contextTokens: 4_096 });
    const { events } = await collect({
      model,
      tools: [say],
      messages: [{ role: "system", content: "s" }, ...inputs],
    });
    expect(last(events)).toMatchObject({ reason: "overflow" });
    expect(last(events).message).toMatch(/nothing more can be left out\. Start a new session \(`\/new`\)/);
    expect(ofType(events, "context_compacted")).toEqual([]);
  });
});

describe("a request that the server refuses as too long", () => {
  const overflow = (data: Record<string, unknown> = {}): AgentError =>
    new AgentError("context_overflow", "the request exceeds the context", { data });
  const before = (turns: number): ScriptedReply[] =>
    Array.from({ length: turns }, (_, turn) => fillCall(turn));

  it("is sent once more, shortened", async () => {
    const model = createScriptedModel([
      ...before(8),
      overflow({ promptTokens: 9_000, contextTokens: 8_192 }),
      { text: "Done." },
    ]);
    const { events } = await collect({ model, tools: [fill] });
    expect(last(events)).toMatchObject({ reason: "done", turns: 9 });
    expect(ofType(events, "context_compacted")).toMatchObject([
      { cause: "overflow", method: "elided", tokensBefore: 9_000 },
    ]);
    expect(ofType(events, "prefix_broken")).toMatchObject([
      { why: "the server refused the conversation as too long, so it was shortened" },
    ]);
    expect(model.requests).toHaveLength(10);
    expect(JSON.stringify(model.requests[9]).length).toBeLessThan(
      JSON.stringify(model.requests[8]).length * 0.7,
    );
  });

  it("ends the run when it is refused again", async () => {
    const model = createScriptedModel([...before(8), overflow(), overflow(), { text: "Done." }]);
    const { events } = await collect({ model, tools: [fill] });
    expect(last(events)).toMatchObject({ reason: "overflow", message: "the request exceeds the context" });
    expect(model.requests).toHaveLength(10);
  });

  it("ends the run when nothing can be left out, and keeps the request", async () => {
    const model = createScriptedModel([overflow()]);
    const { events, result } = await collect({ model });
    expect(last(events).reason).toBe("overflow");
    expect(result.messages).toHaveLength(1);
  });

  it("shows a window that is too small to work in", async () => {
    const model = createScriptedModel([overflow({ promptTokens: 5_000, contextTokens: 2_048 })]);
    const { events } = await collect({ model });
    expect(last(events)).toMatchObject({
      reason: "overflow",
      message: expect.stringContaining("2048 tokens"),
    });
  });

  it("teaches the window for the rest of the conversation", async () => {
    const meter = new TokenMeter();
    const model = createScriptedModel([
      ...before(8),
      overflow({ promptTokens: 9_000, contextTokens: 8_192 }),
      ...before(20),
      { text: "Done." },
    ]);
    const { events } = await collect({ model, tools: [fill], meter });
    expect(last(events).reason).toBe("done");
    const causes = ofType(events, "context_compacted").map(({ cause }) => cause);
    expect(causes.slice(0, 2)).toEqual(["overflow", "threshold"]);
    expect(meter.windowTokens).toBe(8_192);
  });
});

describe("the prompt", () => {
  it("is counted before each turn, with what is new and how long it takes", async () => {
    const model = createScriptedModel([
      counted(
        { promptTokens: 10, prefillTokensPerSecond: 100 },
        { calls: [scriptedCall("fill", { text: "x" })] },
      ),
      { text: "ok" },
    ]);
    const { events } = await collect({ model, tools: [fill], messages: [{ role: "system", content: "s" }] });
    const [first, second] = ofType(events, "turn_started");
    expect(first).not.toHaveProperty("prefillSeconds");
    expect(first?.newTokens).toBe(first?.promptTokens);
    expect(second?.newTokens).toBeLessThan(second?.promptTokens ?? 0);
    expect(second?.prefillSeconds).toBeCloseTo((second?.newTokens ?? 0) / 100);
  });

  it("names the price of a compaction and its cause", async () => {
    const model = createCachedModel(8_192, (_, turn) =>
      turn > 11
        ? { text: "Done." }
        : { calls: [scriptedCall("fill", { text: `t${turn}` })], finish: "tool_calls" },
    );
    const { events } = await collect({ model, tools: [fill] });
    const [broken, ...rest] = ofType(events, "prefix_broken");
    expect(rest).toEqual([]);
    expect(broken?.why).toBe("the conversation was shortened to make room");
    expect(broken?.bytes).toBeGreaterThan(5_000);
    expect(broken?.tokens).toBeGreaterThan(100);
    expect(broken?.seconds).toBeCloseTo((broken?.tokens ?? 0) / 100);
  });

  it("names the price of a compaction also where a session goes on in a new process", async () => {
    const messages: Message[] = [
      { role: "system", content: "s" },
      { role: "user", content: "read all" },
    ];
    for (let turn = 0; turn < 12; turn += 1) {
      const id = `c${turn}`;
      const call = {
        id,
        type: "function",
        function: { name: "fill", arguments: `{"text":"${turn}"}` },
      } as const;
      messages.push({ role: "assistant", content: null, tool_calls: [call] });
      messages.push({
        role: "tool",
        tool_call_id: id,
        content: `{"ok":true,"output":"${`${turn} `.repeat(900)}"}`,
      });
    }
    messages.push({ role: "assistant", content: "All read." });
    const { events } = await collect({ model: createCachedModel(8_192, () => ({ text: "ok" })), messages });
    expect(ofType(events, "context_compacted")).toHaveLength(1);
    const [broken] = ofType(events, "prefix_broken");
    expect(broken?.why).toBe("the conversation was shortened to make room");
    expect(broken?.tokens).toBeGreaterThan(500);
    expect(broken?.tokens).toBeLessThan(4_000);
  });

  it("that changed behind the back of the run is reported", async () => {
    const messages: Message[] = [{ role: "system", content: "first" }];
    const tamper = textTool("tamper", () => {
      (messages[0] as { content: string }).content = "second";
      return { ok: true, output: "" };
    });
    const model = createScriptedModel([{ calls: [scriptedCall("tamper", { text: "" })] }, { text: "ok" }]);
    const { events } = await collect({ model, tools: [tamper], messages });
    expect(ofType(events, "prefix_broken")).toMatchObject([
      {
        why: "messages that were sent before have changed",
        bytes: expect.any(Number),
        tokens: expect.any(Number),
      },
    ]);
  });

  it("is compacted at the user's threshold in a window of unknown size", async () => {
    const replies = Array.from({ length: 12 }, (_, turn) => fillCall(turn));
    const model = createScriptedModel([...replies, { text: "ok" }]);
    const { events } = await collect({ model, tools: [fill], compactAt: 6_000 });
    expect(ofType(events, "context_compacted").length).toBeGreaterThan(0);
    expect(last(events).reason).toBe("done");
  });

  it("goes on above a threshold below which nothing can be left out, while the window has room", async () => {
    const model = createScriptedModel([fillCall(1), fillCall(2), fillCall(3), { text: "ok" }], {
      contextTokens: 32_768,
    });
    const { events } = await collect({ model, tools: [fill], compactAt: 100 });
    expect(last(events).reason).toBe("done");
  });
});

describe("compaction on request", () => {
  const conversation = async (): Promise<{ messages: Message[]; meter: TokenMeter }> => {
    const meter = new TokenMeter();
    const model = createScriptedModel([fillCall(1), fillCall(2), fillCall(3), { text: "All read." }], {
      contextTokens: 16_384,
    });
    const system: Message = { role: "system", content: "system" };
    const { events } = await collect({ model, tools: [fill], messages: [system], meter });
    return { messages: replay([system], events), meter };
  };
  const drain = async (
    options: Parameters<typeof compactNow>[0],
    wish?: { focus?: string },
  ): Promise<{ events: AgentEvent[]; messages: readonly Message[] }> => {
    const events: AgentEvent[] = [];
    const steps = compactNow(options, wish);
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return { events, messages: value };
      events.push(value);
    }
  };

  it("writes a summary with the user's focus, and says what it cost", async () => {
    const { messages, meter } = await conversation();
    const model = createScriptedModel([{ text: SUMMARY }], { contextTokens: 16_384 });
    const done = await drain({ model, tools: [fill], messages, meter }, { focus: "the flags" });
    expect(done.events.map(({ type }) => type)).toEqual([
      "call_progress",
      "context_compacted",
      "prefix_broken",
    ]);
    expect(done.events[1]).toMatchObject({ cause: "request", method: "summarised" });
    expect(done.messages).toEqual(replay(messages, done.events));
    expect(done.messages.slice(0, 4).map(({ role }) => role)).toEqual([
      "system",
      "user",
      "assistant",
      "user",
    ]);
    const asked: ModelRequest | undefined = model.requests[0];
    expect(messageText(asked?.messages.at(-1) as Message)).toContain("the flags");
  });

  it("gives the conversation back as it was when there is nothing to leave out, and says so", async () => {
    const messages: Message[] = [
      { role: "system", content: "s" },
      { role: "user", content: "hello" },
      { role: "assistant", content: "hi" },
    ];
    const model = createScriptedModel([], { contextTokens: 8_192 });
    const done = await drain({ model, tools: [], messages });
    expect(done.messages).toBe(messages);
    expect(done.events).toEqual([expect.objectContaining({ type: "warning", code: "nothing_compacted" })]);
  });
});

describe("where the tokens are", () => {
  const messages: Message[] = [
    { role: "system", content: "s".repeat(400) },
    { role: "user", content: "u".repeat(100) },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "a", type: "function", function: { name: "fill", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "a", content: "x".repeat(900) },
    { role: "assistant", content: "record", note: "compaction" },
    { role: "user", content: "go on", note: "compaction" },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "b", type: "function", function: { name: "fill", arguments: "{}" } }],
    },
    { role: "tool", tool_call_id: "b", content: "y".repeat(300) },
  ];
  const info = {
    id: "m",
    server: "llama-server",
    baseUrl: "",
    contextTokens: 8_192,
    profile: { name: "default" },
  } as const;

  it("is told by part, estimated before the server has counted", () => {
    const use = toContextUse({ info, messages, tools: [fill] });
    expect(use).toMatchObject({ windowTokens: 8_192, source: "estimate" });
    expect(use.freeTokens).toBe(8_192 - use.totalTokens);
    expect(CONTEXT_PARTS.reduce((sum, part) => sum + use.parts[part], 0)).toBe(use.totalTokens);
    expect(use.parts.results).toBeGreaterThan(use.parts.newest_results);
    expect(use.parts.notes).toBeGreaterThan(0);
    for (const part of CONTEXT_PARTS) expect(use.parts[part]).toBeGreaterThan(0);
  });

  it("adds up to the server's own count once there is one", async () => {
    const meter = new TokenMeter();
    const model = createScriptedModel([counted({ promptTokens: 444 }, { text: "ok" })], {
      contextTokens: 8_192,
    });
    await collect({ model, tools: [fill], messages, input: undefined as never, meter });
    const use = toContextUse({ info, messages, tools: [fill], meter });
    expect(use).toMatchObject({ source: "server", totalTokens: 444 });
    expect(CONTEXT_PARTS.reduce((sum, part) => sum + use.parts[part], 0)).toBe(444);
  });

  it("leaves open what a server does not tell", () => {
    const { contextTokens: _, ...unknown } = info;
    const use = toContextUse({ info: unknown, messages, tools: [] });
    expect(use).not.toHaveProperty("freeTokens");
    expect(use.compactAt).toBe(80_000);
  });
});
