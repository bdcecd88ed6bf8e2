import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { showDaemonStatus } from "../../src/cli/commands/daemon.ts";
import type { DoctorCheck } from "../../src/cli/doctor/checks.ts";
import { checkDaemon, checkModels, checkServerSettings } from "../../src/cli/doctor/daemon-check.ts";
import { checkHome } from "../../src/cli/doctor/home-check.ts";
import { checkModelInfo } from "../../src/cli/doctor/model-check.ts";
import type { ModelInfo } from "../../src/core/model.ts";
import { createCommandPlace, runCommand, type CommandPlace } from "./_command.ts";

let place: CommandPlace;
beforeEach(() => (place = createCommandPlace()));
afterEach(() => place[Symbol.dispose]());

describe("the model runtime that doctor looks at", () => {
  const packageModel = join(import.meta.dirname, "..", "..", "practice-model", "practice.gguf");
  const config = (text: string): void => {
    mkdirSync(place.home, { recursive: true, mode: 0o700 });
    writeFileSync(join(place.home, "config.yaml"), text, { mode: 0o600 });
  };

  it.each([
    ["server: 5", "`server` is `5`, but must be a section with port, bind"],
    ["server: {prot: 1234}", "`server.prot` is no setting. `server` has port, bind"],
    ["server: {port: {a: 1}}", '`server.port` is `{"a":1}`, but must be a whole number'],
    ["gpu: true", "`gpu` is `true`, but must be a section with n_gpu_layers, flash_attn"],
  ])("has a fault with the setting %s", async (text, words) => {
    config(text);
    const [check] = await checkServerSettings(place, process.env);
    expect(check).toMatchObject({ status: "broken", detail: expect.stringContaining(words) as string });
    expect(check?.fix).toContain(join(place.home, "config.yaml"));
    // What runs can be seen all the same.
    expect((await runCommand(() => showDaemonStatus({ json: true }))).stdout).toContain("not-running");
  });

  it("has none with settings that can be meant, and with empty ones", async () => {
    config("server:\n  port: 1234\n  ttl: 2h\ngpu:\n");
    expect(await checkServerSettings(place, process.env)).toEqual([]);
  });

  it("has no daemon, or one that does not answer any more", async () => {
    expect(await checkDaemon(place)).toMatchObject({
      status: "ok",
      detail: expect.stringMatching(/^none/) as string,
    });
    const run = { pid: process.pid, port: 9, key: "k", version: "1", startedAt: "2026-01-01T00:00:00Z" };
    mkdirSync(join(place.home, "run"), { recursive: true });
    writeFileSync(join(place.home, "run", "daemon.json"), JSON.stringify(run));
    const silent = await checkDaemon(place);
    expect(silent).toMatchObject({
      status: "note",
      fix: expect.stringContaining(`kill ${process.pid}`) as string,
    });
  });

  it("names how to get a model, and what cannot be used", async () => {
    const look = (): Promise<DoctorCheck> =>
      checkModels({ home: place.home, userHome: place.home }, { packageModel, env: {} });
    expect(await look()).toMatchObject({
      status: "note",
      detail: "none but the practice model",
      fix: expect.stringMatching(/^lmagent models get /) as string,
    });
    mkdirSync(join(place.home, "models", "o", "r"), { recursive: true });
    writeFileSync(join(place.home, "models", "o", "r", "bad.gguf"), "<html>");
    copyFileSync(packageModel, join(place.home, "models", "o", "r", "good.gguf"));
    const { detail } = await look();
    expect(detail).toBe("1 on this machine: 1 of LMAgent; 1 file cannot be used");
  });

  it("is not led astray by links in the folder of models", async () => {
    config("");
    mkdirSync(join(place.home, "models"));
    symlinkSync(".", join(place.home, "models", "loop"));
    symlinkSync(place.home, join(place.home, "loop"));
    writeFileSync(join(place.home, "models", "open.gguf"), "");
    expect(await checkHome(place.home)).toEqual([{ name: "settings", status: "ok", detail: place.home }]);
  });
});

describe("our own daemon, when it would serve", () => {
  it("is named without the address that only its key opens", () => {
    const info: ModelInfo = {
      id: "tiny",
      server: "lmagent",
      baseUrl: "http://127.0.0.1:4000/v1",
      contextTokens: 8_192,
      trainedTokens: 40_960,
      profile: { name: "default" },
    };
    const checks = checkModelInfo({ ...info, isDaemon: true }, place);
    const fixOf = (name: string): string | undefined => checks.find((check) => check.name === name)?.fix;
    expect(JSON.stringify(checks)).not.toContain("4000");
    expect(fixOf("abilities")).toBe("lmagent probe --model tiny");
    expect(fixOf("window")).toMatch(/^lmagent unload tiny && lmagent load tiny --context-length 32768/);
  });
});
