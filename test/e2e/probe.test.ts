import { once } from "node:events";
import { copyFileSync, existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { hangingReply, startScriptedServer } from "../../src/testing/index.ts";
import { createPlace, runAgent, spawnAgent } from "./_agent.ts";

const PRACTICE = resolve(import.meta.dirname, "../../practice-model/practice.gguf");

describe("lmagent probe", () => {
  it("finds out what a real model in our own runtime can do, and knows it the next time", async () => {
    using place = createPlace();
    // Under another name it is a model like any other.
    copyFileSync(PRACTICE, join(place.workspace, "other.gguf"));
    const args = ["probe", "--json", "--model", join(place.workspace, "other.gguf")];
    const first = await runAgent(args, { place });
    expect(first).toMatchObject({ code: 0, stderr: "" });
    const { findings, kept, contextTokens } = JSON.parse(first.stdout);
    expect(kept).toBe(false);
    expect(findings).toMatchObject({ nativeCalls: true, thinking: "none", vision: false });
    expect(findings.decodeTokensPerSecond).toBeGreaterThan(0);
    expect(findings.usableTokens ?? 0).toBeLessThanOrEqual(contextTokens);
    const again = await runAgent(args, { place });
    expect(JSON.parse(again.stdout)).toMatchObject({ kept: true, findings });
  });

  it("leaves nothing behind when it is interrupted", async () => {
    using place = createPlace();
    let came = (): void => {};
    const asked = new Promise<void>((done) => (came = done));
    await using server = await startScriptedServer(() => {
      came();
      return hangingReply();
    });
    const child = spawnAgent(["probe"], { place, url: server.url });
    await asked;
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(130);
    expect(existsSync(place.home) ? readdirSync(place.home) : []).toEqual([]);
  });

  it("exits with 1 and says which server does not answer", async () => {
    using place = createPlace();
    const { code, stdout, stderr } = await runAgent(["probe"], { place, url: "http://127.0.0.1:9" });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("127.0.0.1:9");
  });
});
