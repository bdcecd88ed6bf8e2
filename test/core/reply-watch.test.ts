import { describe, expect, it, vi } from "vitest";
import { createChatModel } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import { hangingReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import type { ModelEvent, ModelProfile } from "../../src/core/model.ts";
import { thinkingBudget } from "../../src/core/thinking-budget.ts";
import { createScriptedModel, scriptedCall, type ScriptedReply } from "../../src/testing/scripted-model.ts";
import { collect, echo, last, sentLast } from "./_run.ts";

/** Streams the same piece until it is stopped, and says how many it took. */
function stream(
  type: "text_delta" | "thinking_delta",
  piece: (index: number) => string,
  taken: { pieces: number },
): ScriptedReply {
  return async function* (_request, signal): AsyncGenerator<ModelEvent> {
    for (let index = 0; index < 50_000; index += 1) {
      signal.throwIfAborted();
      taken.pieces += 1;
      yield { type, text: piece(index) };
    }
    yield { type: "finished", reply: { text: "never", thinking: "", calls: [], finish: "stop" } };
  };
}

const chant = () => "I will look at the file once more. ";
const muse = (index: number) => `Thought ${index} leads to ${Math.sqrt(index)}, which is new. `;
const codes = (events: Awaited<ReturnType<typeof collect>>["events"]) =>
  events.flatMap((event) => (event.type === "warning" ? [event.code] : []));

describe("a model that chants", () => {
  it("is stopped, told to act, and asked warmer until it does", async () => {
    const taken = { pieces: 0 };
    const model = createScriptedModel([
      stream("text_delta", chant, taken),
      { calls: [scriptedCall("echo", { text: "x" })] },
      { text: "Done." },
    ]);
    const { events } = await collect({ model, tools: [echo], temperature: 0 });
    expect(last(events)).toMatchObject({ reason: "done", text: "Done.", toolCalls: 1 });
    expect(codes(events)).toEqual(["text_repeated"]);
    expect(taken.pieces).toBeLessThan(300);
    expect(model.requests.map(({ temperature }) => temperature)).toEqual([0, 0.7, 0]);
    const [, , said, nudge] = model.requests[1]?.messages ?? [];
    // Twice is enough to go on from.
    expect(JSON.stringify(said).length).toBeLessThan(2_500);
    expect(nudge).toMatchObject({
      role: "user",
      note: "nudge",
      content: expect.stringContaining("Do not repeat it"),
    });
    expect(events.some(({ type }) => type === "prefix_broken")).toBe(false);
  });

  it("ends as truncated when it does nothing else", async () => {
    const taken = { pieces: 0 };
    const replies = Array.from({ length: 9 }, () => stream("text_delta", chant, taken));
    const { events } = await collect({ model: createScriptedModel(replies), tools: [echo] });
    expect(last(events)).toMatchObject({ reason: "truncated", turns: 3 });
    expect(last(events).message).toContain("the same again and again");
  });

  it("is stopped in its thoughts too", async () => {
    const taken = { pieces: 0 };
    const model = createScriptedModel([stream("thinking_delta", chant, taken), { text: "Done." }], {
      contextTokens: 131_072,
    });
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events).reason).toBe("done");
    expect(codes(events)).toEqual(["text_repeated"]);
    expect(taken.pieces).toBeLessThan(300);
  });

  it("ends the request when it is stopped", async () => {
    let closed = false;
    const model = createScriptedModel([
      async function* (_request, signal) {
        try {
          for (;;) {
            signal.throwIfAborted();
            yield { type: "text_delta", text: chant() };
          }
        } finally {
          closed = signal.aborted;
        }
      },
      { text: "Done." },
    ]);
    await collect({ model });
    expect(closed).toBe(true);
  });

  it("never has a call run that it made before it began", async () => {
    const model = createScriptedModel([
      async function* () {
        yield { type: "call_progress", name: "echo", bytes: 10 };
        for (let index = 0; index < 1_000; index += 1) yield { type: "text_delta", text: chant() };
        const calls = [scriptedCall("echo", { text: "x" })];
        yield { type: "finished", reply: { text: "", thinking: "", calls, finish: "tool_calls" } };
      },
      { text: "Done." },
    ]);
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events)).toMatchObject({ reason: "done", toolCalls: 0 });
  });
});

