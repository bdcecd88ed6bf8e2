import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openProfiles } from "../../src/cli/profiles.ts";
import type { ModelInfo, ProbeFindings } from "../../src/core/model.ts";

let home: string;
beforeEach(() => (home = mkdtempSync(join(tmpdir(), "lmagent-profiles-"))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const INFO: ModelInfo = {
  id: "Qwen3-8B",
  server: "llama-server",
  baseUrl: "http://127.0.0.1:8080/v1",
  contextTokens: 32_768,
  templateHash: "0123456789abcdef",
  quantization: "Q4_K_M",
  profile: { name: "default" },
};
const FOUND: ProbeFindings = {
  probedAt: "2026-01-02T03:04:05.000Z",
  nativeCalls: true,
  thinking: "always",
  decodeTokensPerSecond: 30,
  usableTokens: 12_000,
  recallFailedTokens: 24_000,
};

function configure(text: string): void {
  writeFileSync(join(home, "config.yaml"), text);
}

function keptFiles(): string[] {
  return readdirSync(join(home, "profiles")).map((name) => join(home, "profiles", name));
}

describe("kept findings", () => {
  it("are found again, by this agent and by the next", async () => {
    const profiles = await openProfiles({ home });
    expect(profiles.find(INFO)).toBeUndefined();
    await profiles.save(INFO, FOUND);
    expect(profiles.find(INFO)).toEqual(FOUND);
    const next = await openProfiles({ home });
    expect(next.find(INFO)).toEqual(FOUND);
    expect(next.takeWarnings()).toEqual([]);
  });

  it("can be left out of account until new ones are there", async () => {
    const profiles = await openProfiles({ home });
    await profiles.save(INFO, FOUND);
    profiles.forget(INFO);
    expect(profiles.apply(INFO)).toEqual(INFO);
    expect((await openProfiles({ home })).find(INFO)).toEqual(FOUND);
  });

  it("lie in one file that only the user can read", async () => {
    const profiles = await openProfiles({ home });
    await profiles.save(INFO, FOUND);
    await profiles.save(INFO, { ...FOUND, nativeCalls: false });
    const [file = "", ...others] = keptFiles();
    expect(others).toEqual([]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, "profiles")).mode & 0o777).toBe(0o700);
  });

  it.each([
    ["model", { id: "other" }],
    ["server", { baseUrl: "http://127.0.0.1:9090/v1" }],
    ["kind of server", { server: "vllm" }],
    ["template", { templateHash: "ffff" }],
    ["quantization", { quantization: "Q8_0" }],
  ] as const)("belong to one %s", async (_name, change) => {
    const profiles = await openProfiles({ home });
    await profiles.save(INFO, FOUND);
    expect(profiles.find({ ...INFO, ...change })).toBeUndefined();
  });

  it("do not depend on the port that our own runtime has today, nor on whether it has loaded the file yet", async () => {
    const profiles = await openProfiles({ home });
    const ours: ModelInfo = { ...INFO, server: "lmagent", baseUrl: "http://127.0.0.1:41111/v1" };
    await profiles.save(ours, FOUND);
    const { templateHash: _hash, quantization: _quantization, ...loading } = ours;
    expect(profiles.find({ ...loading, baseUrl: "http://127.0.0.1:42222/v1" })).toEqual(FOUND);
  });

  it.each([
    ["no JSON", "{"],
    ["null", "null"],
    ["a list", "[]"],
    ["of another model", JSON.stringify({ format: 1, model: "evil", findings: FOUND })],
    ["of the wrong type", undefined],
  ])("are ignored with a warning when they are %s, and can be replaced", async (_name, text) => {
    await (await openProfiles({ home })).save(INFO, FOUND);
    const [file = ""] = keptFiles();
    const identity = {
      server: INFO.server,
      baseUrl: INFO.baseUrl,
      model: INFO.id,
      templateHash: INFO.templateHash,
    };
    const wrong = {
      format: 1,
      ...identity,
      quantization: "Q4_K_M",
      findings: { ...FOUND, usableTokens: "many" },
    };
    writeFileSync(file, text ?? JSON.stringify(wrong));
    const profiles = await openProfiles({ home });
    expect(profiles.apply(INFO)).toEqual(INFO);
    expect(profiles.takeWarnings()).toEqual([expect.stringContaining(file)]);
    expect(profiles.takeWarnings()).toEqual([]);
    await profiles.save(INFO, FOUND);
    expect((await openProfiles({ home })).find(INFO)).toEqual(FOUND);
  });

  it("are not followed through a link, and not taken from others who may write them", async () => {
    await (await openProfiles({ home })).save(INFO, FOUND);
    const [file = ""] = keptFiles();
    chmodSync(file, 0o666);
    const open = await openProfiles({ home });
    expect(open.find(INFO)).toBeUndefined();
    expect(open.takeWarnings()[0]).toContain("other users");
    rmSync(file);
    const elsewhere = join(home, "elsewhere.json");
    writeFileSync(elsewhere, "{}");
    symlinkSync(elsewhere, file);
    const linked = await openProfiles({ home });
    expect(linked.find(INFO)).toBeUndefined();
    await linked.save(INFO, FOUND);
    expect(statSync(elsewhere).size).toBe(2);
  });

  it("of an older format are not taken, which is nothing to warn about", async () => {
    await (await openProfiles({ home })).save(INFO, FOUND);
    writeFileSync(keptFiles()[0] ?? "", JSON.stringify({ format: 0, findings: FOUND }));
    const profiles = await openProfiles({ home });
    expect(profiles.find(INFO)).toBeUndefined();
    expect(profiles.takeWarnings()).toEqual([]);
  });

  it("that cannot be written are an error that names the file", async () => {
    writeFileSync(join(home, "profiles"), "");
    const profiles = await openProfiles({ home });
    await expect(profiles.save(INFO, FOUND)).rejects.toMatchObject({ code: "storage_failed" });
  });
});

