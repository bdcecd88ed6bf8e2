import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PRACTICE } from "../engine/_practice.ts";
import { createPlace, runAgent, spawnAgent, type AgentRun, type Place } from "./_agent.ts";

let place: Place;
beforeEach(() => {
  place = createPlace();
});
afterEach(async () => {
  await lmagent("daemon", "down");
  place[Symbol.dispose]();
});

const lmagent = (...args: string[]): Promise<AgentRun> => runAgent(args, { place });

/** The embedded engine on any free port: other tests may run on this machine. */
const start = (...flags: string[]): Promise<AgentRun> =>
  lmagent("server", "start", "--port", "0", "--engine", "embedded", "--threads", "1", ...flags);

async function chat(url: string, body: object = {}): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 4, ...body }),
  });
}

describe("lmagent server", () => {
  it("starts in the background, answers as lms does, and stops", async () => {
    expect(await lmagent("server", "status", "--json")).toMatchObject({
      code: 0,
      stdout: '{"running":false,"port":1234}\n',
    });
    const started = await start();
    expect(started).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\n$/) as string,
    });
    const url = started.stdout.trim();
    const status = await lmagent("server", "status", "--json");
    expect(JSON.parse(status.stdout)).toEqual({ running: true, port: Number(new URL(url).port) });
    expect((await chat(url)).status).toBe(200);
    const { pid } = JSON.parse((await lmagent("daemon", "status", "--json")).stdout) as { pid: number };
    expect(await lmagent("server", "stop")).toMatchObject({ code: 0 });
    // With its models, so that their memory is free for whatever comes next.
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
    expect(await lmagent("daemon", "status", "--json")).toMatchObject({
      stdout: '{"status":"not-running"}\n',
    });
    expect(await lmagent("server", "stop")).toMatchObject({ code: 1 });
  });

  it("shows what its models do, and its log", async () => {
    const { stdout } = await start();
    const url = stdout.trim();
    expect((await lmagent("server", "stats")).stdout).toContain("No model is loaded");
    await chat(url, { stream: true }).then((answer) => answer.text());
    const { models } = JSON.parse((await lmagent("server", "stats", "--json")).stdout) as {
      models: object[];
    };
    expect(models).toEqual([
      expect.objectContaining({ id: "lmagent-practice", state: "ready", backend: "embedded" }),
    ]);
    expect((await lmagent("server", "stats")).stdout).toMatch(/MODEL.*\nlmagent-practice +idle +1 /);
    expect((await lmagent("server", "logs")).stdout).toContain("POST /v1/chat/completions 200");
    const lines = (await lmagent("server", "logs", "-n", "2", "--json")).stdout.trim().split("\n");
    expect(lines.map((line) => Object.keys(JSON.parse(line) as object).includes("message"))).toEqual([
      true,
      true,
    ]);
  });

  it("follows its log until it is interrupted", async () => {
    const { stdout } = await start();
    const follower = spawnAgent(["server", "logs", "-f", "-n", "0"], { place });
    let seen = "";
    follower.stdout?.setEncoding("utf8").on("data", (text: string) => (seen += text));
    const asked = setInterval(() => void fetch(`${stdout.trim()}/health`).catch(() => undefined), 100);
    while (!seen.includes("/health")) await new Promise((resolve) => setTimeout(resolve, 20));
    clearInterval(asked);
    follower.kill("SIGINT");
    expect(await once(follower, "exit")).toEqual([0, null]);
  });

  it("wants a key that was made for it", async () => {
    const made = await lmagent("server", "key", "create", "--name", "editor");
    const key = made.stdout.trim();
    const url = (await start()).stdout.trim();
    expect((await fetch(`${url}/v1/models`)).status).toBe(401);
    expect((await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(
      200,
    );
    expect((await lmagent("server", "key", "list")).stdout).toContain("editor");
    expect((await lmagent("server", "key", "list", "--json")).stdout).not.toContain(key);
    expect(await lmagent("server", "key", "revoke", "editor")).toMatchObject({ code: 0 });
    expect(await lmagent("server", "key", "revoke", "editor")).toMatchObject({ code: 1 });
    expect((await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(
      401,
    );
  });

  it("stays in the foreground, prints its log, and ends with a signal", async () => {
    const flags = ["--foreground", "--port", "0", "--engine", "embedded"];
    const child = spawnAgent(["server", "start", ...flags], { place });
    let out = "";
    let log = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (log += text));
    while (!out.includes("\n")) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await fetch(`${out.trim()}/health`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(log).toContain("GET /health 200");
    expect(log).toContain("ends: it got SIGTERM");
  });

  it.each([
    [["--port", "99999"], "`--port` is `99999`, but must be a whole number from 0 to 65535."],
    [["--port", "1e3"], "`--port` is `1e3`"],
    [["--ttl", "soon"], "`--ttl` is `soon`"],
    [["--memory", "lots"], "`--memory` is `lots`"],
    [["--cors", "example.com"], "`--cors` is `example.com`"],
    [["--engine", "magic"], "`--engine` is `magic`"],
    [["--api-key", "x"], "`--api-key` needs at least 8 characters."],
  ])("refuses %j, and starts nothing", async (flags, message) => {
    const refused = await lmagent("server", "start", ...flags);
    expect(refused).toMatchObject({ code: 64, stderr: expect.stringContaining(message) as string });
    expect((await lmagent("daemon", "status", "--json")).stdout).toBe('{"status":"not-running"}\n');
  });

  it("is not left behind by a start that fails", async () => {
    const refused = await start("--bind", "0.0.0.0");
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no API key") as string,
    });
    expect((await lmagent("daemon", "status", "--json")).stdout).toBe('{"status":"not-running"}\n');
  });
});

