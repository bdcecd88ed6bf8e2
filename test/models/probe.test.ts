import { describe, expect, it } from "vitest";
import type { Model } from "../../src/core/model.ts";
import { probeModel } from "../../src/models/index.ts";
import type { ProbeLimits, ProbeResult, ProbeStep } from "../../src/models/index.ts";
import type { ScriptedReply, ScriptedServer } from "../../src/testing/index.ts";
import { callReply, createScriptedModel, errorReply, jsonReply, textReply } from "../../src/testing/index.ts";
import * as met from "./probe-personalities.ts";
import { createModel } from "./run-model.ts";
import { serve } from "./serve.ts";

interface Probed extends ProbeResult {
  steps: ProbeStep[];
  server: ScriptedServer;
  details: Record<string, string>;
}

const WINDOW = jsonReply({ data: [{ id: "scripted", max_model_len: 8_192, owned_by: "vllm" }] });

interface Given {
  limits?: Partial<ProbeLimits>;
  routes?: Record<string, ScriptedReply>;
  signal?: AbortSignal;
  slot?: number;
  /** Called before each answer with its number. */
  before?: (chats: number, server: ScriptedServer) => void;
}

async function probe(
  personality: met.Personality,
  { limits = {}, routes, signal, slot, before }: Given = {},
): Promise<Probed> {
  const server: ScriptedServer = await serve(
    (request, chats) => {
      before?.(chats, server);
      return personality(met.toAsked(request));
    },
    { routes: { "GET /v1/models": WINDOW, ...routes } },
  );
  const steps: ProbeStep[] = [];
  const result = await probeModel(createModel(server.url, { maxRetries: 0 }), {
    signal: signal ?? AbortSignal.timeout(20_000),
    onStep: (step) => steps.push(step),
    limits,
    ...(slot === undefined ? {} : { slot }),
  });
  const details = Object.fromEntries(steps.map(({ name, detail }) => [name, detail]));
  return { ...result, steps, server, details };
}

const SHORT: Partial<ProbeLimits> = { loadMs: 150, waitMs: 150, replyMs: 150 };