describe("a profile", () => {
  it("is as built in where nothing else is known", async () => {
    expect((await openProfiles({ home })).apply(INFO)).toEqual(INFO);
  });

  it("takes what a probe has found, and what follows from it", async () => {
    const profiles = await openProfiles({ home });
    await profiles.save(INFO, { ...FOUND, vision: true });
    expect(profiles.apply(INFO)).toMatchObject({
      vision: true,
      profile: { usableTokens: 12_000, thinkingTokens: 1_800, probe: { nativeCalls: true } },
    });
  });

  it("lets the user's word win over the probe's, and that over what is built in", async () => {
    configure(
      "profiles:\n  'qwen3*':\n    usable_tokens: 20000\n    native_calls: false\n    temperature: 0.6\n    vision: false\n",
    );
    const profiles = await openProfiles({ home });
    await profiles.save(INFO, { ...FOUND, vision: true });
    const built = { name: "built", temperature: 0.1, maxTokens: 50, thinkingTokens: 9 };
    const { profile, vision } = profiles.apply({ ...INFO, profile: built });
    expect(profile).toMatchObject({
      name: "built",
      temperature: 0.6,
      maxTokens: 50,
      usableTokens: 20_000,
      thinkingTokens: 1_800,
      probe: { nativeCalls: false, thinking: "always" },
    });
    expect(vision).toBe(false);
    expect(profiles.find(INFO)).toMatchObject({ nativeCalls: true });
  });

  it("is set for every model that a pattern fits, a later pattern over an earlier one", async () => {
    configure(
      "PROFILES:\n  '*': {temperature: 0.1, max_tokens: 5}\n  qwen3-8b: {Temperature: 0.9}\n  llama*: {maxTokens: 7}\n",
    );
    const profiles = await openProfiles({ home });
    expect(profiles.apply(INFO).profile).toMatchObject({ temperature: 0.9, maxTokens: 5 });
    expect(profiles.apply({ ...INFO, id: "Llama-3" }).profile).toMatchObject({
      temperature: 0.1,
      maxTokens: 7,
    });
  });

  it("can be set without a probe, and then says that there was none", async () => {
    configure("profiles: {'*': {forced_calls: none, thinking_tokens: 0, tools: [read, edit]}}");
    const profiles = await openProfiles({ home });
    expect(profiles.apply(INFO).profile).toMatchObject({
      thinkingTokens: 0,
      tools: ["read", "edit"],
      probe: { forcedCalls: "none", probedAt: "1970-01-01T00:00:00.000Z" },
    });
    expect(profiles.find(INFO)).toBeUndefined();
  });

  it("tells the window of a server that does not, and of no other", async () => {
    configure("profiles: {'*': {context_tokens: 16384}}");
    const profiles = await openProfiles({ home });
    expect(profiles.apply(INFO).contextTokens).toBe(32_768);
    const { contextTokens: _none, ...silent } = INFO;
    expect(profiles.apply(silent).contextTokens).toBe(16_384);
  });

  it.each([
    ["profiles: 7", /`profiles` is `7`, but must be models with their fields/],
    ["profiles: [a]", /`profiles` is `\["a"\]`/],
    ["profiles: {a: 7}", /`profiles: a` is `7`, but must be fields/],
    [
      "profiles: {a: {temperature: hot}}",
      /`profiles: a: temperature` is `hot`, but must be a number from 0 to 2/,
    ],
    [
      "profiles: {a: {usable_tokens: -5}}",
      /`profiles: a: usable_tokens` is `-5`, but must be a whole number above 0/,
    ],
    ["profiles: {a: {usable_tokens: .inf}}", /whole number/],
    ["profiles: {a: {thinking: maybe}}", /one of none, always, switchable/],
    ["profiles: {a: {tools: read}}", /a list of names/],
    [
      "profiles: {a: {colour: red}}",
      /has a field `colour`, which does not exist\. There are .*usable_tokens/,
    ],
    ["profiles: {a: {probed_at: 2020-01-01}}", /probed_at/],
    ["profiles: {a: {__proto__: {x: 1}}}", /__proto__/],
    ["profiles: {a: &a [*a]}", /`profiles: a` is `a list`, but must be fields/],
    ['{"llm_model": "m", "profiles": {"a": {"temperature": 9}}}', /`profiles: a: temperature` is `9`/],
    ["? profiles\n: {a: {temperature: 9}}", /`profiles: a: temperature` is `9`/],
  ])("that is %s is refused by its name", async (text, message) => {
    configure(text);
    await expect(openProfiles({ home })).rejects.toMatchObject({
      code: "config_invalid",
      message: expect.stringMatching(message) as string,
    });
  });

  it("needs no folder and no configuration", async () => {
    rmSync(home, { recursive: true });
    const profiles = await openProfiles({ home });
    expect(profiles.apply(INFO)).toEqual(INFO);
    mkdirSync(home);
    configure("llm_model: qwen\nprofiles:\n");
    expect((await openProfiles({ home })).apply(INFO)).toEqual(INFO);
  });
});
