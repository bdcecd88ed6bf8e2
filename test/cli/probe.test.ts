import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runProbe } from "../../src/cli/commands/probe.ts";
import { createIdleProbe, isFreeToProbe, type IdleProbe } from "../../src/cli/idle-probe.ts";
import { openProfiles, type Profiles } from "../../src/cli/profiles.ts";
import type { Model, ModelInfo } from "../../src/core/model.ts";
import { hangingReply, jsonReply, type ScriptedServer } from "../../src/testing/index.ts";
import * as met from "../models/probe-personalities.ts";
import { createModel } from "../models/run-model.ts";
import { serve } from "../models/serve.ts";
import { createCommandPlace, runCommand, type CommandPlace } from "./_command.ts";

let place: CommandPlace;
beforeEach(() => (place = createCommandPlace()));
afterEach(() => place[Symbol.dispose]());

async function answering(personality: met.Personality, id = "scripted"): Promise<ScriptedServer> {
  const listed = jsonReply({ data: [{ id, max_model_len: 8_192, owned_by: "vllm" }] });
  return serve((request) => personality(met.toAsked(request)), { routes: { "GET /v1/models": listed } });
}

function kept(): string[] {
  const folder = join(place.home, "profiles");
  return existsSync(folder) ? readdirSync(folder) : [];
}

describe("lmagent probe", () => {
  it("shows each step as it goes, then what was found, and keeps it", async () => {
    const server = await answering(met.perfect);
    const { code, stdout, stderr } = await runCommand(() => runProbe({ baseUrl: server.url }));
    expect(code).toBe(0);
    expect(stderr).toMatch(/Does it call tools\? +native\n/);
    expect(stdout).toMatch(/^scripted on vllm at /);
    expect(stdout).toMatch(/tool calls +native\n/);
    expect(stdout).toMatch(/recalls over +[\d,]+ tokens; more was not tried\n/);
    expect(kept()).toHaveLength(1);
  });

  it("shows what is kept, and tests again when it is told to", async () => {
    const server = await answering(met.perfect);
    await runCommand(() => runProbe({ baseUrl: server.url }));
    const asked = server.chats.length;
    const again = await runCommand(() => runProbe({ baseUrl: server.url }));
    expect(again).toMatchObject({ code: 0, stderr: "" });
    expect(again.stdout).toContain("--refresh");
    expect(server.chats).toHaveLength(asked);
    await runCommand(() => runProbe({ baseUrl: server.url, refresh: true }));
    expect(server.chats).toHaveLength(2 * asked);
  });

  it("tests again as if nothing were known", async () => {
    const server = await answering(met.hermes);
    await runCommand(() => runProbe({ baseUrl: server.url, json: true }));
    const forced = server.chats.filter(({ body }) => body.includes("tool_choice")).length;
    expect(forced).toBeGreaterThan(0);
    await runCommand(() => runProbe({ baseUrl: server.url, refresh: true }));
    expect(server.chats.filter(({ body }) => body.includes("tool_choice"))).toHaveLength(2 * forced);
  });

  it("prints JSON and nothing else", async () => {
    const server = await answering(met.hermes);
    const { stdout, stderr } = await runCommand(() => runProbe({ baseUrl: server.url, json: true }));
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({
      model: "scripted",
      server: "vllm",
      kept: false,
      findings: { nativeCalls: false, textForm: "<tool_call> in text", forcedCalls: "none" },
    });
  });

  it.each([
    ["answers with web pages", met.garbage],
    ["says nothing", met.empty],
  ])("fails for a server that %s, and keeps nothing", async (_name, personality) => {
    const server = await answering(personality);
    await expect(runCommand(() => runProbe({ baseUrl: server.url, json: true }))).rejects.toMatchObject({
      code: "model_unavailable",
      message: expect.stringContaining("Nothing was found out") as string,
    });
    expect(kept()).toEqual([]);
  });

  it("keeps nothing of a test in which the server went away", async () => {
    const server = await answering((asked) => {
      if (asked.hasImage) void server.close();
      return met.perfect(asked);
    });
    await expect(runCommand(() => runProbe({ baseUrl: server.url }))).rejects.toThrow(/stopped answering/);
    expect(kept()).toEqual([]);
  });

  it("leaves nothing when it is interrupted", async () => {
    const server = await answering((asked) => {
      if (!asked.hasTools) return met.perfect(asked);
      process.emit("SIGINT");
      return hangingReply();
    });
    const listeners = process.listenerCount("SIGINT");
    const { code, stdout } = await runCommand(() => runProbe({ baseUrl: server.url }));
    expect({ code, stdout, kept: kept() }).toEqual({ code: 130, stdout: "", kept: [] });
    expect(process.listenerCount("SIGINT")).toBe(listeners);
  });

  it("has nothing to find out about the practice model", async () => {
    const server = await answering(met.perfect, "lmagent-practice-1");
    await expect(runCommand(() => runProbe({ baseUrl: server.url }))).rejects.toThrow(/practice model/);
    expect(server.chats).toEqual([]);
  });
});

