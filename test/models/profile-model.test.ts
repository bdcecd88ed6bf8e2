import { describe, expect, it } from "vitest";
import type { ModelInfo, ModelRequest, ProbeFindings } from "../../src/core/model.ts";
import { parseFindings, withFindings, withProfile } from "../../src/models/index.ts";
import { createScriptedModel } from "../../src/testing/index.ts";

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

describe("a model with a profile of its own", () => {
  const request = (fields: Partial<ModelRequest> = {}): ModelRequest => ({
    messages: [],
    tools: [],
    ...fields,
  });
  const take = async (model: ReturnType<typeof withProfile>, one: ModelRequest): Promise<void> => {
    for await (const event of model.stream(one, { signal: new AbortController().signal })) void event;
  };
  const apply =
    (probe: ProbeFindings) =>
    (info: ModelInfo): ModelInfo => ({ ...info, profile: { ...info.profile, probe } });

  it("is described with what is known at that time", async () => {
    let probe = found({});
    const model = withProfile(createScriptedModel([]), (info) => apply(probe)(info));
    expect((await model.describe({})).profile.probe).toEqual(found({}));
    probe = found({ vision: true });
    expect((await model.describe({})).profile.probe?.vision).toBe(true);
    expect(model.id).toBe("scripted");
  });

  it("is asked for a forced call only where one can be forced", async () => {
    const inner = createScriptedModel([{ text: "a" }, { text: "b" }, { text: "c" }]);
    let forcedCalls: "none" | "tool_choice" = "tool_choice";
    const model = withProfile(inner, (info) => apply(found({ forcedCalls }))(info));
    await take(model, request({ toolChoice: "required" }));
    await model.describe({});
    await take(model, request({ toolChoice: "required" }));
    forcedCalls = "none";
    await model.describe({});
    await take(model, request({ toolChoice: "required" }));
    expect(inner.requests.map(({ toolChoice }) => toolChoice)).toEqual(["required", "required", undefined]);
  });
});
