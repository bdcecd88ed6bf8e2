import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import type { AgentError } from "../../src/core/errors.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createHostSource, createLlamaServerEngine } from "../../src/engine/llama-server/index.ts";
import { planLoad } from "../../src/engine/plan/model-file.ts";
import type { GenerateEvent, LoadOptions } from "../../src/engine/protocol.ts";
import { describeEngine } from "../../src/testing/index.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { findTestLlamaServer } from "./_llama-server.ts";

const found = findTestLlamaServer();
if (typeof found === "string") process.stderr.write(`llama-server is not tested: ${found}\n`);
const path = typeof found === "string" ? "" : found.path;
const never = new AbortController().signal;

it.runIf(typeof found === "string")("llama-server is there, or missed out loud", ({ skip }) => {
  skip(process.env["CI"] !== "true", "there is no llama-server for tests");
  expect(found).toBeTypeOf("object");
});

const engines: Engine[] = [];
afterAll(() => Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]())));

async function open(
  options: Partial<LoadOptions> = {},
  log: (line: string) => void = () => {},
): Promise<Engine> {
  const planned = await planLoad({ modelPath: PRACTICE_MODEL, threads: 1 });
  const load = { ...planned, ...options };
  const source = createHostSource({ path, load, environment: { PATH: process.env["PATH"] } });
  const engine = createLlamaServerEngine({ source, load, log });
  engines.push(engine);
  return engine;
}

let shared: Promise<Engine> | undefined;
if (path !== "")
  describeEngine("over llama-server on this machine", () => (shared ??= open()), { describe, it });

/** Writes until it is stopped. */
function generate(engine: Engine, signal = never): AsyncGenerator<GenerateEvent, void, void> {
  const sampling = { temperature: 0, topP: 1, topK: 1, minP: 0, ignoreEnd: true };
  return engine.generate({ prompt: "<|user|>Hi<|end|>\n", sampling, stop: [] }, { signal });
}

async function firstText(events: AsyncGenerator<GenerateEvent, void, void>): Promise<void> {
  for (;;) {
    const { done, value } = await events.next();
    if (done || value.type === "text") return;
  }
}

async function failureOf(events: AsyncGenerator<GenerateEvent, void, void>): Promise<AgentError> {
  try {
    for await (const _ of events);
  } catch (thrown) {
    return thrown as AgentError;
  }
  return expect.unreachable();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function untilGone(pid: number): Promise<void> {
  for (const end = Date.now() + 10_000; isAlive(pid) && Date.now() < end; await pause(20));
  expect(isAlive(pid)).toBe(false);
}

describe.runIf(path !== "")("a llama-server of this machine", () => {
  it("is started once, however many ask", async () => {
    const engine = await open();
    engine.start();
    const [first, second] = await Promise.all([engine.facts(), engine.facts(), engine.slots()]);
    expect(first).toBe(second);
    expect(engine.backend).toBe("host");
    expect(isAlive(engine.pid ?? 0)).toBe(true);
  });

  it("that is killed fails what runs on it, and is started again with the next request", async () => {
    const lines: string[] = [];
    const engine = await open({}, (line) => lines.push(line));
    const events = generate(engine);
    await firstText(events);
    const { pid = 0 } = engine;
    process.kill(pid, "SIGKILL");
    const failure = await failureOf(events);
    expect([failure.code, failure.data["reason"]]).toEqual(["engine_failed", "crashed"]);
    const again = generate(engine);
    await firstText(again);
    await again.return();
    expect(engine.pid).not.toBe(pid);
    expect(lines.join("\n")).toContain("was ended by SIGKILL");
  });

  it("that is unloaded fails what runs on it, and is gone", async () => {
    const engine = await open();
    const events = generate(engine);
    await firstText(events);
    const { pid = 0 } = engine;
    await engine[Symbol.asyncDispose]();
    expect(isAlive(pid)).toBe(false);
    expect((await failureOf(events)).data["reason"]).toBe("unloaded");
    await expect(engine.facts()).rejects.toMatchObject({ data: { reason: "unloaded" } });
  });

  it("that is unloaded while it loads leaves nothing behind", async () => {
    const engine = await open();
    const facts = engine.facts();
    facts.catch(() => {});
    await engine[Symbol.asyncDispose]();
    await expect(facts).rejects.toMatchObject({ data: { reason: "unloaded" } });
    expect(engine.pid).toBeUndefined();
  });

  it("that cannot load its model says so with the end of its log", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lmagent-broken-"));
    try {
      const modelPath = join(folder, "broken.gguf");
      await writeFile(modelPath, `GGUF${"\0".repeat(200)}`);
      const engine = await open({ modelPath });
      const failure = await failureOf(generate(engine));
      expect([failure.code, failure.data["reason"]]).toEqual(["engine_failed", "load_failed"]);
      expect(failure.message).toContain(modelPath);
      expect(failure.message).toMatch(/The end of its log:\n[^]*failed to load model/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("refuses what is more than may wait", async () => {
    const engine = await open({ slots: 1, queueLimit: 1 });
    const running = generate(engine);
    await firstText(running);
    const waiting = generate(engine);
    await waiting.next();
    const waits = waiting.next();
    expect((await failureOf(generate(engine))).data["reason"]).toBe("queue_full");
    await running.return();
    await waits;
    await waiting.return();
  });

  it("turns texts into vectors of length 1", async () => {
    const engine = await open({ purpose: "embedding", slots: 1, contextTokens: 512 });
    const inputs = ["the cat", "the cat", [40, 41, 42]];
    const { vectors, promptTokens } = await engine.embed({ inputs }, { signal: never });
    expect(vectors).toHaveLength(3);
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(vectors[0]).toEqual(vectors[1]);
    expect(vectors[0]).not.toEqual(vectors[2]);
    const tokens = await engine.tokenize("the cat", { special: true, begin: true });
    expect(promptTokens).toBe(2 * tokens.length + 3);
    const long = engine.embed({ inputs: [Array.from({ length: 600 }, () => 40)] }, { signal: never });
    await expect(long).rejects.toMatchObject({ code: "context_overflow" });
  });

  it("ends when the process that started it is killed", async () => {
    const entry = join(import.meta.dirname, "_owner-process.ts");
    const owner = spawn(process.execPath, ["--import", "tsx", entry, path, PRACTICE_MODEL], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = (await once(owner.stdout, "data")) as [Buffer];
    const pid = Number(said.toString());
    expect(isAlive(pid)).toBe(true);
    owner.kill("SIGKILL");
    await untilGone(pid);
  });
});
