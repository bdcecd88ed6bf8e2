import { describe, expect, test } from "vitest";
import type { AgentEvent } from "../../src/core/index.ts";
import { createPhase } from "../../src/tui/phase.ts";

const WAITED = 31_000;

/** A phase whose clock is moved by hand; what it says at the times asked for. */
function createClockedPhase() {
  let time = 0;
  const phase = createPhase({ now: () => time });
  return {
    phase,
    after: (ms: number): string => {
      time += ms;
      return phase.text;
    },
    at: (ms: number, event: AgentEvent): string => {
      time += ms;
      return phase.update(event);
    },
  };
}

const progress = (processed: number, cached = 0): AgentEvent => ({
  type: "prefill_progress",
  processed,
  total: 31_000,
  cached,
});

describe("waiting for a prompt that the server reports on", () => {
  test("counts tokens, and down to the end by the rate since the first report", () => {
    const { at, after } = createClockedPhase();
    expect(at(0, { type: "turn_started", turn: 1 })).toBe("waiting for the model");
    expect(at(100, progress(10_000, 10_000))).toBe("reading 10,000 of 31,000 tokens");
    expect(at(2_000, progress(11_000, 10_000))).toBe("reading 11,000 of 31,000 tokens · 40 s left");
    expect(after(15_000)).toBe("reading 11,000 of 31,000 tokens · 25 s left");
    expect(at(1_000, progress(19_000, 10_000))).toBe("reading 19,000 of 31,000 tokens · 24 s left");
  });

  test("claims no time left when the report after it is late", () => {
    const { at, after } = createClockedPhase();
    at(0, { type: "turn_started", turn: 1 });
    at(0, progress(30_000));
    expect(at(1_000, progress(30_500))).toContain("1 s left");
    expect(after(60_000)).toBe("reading 30,500 of 31,000 tokens");
  });

  test("takes the rate measured before until this prompt has one of its own", () => {
    const { at } = createClockedPhase();
    at(0, { type: "turn_started", turn: 2, promptTokens: 31_000, newTokens: 20_000, prefillSeconds: 40 });
    expect(at(100, progress(11_000, 11_000))).toBe("reading 11,000 of 31,000 tokens · 40 s left");
  });
});

describe("waiting for a prompt that nothing is reported on", () => {
  const started: AgentEvent = {
    type: "turn_started",
    turn: 1,
    promptTokens: 31_000,
    newTokens: 6_123,
    prefillSeconds: 20,
  };

  test("counts down an estimate, and says when it was too short", () => {
    const { at, after, phase } = createClockedPhase();
    expect(at(0, started)).toBe("reading about 6,100 new tokens · about 20 s left");
    expect(phase.isCounting).toBe(true);
    expect(after(12_500)).toBe("reading about 6,100 new tokens · about 8 s left");
    expect(after(7_500)).toBe("reading about 6,100 new tokens · longer than the estimated 20 s");
    expect(after(600_000)).toBe("reading about 6,100 new tokens · longer than the estimated 20 s");
    expect(at(0, { type: "text_delta", text: "x" })).toBe("writing");
    expect(phase.isCounting).toBe(false);
  });

  test.each([
    [{}, "waiting for the model"],
    [{ promptTokens: 31_000 }, "waiting for the model"],
    [{ promptTokens: 31_000, newTokens: 40, prefillSeconds: 0.1 }, "waiting for the model"],
    [{ promptTokens: 31_000, newTokens: 31_000 }, "reading about 31,000 new tokens"],
    [{ newTokens: 31_000, prefillSeconds: 0.2 }, "reading about 31,000 new tokens · about 1 s left"],
    [{ newTokens: 31_000, prefillSeconds: Number.NaN }, "reading about 31,000 new tokens"],
    [{ newTokens: Number.NaN, prefillSeconds: Number.NaN }, "waiting for the model"],
  ])("says no more of %j than is known", (counts, text) => {
    expect(createClockedPhase().at(0, { type: "turn_started", turn: 1, ...counts })).toBe(text);
  });

  test("waits for the answer to a plan, and goes on with the call that asked", () => {
    const { at } = createClockedPhase();
    const plan = { title: "t", steps: [], status: "proposed" } as const;
    at(0, { type: "tool_started", callId: "1", name: "plan_propose" });
    expect(at(0, { type: "plan_changed", plan })).toBe("waiting for your answer");
    expect(at(0, { type: "plan_changed", plan: { ...plan, status: "approved" } })).toBe(
      "running plan_propose",
    );
  });

  test("begins again when the request is sent again", () => {
    const { at } = createClockedPhase();
    at(0, started);
    const retry: AgentEvent = { type: "warning", code: "retry", message: "refused (trying again in 1 s)" };
    expect(at(WAITED, retry)).toBe("reading about 6,100 new tokens · about 20 s left");
    const other: AgentEvent = { type: "warning", code: "settings_ignored", message: "x" };
    expect(at(5_000, other)).toBe("reading about 6,100 new tokens · about 15 s left");
  });

  test("is over when the reply has come, also one without a word", () => {
    const { at } = createClockedPhase();
    at(0, started);
    expect(at(0, { type: "usage", turn: 1, usage: {} })).toBe("working");
    at(0, started);
    expect(at(0, { type: "tool_started", callId: "1", name: "read" })).toBe("running read");
    at(0, {
      type: "tool_finished",
      callId: "1",
      name: "read",
      result: { ok: true, output: "" },
      durationMs: 1,
    });
    expect(at(0, { type: "turn_finished", turn: 1, finish: "stop", calls: 1 })).toBe("working");
  });
});
