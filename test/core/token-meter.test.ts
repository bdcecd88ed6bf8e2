import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { messagesBytes } from "../../src/core/message-size.ts";
import type { Message } from "../../src/core/message.ts";
import type { ToolSchema } from "../../src/core/model.ts";
import { TokenMeter } from "../../src/core/token-meter.ts";

const tools: ToolSchema[] = [];
const system: Message = { role: "system", content: "s".repeat(980) };
const user: Message = { role: "user", content: "u".repeat(980) };
const assistant: Message = { role: "assistant", content: "a".repeat(380) };
const more: Message = { role: "user", content: "m".repeat(180) };

describe("counting tokens", () => {
  it("begins with an estimate on the careful side and learns from the first count", () => {
    const meter = new TokenMeter();
    expect(meter.count({ messages: [system, user], tools })).toEqual({
      tokens: 667,
      newTokens: 667,
      source: "estimate",
    });
    meter.note({ messages: [system, user], tools }, { promptTokens: 500 });
    expect(meter.bytesPerToken).toBe(4);
  });

  it("is exact for the last request and estimates only what was added since", () => {
    const meter = new TokenMeter();
    const sent = { messages: [system, user], tools };
    meter.noteSent(sent);
    meter.note(sent, { promptTokens: 500 });
    const next = { messages: [system, user, assistant, more], tools };
    // The reply is in the server's memory already.
    expect(meter.count(next)).toEqual({ tokens: 500 + 150, newTokens: 50, source: "server" });
  });

  it("counts all that follows a change as new", () => {
    const meter = new TokenMeter();
    meter.noteSent({ messages: [system, user, assistant], tools });
    meter.note({ messages: [system, user, assistant], tools }, { promptTokens: 600 });
    const changed = { messages: [system, more, assistant], tools };
    expect(meter.count(changed)).toEqual({ tokens: 400, newTokens: 150, source: "estimate" });
  });

  it("knows the tools of the next run although they are listed anew", () => {
    const meter = new TokenMeter();
    const schema = { type: "function", function: { name: "t", description: "", parameters: {} } } as const;
    meter.note({ messages: [system], tools: [schema] }, { promptTokens: 300 });
    expect(meter.count({ messages: [system], tools: [structuredClone(schema)] })).toMatchObject({
      tokens: 300,
      source: "server",
    });
  });

  it.each([0, -5, 1, Number.NaN, Number.POSITIVE_INFINITY, 1e12, "900" as unknown as number])(
    "does not believe a count of %s",
    (promptTokens) => {
      const meter = new TokenMeter();
      meter.note({ messages: [system, user], tools }, { promptTokens });
      expect(meter.bytesPerToken).toBe(3);
      expect(meter.count({ messages: [system, user], tools }).tokens).toBe(667);
    },
  );

  it("sees by two counts in a row that a server leaves out the beginning of prompts", () => {
    const meter = new TokenMeter();
    const turns = Array.from({ length: 12 }, (): Message[] => [
      { role: "assistant", content: "a".repeat(1_500) },
      { role: "user", content: "u".repeat(1_500) },
    ]);
    const at = (count: number): { messages: Message[]; tools: ToolSchema[] } => ({
      messages: [system, user, ...turns.slice(0, count).flat()],
      tools,
    });
    const seen = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((count) => {
      const prompt = at(count);
      meter.noteSent(prompt);
      meter.note(prompt, { promptTokens: Math.min(4_000, messagesBytes(prompt.messages) / 4) });
      return meter.windowTokens;
    });
    expect(seen).toEqual([...Array.from({ length: 6 }, () => undefined), undefined, 4_096, 4_096]);
    expect(meter.cutsPrompts).toBe(true);
    expect(meter.bytesPerToken).toBeLessThan(5);
    expect(meter.count(at(8)).tokens).toBeGreaterThan(5_500);
  });

  it("does not take a server that counts what it read anew for one that cuts prompts", () => {
    const meter = new TokenMeter();
    const messages: Message[] = [system, user];
    for (const promptTokens of [500, 150, 150, 700, 150, 900, 880]) {
      meter.note({ messages: [...messages], tools }, { promptTokens });
      messages.push(assistant, more);
    }
    expect(meter.cutsPrompts).toBe(false);
    expect(meter.windowTokens).toBeUndefined();
  });

  it("does not believe a count of what was read anew alone", () => {
    const meter = new TokenMeter();
    meter.note({ messages: [system, user], tools }, { promptTokens: 500 });
    meter.note({ messages: [system, user, assistant, more], tools }, { promptTokens: 450 });
    expect(meter.count({ messages: [system, user, assistant, more], tools }).tokens).toBe(650);
  });

  it("finds out that a chat template leaves thinking out", () => {
    const meter = new TokenMeter();
    meter.note({ messages: [system, user], tools }, { promptTokens: 500 });
    const thought: Message = { role: "assistant", content: "", reasoning_content: "t".repeat(8_000) };
    const messages = [system, user, thought, more];
    expect(meter.count({ messages, tools }).tokens).toBeGreaterThan(2_500);
    meter.note({ messages, tools }, { promptTokens: 556 });
    expect(meter.count({ messages: [...messages, thought, more], tools }).tokens).toBeLessThan(700);
    expect(meter.bytesPerToken).toBeCloseTo(4, 0);
  });

  it("takes the total of a prompt with pictures and learns nothing of texts from it", () => {
    const meter = new TokenMeter();
    const picture: Message = {
      role: "user",
      content: [{ type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(50_000)}` } }],
    };
    expect(meter.count({ messages: [system, picture], tools }).tokens).toBeLessThan(1_500);
    meter.note({ messages: [system, picture], tools }, { promptTokens: 3_000 });
    expect(meter.bytesPerToken).toBe(3);
    expect(meter.count({ messages: [system, picture], tools }).tokens).toBe(3_000);
  });

  it("stays within what a tokenizer can do, whatever counts come", () => {
    fc.assert(
      fc.property(fc.array(fc.double(), { maxLength: 20 }), (counts) => {
        const meter = new TokenMeter();
        for (const promptTokens of counts) meter.note({ messages: [system, user], tools }, { promptTokens });
        expect(meter.bytesPerToken).toBeGreaterThanOrEqual(0.9);
        expect(meter.bytesPerToken).toBeLessThanOrEqual(8);
        const { tokens } = meter.count({ messages: [system, user], tools });
        const bytes = messagesBytes([system, user]);
        expect(tokens).toBeGreaterThanOrEqual(Math.floor(bytes / 8));
        expect(tokens).toBeLessThanOrEqual(Math.ceil(bytes / 0.9));
      }),
    );
  });
});

describe("a refused request", () => {
  const messages = Array.from({ length: 30 }, (): Message => ({ role: "user", content: "x".repeat(980) }));

  it("shows the window by the server's own numbers", () => {
    const meter = new TokenMeter();
    meter.noteOverflow({ messages, tools }, { promptTokens: 7_500, contextTokens: 6_000 });
    expect(meter.windowTokens).toBe(6_000);
    expect(meter.count({ messages, tools }).tokens).toBe(7_500);
  });

  it("shows without numbers that the window is smaller than what was refused", () => {
    const meter = new TokenMeter();
    meter.noteOverflow({ messages, tools }, {});
    expect(meter.windowTokens).toBe(9_000);
    meter.noteOverflow({ messages, tools }, { contextTokens: 1e9 });
    expect(meter.windowTokens).toBe(9_000);
  });

  it("says nothing about the window when it was short and no number came", () => {
    const meter = new TokenMeter();
    meter.noteOverflow({ messages: [system], tools }, { contextTokens: "many" });
    expect(meter.windowTokens).toBeUndefined();
  });
});

describe("rates", () => {
  const prompt = { messages: [system, user], tools };

  it("are the server's own where it tells them", () => {
    const meter = new TokenMeter();
    expect(meter.prefillSeconds(500)).toBeUndefined();
    meter.note(prompt, { prefillTokensPerSecond: 250, decodeTokensPerSecond: 20 });
    meter.noteTimes(
      { prefillTokensPerSecond: 250 },
      { toFirstDeltaMs: 1, fromFirstDeltaMs: 1, newTokens: 500 },
    );
    expect(meter.prefillSeconds(500)).toBe(2);
    expect(meter.decodeTokensPerSecond).toBe(20);
  });

  it("are measured where it does not", () => {
    const meter = new TokenMeter();
    meter.noteTimes(
      { completionTokens: 100 },
      { toFirstDeltaMs: 2_000, fromFirstDeltaMs: 10_000, newTokens: 600 },
    );
    expect(meter.prefillTokensPerSecond).toBe(300);
    expect(meter.decodeTokensPerSecond).toBe(10);
  });

  it("are not taken from a few tokens, a clock that stands still, or numbers that cannot be", () => {
    const meter = new TokenMeter();
    meter.noteTimes({ completionTokens: 100 }, { toFirstDeltaMs: 0, fromFirstDeltaMs: -5, newTokens: 600 });
    meter.noteTimes({ completionTokens: 3 }, { toFirstDeltaMs: 500, fromFirstDeltaMs: 500, newTokens: 3 });
    for (const rate of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e9])
      meter.note(prompt, { prefillTokensPerSecond: rate, decodeTokensPerSecond: rate });
    expect(meter.prefillTokensPerSecond).toBeUndefined();
    expect(meter.decodeTokensPerSecond).toBeUndefined();
  });
});

describe("a meter that goes on from an earlier process", () => {
  it("counts by the ratio that was learned there", () => {
    const meter = new TokenMeter({ bytesPerToken: 4.2 });
    expect([meter.bytesPerToken, meter.calibrated]).toEqual([4.2, true]);
  });

  it.each([0, -1, 0.1, 500, Number.NaN, Number.POSITIVE_INFINITY])("does not believe %d", (bytesPerToken) => {
    const meter = new TokenMeter({ bytesPerToken });
    expect([meter.bytesPerToken, meter.calibrated]).toEqual([3, false]);
  });
});