describe("a probe that nobody asked for", () => {
  const info: ModelInfo = {
    id: "m",
    server: "llama-server",
    baseUrl: "http://127.0.0.1:8080/v1",
    contextTokens: 8_192,
    profile: { name: "default" },
  };

  it.each([
    "http://localhost:1234/v1",
    "http://[::1]:8080/v1",
    "http://10.1.2.3:8000/v1",
    "http://172.20.0.4:8000/v1",
    "http://192.168.1.5:11434/v1",
    "http://[fd12::1]:8080/v1",
    "http://workstation:8080/v1",
    "https://gpu.local/v1",
    "http://box.lan:8080/v1",
  ])("costs nothing at %s", (baseUrl) => {
    expect(isFreeToProbe({ ...info, baseUrl })).toBe(true);
  });

  it.each<[string, Partial<ModelInfo>]>([
    ["at a service, where tokens have a price", { baseUrl: "https://api.example.com/v1" }],
    ["at an address of the internet", { baseUrl: "http://172.15.0.1:8000/v1" }],
    ["at another one", { baseUrl: "http://[2001:db8::1]:8000/v1" }],
    ["at a server that may pass requests on to a service", { server: "openai-compatible" }],
    ["with a model that Ollama passes on to its service", { server: "ollama", id: "gpt-oss:120b-cloud" }],
    ["with a model that is not loaded", { loaded: false }],
  ])("does not begin %s", (_name, change) => {
    expect(isFreeToProbe({ ...info, ...change })).toBe(false);
  });

  it("does not begin where no window is known", () => {
    const { contextTokens: _unknown, ...silent } = info;
    expect(isFreeToProbe(silent)).toBe(false);
  });
});

describe("a probe in an idle session", () => {
  let lines: string[];
  let profiles: Profiles;
  let probe: IdleProbe;
  beforeEach(() => (lines = []));

  async function begin(server: ScriptedServer): Promise<Model> {
    profiles = await openProfiles(place);
    const model = createModel(server.url, { id: undefined, maxRetries: 0, refine: profiles.apply });
    probe = createIdleProbe({ model, profiles, notify: (line) => lines.push(line) });
    return model;
  }

  it("tells the user in one line, keeps what it finds, and changes the profile from then on", async () => {
    const model = await begin(await answering(met.hermes));
    expect((await model.describe({})).profile.probe).toBeUndefined();
    probe.start();
    await probe.settled();
    expect(lines).toEqual([expect.stringContaining("scripted")]);
    expect((await model.describe({})).profile.probe).toMatchObject({ forcedCalls: "none" });
    expect(kept()).toHaveLength(1);
  });

  it("runs once, and not at all when the model is known", async () => {
    const server = await answering(met.perfect);
    await begin(server);
    probe.start();
    probe.start();
    await probe.settled();
    const asked = server.chats.length;
    probe.start();
    await probe.settled();
    await begin(server);
    probe.start();
    await probe.settled();
    expect(server.chats).toHaveLength(asked);
    expect(lines).toHaveLength(1);
  });

  it("is over before a request of the user can be sent, and is tried once more", async () => {
    let came = (): void => {};
    const server = await answering(() => {
      came();
      return hangingReply();
    });
    await begin(server);
    for (const chats of [1, 2]) {
      const asked = new Promise<void>((done) => (came = done));
      probe.start();
      await asked;
      await probe.stop();
      expect(server.chats).toHaveLength(chats);
    }
    probe.start();
    await probe.settled();
    expect(server.chats).toHaveLength(2);
    expect(kept()).toEqual([]);
    await expect.poll(() => server.chats.every(({ abandoned }) => abandoned)).toBe(true);
  });

  it("leaves the practice model alone", async () => {
    const server = await answering(met.perfect, "lmagent-practice-1");
    await begin(server);
    probe.start();
    await probe.settled();
    expect(server.chats).toEqual([]);
    expect(lines).toEqual([]);
  });

  it("says nothing when no server is there any more", async () => {
    const server = await answering(met.perfect);
    await begin(server);
    await server.close();
    probe.start();
    await probe.settled();
    expect(lines).toEqual([]);
  });

  it("keeps to a slot of its own", async () => {
    const server = await answering(met.perfect);
    await begin(server);
    const inner = createModel(server.url, { maxRetries: 0 });
    const slots: (number | undefined)[] = [];
    const model: Model = {
      id: "scripted",
      describe: (options) => inner.describe(options),
      acquireSlot: async (role) => (role === "main" ? 0 : 3),
      stream: (request, options) => {
        slots.push(request.slot);
        return inner.stream(request, options);
      },
    };
    probe = createIdleProbe({ model, profiles, notify: () => {} });
    probe.start();
    await probe.settled();
    expect(new Set(slots)).toEqual(new Set([3]));
  });
});