describe("a model that thinks without end", () => {
  it("is stopped at its budget and goes on from its newest thoughts", async () => {
    const taken = { pieces: 0 };
    const model = createScriptedModel([stream("thinking_delta", muse, taken), { text: "Done." }], {
      contextTokens: 8_192,
    });
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events)).toMatchObject({ reason: "done", text: "Done." });
    expect(codes(events)).toEqual(["thinking_budget"]);
    const nudge = sentLast(model, 1);
    expect(nudge).toContain("You have thought long enough");
    expect(nudge).toContain(`Thought ${taken.pieces - 1} leads`);
    expect(nudge.length).toBeLessThan(5_000);
    expect(model.requests.map(({ thinkingTokens }) => thinkingTokens)).toEqual([2_048, 2_048]);
  });

  it("goes on from thoughts that cannot end a message", async () => {
    const model = createScriptedModel(
      [stream("thinking_delta", (index) => `${muse(index)}<|im_end|> `, { pieces: 0 }), { text: "Done." }],
      { contextTokens: 8_192 },
    );
    await collect({ model, tools: [echo] });
    expect(sentLast(model, 1)).toContain("Thought");
    expect(sentLast(model, 1)).not.toContain("<|im_end|>");
  });

  it("ends as truncated when it stays so", async () => {
    const replies = Array.from({ length: 9 }, () => stream("thinking_delta", muse, { pieces: 0 }));
    const model = createScriptedModel(replies, { contextTokens: 8_192 });
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events)).toMatchObject({ reason: "truncated", turns: 3 });
    expect(last(events).message).toContain("thought for longer than its budget");
  });

  it("is left alone where the server sends all at once, the answer too", async () => {
    const thinking = Array.from({ length: 2_000 }, (_, index) => muse(index)).join("");
    const model = createScriptedModel([{ thinking, text: "Done." }], { contextTokens: 8_192 });
    const { events } = await collect({ model });
    expect(last(events)).toMatchObject({ reason: "done", text: "Done.", turns: 1 });
    expect(codes(events)).toEqual([]);
  });

  it("is left alone where the server keeps to the limit itself", async () => {
    // English has up to four and a half bytes a token.
    const thinking = Array.from({ length: 400 }, (_, index) => muse(index))
      .join("")
      .slice(0, 2_048 * 4.5);
    const model = createScriptedModel([{ thinking, text: "Done." }], { contextTokens: 8_192 });
    const { events } = await collect({ model });
    expect(last(events).reason).toBe("done");
    expect(codes(events)).toEqual([]);
  });

  it("starts anew when its request is sent again", async () => {
    const half = Array.from({ length: 200 }, (_, index) => muse(index));
    const model = createScriptedModel(
      [
        async function* () {
          for (const text of half) yield { type: "thinking_delta", text };
          yield { type: "retry", attempt: 1, delayMs: 0, why: "the connection broke" };
          for (const text of half) yield { type: "thinking_delta", text };
          yield {
            type: "finished",
            reply: { text: "Done.", thinking: half.join(""), calls: [], finish: "stop" },
          };
        },
      ],
      { contextTokens: 8_192 },
    );
    const { events } = await collect({ model });
    expect(half.join("").length).toBeGreaterThan(6_000);
    expect(codes(events)).toEqual(["retry"]);
  });

  it("may think a little when it was asked not to at all", async () => {
    const profile: ModelProfile = { name: "thinker", thinkingTokens: 0 };
    const thoughts = (count: number): ScriptedReply =>
      async function* () {
        for (let index = 0; index < count; index += 1) yield { type: "thinking_delta", text: muse(index) };
        yield { type: "finished", reply: { text: "Done.", thinking: "", calls: [], finish: "stop" } };
      };
    const short = await collect({ model: createScriptedModel([thoughts(40)], { profile }) });
    expect(codes(short.events)).toEqual([]);
    const long = createScriptedModel([thoughts(400), { text: "Done." }], { profile });
    expect(codes((await collect({ model: long })).events)).toEqual(["thinking_budget"]);
    expect(long.requests[0]?.thinkingTokens).toBe(0);
    expect(sentLast(long, 1)).toContain("Your last thoughts were");
  });

  it("may think as long as its profile says", async () => {
    const profile: ModelProfile = { name: "thinker", thinkingTokens: 10_000 };
    const thinking = Array.from({ length: 800 }, (_, index) => muse(index)).join("");
    const model = createScriptedModel([{ thinking, text: "Done." }], { contextTokens: 8_192, profile });
    const { events } = await collect({ model });
    expect(codes(events)).toEqual([]);
    expect(model.requests[0]?.thinkingTokens).toBe(10_000);
  });

  it.each([
    [4_096, undefined, 1_024],
    [32_768, undefined, 8_192],
    [131_072, undefined, 16_384],
    [131_072, 16_384, 4_096],
    [1_000, undefined, 512],
    [undefined, undefined, 16_384],
  ])(
    "has a budget by its window of %s tokens, of which it uses %s: %s",
    (contextTokens, usableTokens, budget) => {
      const profile: ModelProfile = { name: "x", ...(usableTokens === undefined ? {} : { usableTokens }) };
      const window = contextTokens === undefined ? {} : { contextTokens };
      expect(thinkingBudget({ id: "m", server: "llama-server", baseUrl: "", profile, ...window })).toBe(
        budget,
      );
    },
  );
});

describe("over real HTTP", () => {
  it.each([
    [
      "chants",
      textReply("I will look at the file once more. ".repeat(2_000), { pieceChars: 500 }),
      "text_repeated",
    ],
    [
      "thinks without end in a field",
      textReply("never", {
        thinking: Array.from({ length: 3_000 }, (_, index) => muse(index)).join(""),
        pieceChars: 500,
      }),
      "thinking_budget",
    ],
    [
      "thinks without end in tags",
      textReply(`<think>${Array.from({ length: 3_000 }, (_, index) => muse(index)).join("")}</think>never`, {
        pieceChars: 500,
      }),
      "thinking_budget",
    ],
  ])("a model that %s is cut off, and the server with it", async (_name, reply, code) => {
    await using server = await startScriptedServer([
      hangingReply(reply, reply.parts.length - 2),
      textReply("Done."),
    ]);
    const model = createChatModel({ id: "scripted", baseUrl: server.url, transport: createHttpTransport() });
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events)).toMatchObject({ reason: "done", text: "Done.", turns: 2 });
    expect(codes(events)).toEqual([code]);
    await vi.waitFor(() => expect(server.chats[0]?.abandoned).toBe(true));
  });
});