describe("lmagent daemon", () => {
  it("goes up once, tells of itself as lms does, and goes down", async () => {
    const up = await lmagent("daemon", "up", "--json");
    const { pid } = JSON.parse(up.stdout) as { pid: number };
    expect(JSON.parse(up.stdout)).toMatchObject({ status: "running", isDaemon: true });
    expect(JSON.parse((await lmagent("daemon", "up", "--json")).stdout)).toMatchObject({ pid });
    expect(JSON.parse((await lmagent("daemon", "status", "--json")).stdout)).toMatchObject({ pid });
    // It was not started for its server, so it outlives it.
    await start();
    await lmagent("server", "stop");
    expect(JSON.parse((await lmagent("daemon", "status", "--json")).stdout)).toMatchObject({ pid });
    expect(await lmagent("daemon", "down", "--json")).toMatchObject({ stdout: '{"status":"not-running"}\n' });
    expect(await lmagent("daemon", "down")).toMatchObject({ code: 0, stdout: "No daemon is running.\n" });
  });
});

describe("lmagent load, ps and unload", () => {
  it("load a model under a name of its own, show it, and unload it", async () => {
    const loaded = await lmagent(
      "load",
      "lmagent-practice",
      "--identifier",
      "mine",
      "--ttl",
      "10m",
      "--json",
    );
    expect(JSON.parse(loaded.stdout)).toMatchObject({
      id: "mine",
      model: "lmagent-practice",
      ttlMs: 600_000,
      estimate: { gpuLayers: 0, layers: 5 },
    });
    const { stderr } = await lmagent("load", "lmagent-practice");
    expect(stderr).toContain(`2 × ${PRACTICE.contextTokens} tokens of context, embedded engine.\n`);
    expect(stderr).toContain(` weights ${(PRACTICE.weightBytes / 1e6).toFixed(1)} MB, `);
    expect(stderr).toMatch(/\nIt takes about .* MB: weights .*0 of 5 layers on the GPU/);
    await lmagent("unload", "lmagent-practice");
    expect((await lmagent("ps")).stdout).toMatch(/^IDENTIFIER .*\nmine +lmagent-practice +idle/);
    expect(JSON.parse((await lmagent("ps", "--json")).stdout)).toEqual([
      expect.objectContaining({
        identifier: "mine",
        modelKey: "lmagent-practice",
        status: "idle",
        queued: 0,
      }),
    ]);
    expect(await lmagent("unload", "mine")).toMatchObject({ code: 0, stderr: "Unloaded mine.\n" });
    expect(await lmagent("unload", "mine")).toMatchObject({ code: 1 });
    expect(await lmagent("ps")).toMatchObject({ code: 0, stdout: "No model is loaded.\n" });
  });

  it("say what is wrong with what they are given", async () => {
    expect(await lmagent("load", "no-such-model")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no-such-model") as string,
    });
    expect(await lmagent("load", "lmagent-practice", "--parallel", "0")).toMatchObject({ code: 64 });
    expect(await lmagent("unload")).toMatchObject({ code: 64 });
  });
});

describe("an agent", () => {
  it("uses a model that the daemon has loaded, without being told where it is", async () => {
    await lmagent("load", "lmagent-practice");
    const run = await lmagent("--json", "--model", "lmagent-practice", "list the files");
    expect(run.code).toBe(0);
    const { models } = JSON.parse((await lmagent("server", "stats", "--json")).stdout) as {
      models: { stats: { requests: number } }[];
    };
    expect(models[0]?.stats.requests).toBeGreaterThan(0);
  });
});