describe("a probe", () => {
  it("finds out what a model without faults can do", async () => {
    const { findings, ended } = await probe(met.perfect);
    expect(findings).toEqual({
      probedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      thinking: "none",
      nativeCalls: true,
      parallelCalls: true,
      exactEdits: true,
      forcedCalls: "tool_choice",
      vision: true,
      usableTokens: expect.any(Number) as number,
      prefillTokensPerSecond: 500,
      decodeTokensPerSecond: 20,
    });
    expect(findings.usableTokens).toBeGreaterThan(4_000);
    expect(findings.usableTokens).toBeLessThanOrEqual(8_192);
    expect(ended).toBeUndefined();
  });

  it("names the form of calls that come as text", async () => {
    const { findings } = await probe(met.hermes);
    expect(findings).toMatchObject({
      nativeCalls: false,
      textForm: "<tool_call> in text",
      parallelCalls: false,
      exactEdits: true,
      forcedCalls: "none",
    });
  });

  it("takes a native call that needed repair for a native one", async () => {
    const sloppy: met.Personality = (asked) => {
      const [wish] = met.toWishes(asked);
      if (wish === undefined) return met.perfect(asked);
      return callReply([{ name: wish.name, arguments: `{"path": "x",}` }]);
    };
    const { findings } = await probe(sloppy);
    expect(findings).toMatchObject({ nativeCalls: true });
    expect(findings.textForm).toBeUndefined();
  });

  it("asks nothing about calls of a server that takes no tools, and goes on with the rest", async () => {
    const { findings, steps, server } = await probe(met.withoutTools);
    expect(findings).toMatchObject({ nativeCalls: false, thinking: "none", vision: true });
    expect(findings).not.toHaveProperty("forcedCalls");
    expect(steps.filter(({ state }) => state === "skipped").map(({ name }) => name)).toEqual([
      "parallel",
      "edits",
      "forcing",
    ]);
    const withTools = server.chats.filter(({ body }) => body.includes('"tools"'));
    expect(withTools).toHaveLength(1);
  });

  it("makes nothing of replies in which thinking leaves no room", async () => {
    const { findings, details } = await probe(met.endlessThinker);
    const { probedAt: _at, prefillTokensPerSecond: _p, decodeTokensPerSecond: _d, ...rest } = findings;
    expect(rest).toEqual({ thinking: "always" });
    expect(details["calls"]).toContain("still thinking");
  });

  it("finds a switch of thinking that stands in the text, and uses it", async () => {
    const { findings, server } = await probe(met.quietOnDemand);
    expect(findings).toMatchObject({ thinking: "switchable", thinkingSwitch: "text", nativeCalls: true });
    const later = server.chats.slice(3).map((request) => met.toAsked(request).text);
    expect(later.every((text) => text.endsWith("/no_think") || text.includes("halves"))).toBe(true);
  });

  it("gives a model that always thinks more room, and finds its calls", async () => {
    const { findings, server } = await probe(met.steadyThinker);
    expect(findings).toMatchObject({ thinking: "always", nativeCalls: true, exactEdits: true });
    const room = server.chats.map((request) => met.toAsked(request).body.max_tokens ?? 0);
    expect(Math.max(...room)).toBeGreaterThan(room[0] ?? 0);
  });

  it.each([
    ["says nothing", met.empty],
    ["answers with a web page", met.garbage],
    ["breaks off every reply", met.broken],
  ])("learns nothing from a server that %s, and does not fail", async (_name, personality) => {
    const { findings, steps } = await probe(personality);
    expect(Object.keys(findings)).toEqual(["probedAt"]);
    expect(steps.some(({ state }) => state === "found")).toBe(false);
  });

  it("does not take words for abilities", async () => {
    const { findings } = await probe(met.chatty);
    expect(findings).toMatchObject({ nativeCalls: false, forcedCalls: "none" });
    expect(findings).not.toHaveProperty("vision");
    expect(findings).not.toHaveProperty("usableTokens");
    expect(findings).not.toHaveProperty("exactEdits");
  });

  it("notices that copied text is not what stood there", async () => {
    expect((await probe(met.carelessCopier)).findings.exactEdits).toBe(false);
  });

  it("waits for no reply for longer than its limits", async () => {
    const started = performance.now();
    const { findings, ended } = await probe(met.silent, { limits: SHORT });
    expect(Object.keys(findings)).toEqual(["probedAt"]);
    expect(ended).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it("hears a reply without end for no longer than it could be one", async () => {
    const started = performance.now();
    const { findings } = await probe(met.withoutEnd, { limits: { waitMs: 9_000, replyMs: 9_000 } });
    expect(Object.keys(findings)).toEqual(["probedAt"]);
    expect(performance.now() - started).toBeLessThan(9_000);
  });

  it("begins no step after its time is over", async () => {
    const { steps, server } = await probe(met.perfect, { limits: { totalMs: -1 } });
    expect(steps.filter(({ state }) => state === "skipped")).toHaveLength(6);
    expect(server.chats).toHaveLength(1);
  });

  it("ends when the server is gone, and says so", async () => {
    const { findings, ended, steps } = await probe(met.perfect, {
      before: (chats, server) => void (chats === 3 && server.close()),
    });
    expect(ended).toMatch(/stopped answering/);
    expect(findings.thinking).toBe("none");
    expect(steps.at(-1)).toMatchObject({ name: "recall", state: "skipped" });
  });

  it("stops at once when it is told to", async () => {
    const controller = new AbortController();
    let asked: ScriptedServer | undefined;
    const probed = probe(met.perfect, {
      signal: controller.signal,
      before(chats, server) {
        asked = server;
        if (chats === 2) controller.abort(new Error("enough"));
      },
    });
    await expect(probed).rejects.toThrow("enough");
    expect(asked?.chats).toHaveLength(2);
  });

  it("fails when nothing answers in the first place", async () => {
    const model = createModel("http://127.0.0.1:9");
    await expect(probeModel(model, { signal: AbortSignal.timeout(9_000) })).rejects.toMatchObject({
      code: "model_unavailable",
    });
  });

  it("shows no picture to a server that says itself whether it sees any", async () => {
    const props = jsonReply({ default_generation_settings: { n_ctx: 4_096 }, modalities: { vision: false } });
    const { findings, server } = await probe(met.perfect, { routes: { "GET /props": props } });
    expect(findings.vision).toBe(false);
    expect(server.chats.some(({ body }) => body.includes("image_url"))).toBe(false);
  });

  it("keeps to the slot it is given", async () => {
    const props = jsonReply({ default_generation_settings: { n_ctx: 4_096 }, total_slots: 2 });
    const { server } = await probe(met.perfect, { routes: { "GET /props": props }, slot: 1 });
    expect(server.chats.every(({ body }) => body.includes('"id_slot":1'))).toBe(true);
  });

  it("finds the way by which a server forces a call, when the first one does nothing", async () => {
    expect((await probe(met.heldToSchema)).findings.forcedCalls).toBe("json_schema");
  });

  it("does not claim a forced call of a model that calls in any case", async () => {
    const eager: met.Personality = (asked) =>
      asked.hasTools
        ? callReply([{ name: "read", arguments: { path: "a" } }])
        : textReply("43", { usage: { prompt_tokens: 9 } });
    const { findings, details } = await probe(eager);
    expect(findings).not.toHaveProperty("forcedCalls");
    expect(details["forcing"]).toContain("not known");
  });

  it("works through the contract of a model alone", async () => {
    const model: Model = createScriptedModel([{ text: "43" }, new Error("no more")]);
    const { findings } = await probeModel(model, { signal: AbortSignal.timeout(5_000) });
    expect(findings).toEqual({ probedAt: findings.probedAt, thinking: "none" });
  });
});

describe("what a model recalls", () => {
  it("is the largest prompt that worked, and the smallest that did not", async () => {
    const { findings } = await probe(met.forgetful(14_000));
    expect(findings.usableTokens).toBeGreaterThan(1_000);
    expect(findings.usableTokens).toBeLessThan(3_700);
    expect(findings.recallFailedTokens).toBeGreaterThan(3_500);
  });

  it("is not judged by a model that cannot do it at all", async () => {
    const { findings } = await probe(met.forgetful(0));
    expect(findings).not.toHaveProperty("usableTokens");
    expect(findings).not.toHaveProperty("recallFailedTokens");
  });

  it("is tried no further than the measured rate allows", async () => {
    const slow: met.Personality = (asked) => {
      const tokens = Math.ceil(asked.text.length / 4);
      const timings = { prompt_n: tokens, cache_n: 0, prompt_per_second: 100 };
      return textReply("marzipan", { usage: { prompt_tokens: tokens, completion_tokens: 3 }, timings });
    };
    const routes = { "GET /v1/models": jsonReply({ data: [{ id: "scripted", max_model_len: 131_072 }] }) };
    const { findings } = await probe(slow, { routes, limits: { readingMs: 40_000 } });
    expect(findings.usableTokens).toBeLessThan(4_500);
    expect(findings).not.toHaveProperty("recallFailedTokens");
  });

  it("grows by prompts of which each begins with the one before, so that a cache serves", async () => {
    const { server } = await probe(met.perfect);
    const prompts = server.chats
      .map((request) => met.toAsked(request).text)
      .filter((text) => text.includes("marzipan"))
      .map((text) => text.slice(0, text.lastIndexOf("\n\n")));
    expect(prompts.length).toBeGreaterThan(2);
    prompts.slice(1).forEach((text, at) => expect(text.startsWith(prompts[at] ?? "?")).toBe(true));
  });

  it("is found in a small window too, however many tokens the server makes of a text", async () => {
    const dense: met.Personality = (asked) => {
      const tokens = Math.ceil(asked.text.length / 1.6);
      if (tokens > 2_048) return errorReply(400, "the request exceeds the available context size");
      return textReply("marzipan", { usage: { prompt_tokens: tokens, completion_tokens: 3 } });
    };
    const routes = { "GET /v1/models": jsonReply({ data: [{ id: "scripted", max_model_len: 2_048 }] }) };
    const { findings } = await probe(dense, { routes });
    expect(findings.usableTokens).toBeGreaterThan(1_000);
  });

  it("fits the window of the server", async () => {
    const { server } = await probe(met.perfect);
    const longest = Math.max(...server.chats.map((request) => met.toAsked(request).text.length));
    expect(longest / 4).toBeLessThan(8_192);
  });
});
