import { describe, expect, it } from "vitest";
import type { Model, ModelInfo, ProbeFindings } from "../../src/core/model.ts";
import { parseFindings, withFindings } from "../../src/models/index.ts";
import { jsonReply, textReply, type ScriptedServer } from "../../src/testing/index.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";
import { serve } from "./serve.ts";

const AT = "2026-01-02T03:04:05.000Z";
const found = (fields: Partial<ProbeFindings>): ProbeFindings => ({ probedAt: AT, ...fields });

describe("what follows from findings", () => {
  const profile = { name: "default" };

  it("is no limit while everything that was tried was recalled", () => {
    const findings = found({ usableTokens: 6_000 });
    expect(withFindings(profile, findings, { contextTokens: 32_768 })).toEqual({
      ...profile,
      probe: findings,
    });
  });

  it("is a limit where a longer prompt failed, but never less than can be worked with", () => {
    const far = found({ usableTokens: 12_000, recallFailedTokens: 24_000 });
    expect(withFindings(profile, far, { contextTokens: 32_768 }).usableTokens).toBe(12_000);
    const near = found({ usableTokens: 1_500, recallFailedTokens: 3_000 });
    expect(withFindings(profile, near, { contextTokens: 32_768 }).usableTokens).toBe(8_192);
    expect(withFindings(profile, near, { contextTokens: 8_192 }).usableTokens).toBeUndefined();
  });

  it("bounds the thinking of a model that always thinks by what it writes in a minute", () => {
    const findings = found({ thinking: "always", decodeTokensPerSecond: 20 });
    expect(withFindings(profile, findings, {}).thinkingTokens).toBe(1_200);
    expect(withFindings(profile, { ...findings, thinking: "switchable" }, {}).thinkingTokens).toBeUndefined();
    expect(withFindings(profile, { ...findings, decodeTokensPerSecond: 1 }, {}).thinkingTokens).toBe(512);
  });

  it("outweighs what was built in", () => {
    const findings = found({ usableTokens: 12_000, recallFailedTokens: 24_000 });
    expect(withFindings({ name: "own", usableTokens: 20_000 }, findings, {}).usableTokens).toBe(12_000);
  });
});

describe("findings from a file", () => {
  it("are taken when each field holds what it can, and unknown ones are left out", () => {
    expect(parseFindings({ probedAt: AT, nativeCalls: true, colour: "red" })).toEqual(
      found({ nativeCalls: true }),
    );
  });

  it.each([
    null,
    [],
    "text",
    {},
    { nativeCalls: true },
    { probedAt: "never" },
    { probedAt: AT, nativeCalls: "yes" },
    { probedAt: AT, usableTokens: -1 },
    { probedAt: AT, usableTokens: 1e300 },
    { probedAt: AT, decodeTokensPerSecond: Number.NaN },
    { probedAt: AT, thinking: "sometimes" },
    { probedAt: AT, textForm: "x".repeat(5_000) },
    JSON.parse('{"__proto__": {"probedAt": "2026-01-01"}}'),
  ])("are not taken from %j", (value) => {
    expect(parseFindings(value)).toBeUndefined();
  });
});

describe("a model of which more is known than its server tells", () => {
  async function start(known: () => ProbeFindings): Promise<{ model: Model; server: ScriptedServer }> {
    const server = await serve(() => textReply("no"), {
      routes: { "GET /v1/models": jsonReply({ data: [{ id: "scripted", owned_by: "vllm" }] }) },
    });
    const refine = (info: ModelInfo): ModelInfo => ({
      ...info,
      profile: { ...info.profile, probe: known() },
    });
    return { model: createModel(server.url, { refine }), server };
  }

  it("is described with what is known at that time", async () => {
    let probe = found({});
    const { model } = await start(() => probe);
    expect((await model.describe({})).profile.probe).toEqual(found({}));
    probe = found({ vision: true });
    expect((await model.describe({})).profile.probe?.vision).toBe(true);
  });

  it("is asked for a forced call only where one can be forced", async () => {
    let forcedCalls: "none" | "tool_choice" = "none";
    const { model, server } = await start(() => found({ forcedCalls }));
    await model.describe({});
    await runModel(model, { request: { ...REQUEST, toolChoice: "required" } });
    forcedCalls = "tool_choice";
    await runModel(model, { request: { ...REQUEST, toolChoice: "required" } });
    expect(server.chats.map(({ body }) => body.includes("tool_choice"))).toEqual([false, true]);
  });
});
