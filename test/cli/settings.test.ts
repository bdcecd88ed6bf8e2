import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readSettings, type SettingFlags, type Settings } from "../../src/cli/settings.ts";

interface Given {
  flags?: SettingFlags;
  env?: Record<string, string>;
  config?: string;
  dotenv?: string;
}

async function read({ flags = {}, env = {}, config, dotenv }: Given): Promise<Settings> {
  const home = mkdtempSync(join(tmpdir(), "lmagent-settings-"));
  try {
    mkdirSync(home, { recursive: true });
    if (config !== undefined) writeFileSync(join(home, "config.yaml"), config);
    if (dotenv !== undefined) writeFileSync(join(home, ".env"), dotenv);
    return await readSettings(flags, { LMAGENT_HOME: home, HOME: "/home/someone", ...env }, "/work");
  } finally {
    rmSync(home, { recursive: true });
  }
}

describe("settings", () => {
  it("have defaults", async () => {
    expect(await read({})).toMatchObject({
      workspace: "/work",
      mode: "normal",
      temperature: 0.65,
      silenceMs: 560_000,
      maxTurns: 500,
      maxTimeMs: Number.POSITIVE_INFINITY,
      allowUnsandboxed: false,
    });
  });

  it("prefer a flag to the environment, that to config.yaml, and that to nothing", async () => {
    const all = { flags: { model: "flag" }, env: { LLM_MODEL: "env" }, config: "llm_model: config" };
    expect((await read(all)).model).toBe("flag");
    expect((await read({ ...all, flags: {} })).model).toBe("env");
    expect((await read({ config: all.config })).model).toBe("config");
    expect((await read({})).model).toBeUndefined();
  });

  it("are read from .env beside config.yaml, which wins over it", async () => {
    expect((await read({ dotenv: 'LLM_URL="http://a:1"\n' })).baseUrl).toBe("http://a:1");
    expect((await read({ dotenv: "LLM_URL=http://a:1\n", config: "LLM_URL: http://b:2" })).baseUrl).toBe(
      "http://b:2",
    );
  });

  it("know both spellings of the temperature", async () => {
    expect((await read({ env: { TEMPERATURE: "0.9" } })).temperature).toBe(0.9);
    expect((await read({ env: { TEMPERATURE: "0.9", LLM_TEMPERATURE: "0.1" } })).temperature).toBe(0.1);
  });

  it("take an unknown mode for manual, but refuse it as a flag", async () => {
    expect((await read({ env: { PERMISSION_MODE: "yolo" } })).mode).toBe("manual");
    await expect(read({ flags: { permission: "yolo" } })).rejects.toThrow(/yolo/);
  });

  it.each(["- a\n- b\n", "just words", "a: [1"])("refuse a config.yaml that is %j", async (config) => {
    await expect(read({ config })).rejects.toThrow(/config\.yaml/);
  });

  it("choose a sandbox and what it can reach", async () => {
    expect(await read({})).toMatchObject({ network: "none" });
    const env = {
      LMAGENT_SANDBOX: "docker",
      LMAGENT_NETWORK: "bridge",
      LMAGENT_SANDBOX_IMAGE: "own/image:2",
    };
    expect(await read({ env })).toMatchObject({
      sandbox: "docker",
      network: "bridge",
      sandboxImage: "own/image:2",
    });
    const flags = { sandbox: "bubblewrap", network: "none" };
    expect(await read({ flags, env })).toMatchObject({ sandbox: "bubblewrap", network: "none" });
  });

  it.each<[Given, RegExp]>([
    [{ flags: { network: "host" } }, /--network.*`host`.*none, bridge/],
    [{ env: { LMAGENT_NETWORK: "yes" } }, /LMAGENT_NETWORK.*`yes`/],
    [{ flags: { sandbox: "Docker" } }, /--sandbox.*docker, bubblewrap, seatbelt, process/],
    [{ env: { LMAGENT_SANDBOX_IMAGE: "--privileged" } }, /LMAGENT_SANDBOX_IMAGE.*image/],
    [{ config: 'lmagent_sandbox_image: "a b"' }, /LMAGENT_SANDBOX_IMAGE/],
  ])("refuse %j, and never take something weaker for it", async (given, message) => {
    await expect(read(given)).rejects.toThrow(message);
  });

  it("take the address of Docker from the environment alone", async () => {
    const stored = "DOCKER_HOST=unix:///planted.sock\n";
    expect(
      (await read({ dotenv: stored, config: "docker_host: unix:///planted" })).dockerHost,
    ).toBeUndefined();
    expect((await read({ env: { DOCKER_HOST: "unix:///a.sock" }, dotenv: stored })).dockerHost).toBe(
      "unix:///a.sock",
    );
  });

  it("are not polluted by a __proto__ key", async () => {
    const settings = await read({ config: "__proto__: {model: evil}\nllm_model: fine" });
    expect(settings.model).toBe("fine");
    expect(({} as Record<string, unknown>)["model"]).toBeUndefined();
  });
});
