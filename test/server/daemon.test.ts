import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { findDaemon } from "../../src/server/daemon/client.ts";
import { createKey, revokeKey } from "../../src/server/daemon/key-store.ts";
import { daemonRunPath } from "../../src/server/daemon/run-file.ts";
import type { DaemonStatus } from "../../src/server/daemon/settings.ts";
import type { ModelReport } from "../../src/server/daemon/stats.ts";
import { ask, engineChildOf, hasEnded, isAlive, waitFor } from "./_agent.ts";
import { PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE } from "../engine/_practice.ts";
import { createTestDaemon } from "./_daemon.ts";
import type { TestDaemon } from "./_daemon.ts";

let daemon: TestDaemon;
afterEach(() => daemon.close());

const chatBody = (extra: object = {}): string =>
  JSON.stringify({ messages: [{ role: "user", content: "hello" }], max_tokens: 8, ...extra });

describe("the daemon", () => {
  test("is one for all who ask at once, and says the same to each", async () => {
    daemon = await createTestDaemon();
    const clients = await Promise.all(Array.from({ length: 5 }, () => daemon.start()));
    expect(new Set(clients.map(({ run }) => run.pid)).size).toBe(1);
    const { mode } = await stat(daemonRunPath(daemon.home));
    expect(mode & 0o777).toBe(0o600);
  });

  test("takes no command without its key", async () => {
    daemon = await createTestDaemon();
    const { run } = await daemon.start();
    const url = `http://127.0.0.1:${run.port}/control/status`;
    expect((await ask(url)).status).toBe(401);
    expect((await ask(url, { headers: { authorization: "Bearer wrong" } })).status).toBe(401);
    expect((await ask(url, { headers: { authorization: `Bearer ${run.key}` } })).status).toBe(200);
  });

  test("serves, stops serving and stays; or ends, when it was started for its server alone", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    const { url } = await daemon.serve(client);
    expect((await ask(`${url}/health`)).status).toBe(200);
    expect(await client.ask("/control/server/stop", {})).toEqual({ stopped: true, ends: false });
    await expect(ask(`${url}/health`)).rejects.toThrow("ECONNREFUSED");
    expect((await client.ask<DaemonStatus>("/control/status")).server).toBeUndefined();
    await client.ask("/control/down", {});
    expect(await hasEnded(client.run.pid, 5_000)).toBe(true);
    const short = await daemon.start({ untilServerStops: true });
    await daemon.serve(short);
    expect(await short.ask("/control/server/stop", {})).toEqual({ stopped: true, ends: true });
    expect(await hasEnded(short.run.pid, 5_000)).toBe(true);
    expect(await findDaemon(daemon.home)).toBeUndefined();
  });

  test("loads models, tells what they do, and unloads them", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    const { url } = await daemon.serve(client);
    const most = PRACTICE.contextTokens;
    const tooMuch = { model: "lmagent-practice", config: { contextTokens: most + 1 } };
    await expect(client.ask("/control/load", tooMuch)).rejects.toThrow(
      new RegExp(`${most + 1} .* was trained for ${most}\\b`),
    );
    const loaded = await client.ask<ModelReport>("/control/load", { model: "lmagent-practice", config: {} });
    expect(loaded).toMatchObject({
      id: "lmagent-practice",
      state: "ready",
      ttlMs: null,
      backend: "embedded",
    });
    const answer = await ask(`${url}/v1/chat/completions`, { method: "POST", body: chatBody() });
    expect(answer.status).toBe(200);
    const { models } = await client.ask<{ models: ModelReport[] }>("/control/models");
    expect(models[0]).toMatchObject({ stats: { requests: 1, failed: 0 } });
    expect(models[0]?.ramBytes).toBeGreaterThan(10_000_000);
    expect(await client.ask("/control/unload", { id: "lmagent-practice" })).toEqual({
      ids: ["lmagent-practice"],
    });
    expect(isAlive(loaded.pid ?? 0)).toBe(false);
    await expect(client.ask("/control/unload", { id: "lmagent-practice" })).rejects.toThrow(/None is/);
  });

  test("takes a draft model by its name, as any other", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    const load = (model: string): Promise<ModelReport> =>
      client.ask("/control/load", {
        model: "lmagent-practice",
        config: { speculation: { type: "draft", model } },
      });
    await expect(load("nope")).rejects.toThrow("`nope`");
    expect(await load("lmagent-practice")).toMatchObject({ state: "ready" });
  });

  test("ends its children when it is told to, also by a signal, and leaves no file behind", async () => {
    daemon = await createTestDaemon();
    const { run, ask: tell } = await daemon.start();
    await tell("/control/load", { model: "lmagent-practice", config: {} });
    const child = await engineChildOf(run.pid);
    process.kill(run.pid, "SIGTERM");
    expect(await hasEnded(run.pid, 5_000)).toBe(true);
    expect(isAlive(child)).toBe(false);
    await expect(stat(daemonRunPath(daemon.home))).rejects.toThrow(/ENOENT/);
  });

  test("is replaced when it was killed, and its children end", async () => {
    daemon = await createTestDaemon();
    const first = await daemon.start();
    await first.ask("/control/load", { model: "lmagent-practice", config: {} });
    const child = await engineChildOf(first.run.pid);
    process.kill(first.run.pid, "SIGKILL");
    expect(await hasEnded(child, 5_000)).toBe(true);
    const second = await daemon.start();
    expect(second.run.pid).not.toBe(first.run.pid);
  });
});

describe("the public server", () => {
  test("names who has the port", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    try {
      await expect(daemon.serve(client, { port })).rejects.toThrow(
        new RegExp(`Port ${port} is taken by .*pid ${process.pid}.*--port`),
      );
    } finally {
      other.close();
    }
    expect((await daemon.serve(client)).port).toBeGreaterThan(0);
  });

  test("is not opened to others without a key, unless that is wanted", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    await expect(daemon.serve(client, { bind: "0.0.0.0" })).rejects.toThrow(/no API key.*server key create/);
    const open = await daemon.serve(client, { bind: "0.0.0.0", allowUnauthenticated: true });
    expect(open.keyRequired).toBe(false);
    await expect(daemon.serve(client, { bind: "203.0.113.1", port: 0 })).rejects.toThrow(/runs already/);
    await client.ask("/control/server/stop", {});
    await expect(daemon.serve(client, { bind: "203.0.113.1", allowUnauthenticated: true })).rejects.toThrow(
      /no address of this machine/,
    );
  });

  test("wants a stored key until that is revoked, and keeps only its hash", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    const now = new Date();
    const [{ key, stored }, other] = [
      await createKey(daemon.home, { name: "laptop", now }),
      await createKey(daemon.home, { name: "other", now }),
    ];
    const { url, keyRequired } = await daemon.serve(client);
    expect(keyRequired).toBe(true);
    const models = (with_: string | undefined): Promise<{ status: number }> =>
      ask(`${url}/v1/models`, with_ === undefined ? {} : { headers: { authorization: `Bearer ${with_}` } });
    expect((await models(undefined)).status).toBe(401);
    expect((await models(key)).status).toBe(200);
    expect(await readFile(join(daemon.home, "keys.json"), "utf8")).not.toContain(key);
    await revokeKey(daemon.home, stored.id);
    expect((await models(key)).status).toBe(401);
    expect((await models(other.key)).status).toBe(200);
    await revokeKey(daemon.home, "other");
    expect((await models(other.key)).status).toBe(401);
  });

  test("does not start with a store of keys that cannot be read", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    await writeFile(join(daemon.home, "keys.json"), "{");
    await expect(daemon.serve(client)).rejects.toThrow(/keys\.json/);
  });

  test("logs each request with its status", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    const { url } = await daemon.serve(client);
    await ask(`${url}/nowhere`);
    const path = join(daemon.home, "logs", "server.jsonl");
    expect(await waitFor(async () => (await readFile(path, "utf8")).includes("/nowhere"), 10_000)).toBe(true);
    const entries = (await readFile(path, "utf8"))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(entries.find(({ path: asked }) => asked === "/nowhere")).toMatchObject({
      source: "server",
      method: "GET",
      status: 404,
    });
  });
});

describe("a file in a model folder", () => {
  test("that is cut off is an error that says so, and not a name that nobody knows", async () => {
    daemon = await createTestDaemon();
    const folder = join(daemon.home, "models", "acme", "Half-GGUF");
    await mkdir(folder, { recursive: true });
    const whole = await readFile(PRACTICE_MODEL);
    await writeFile(join(folder, "half.gguf"), whole.subarray(0, 5_000));
    const { url } = await daemon.serve(await daemon.start());
    for (const model of ["half", "acme/Half-GGUF"]) {
      const answer = await ask(`${url}/v1/chat/completions`, { method: "POST", body: chatBody({ model }) });
      expect([answer.status, answer.json["error"]]).toEqual([
        400,
        expect.objectContaining({
          code: "model_load_failed",
          message: expect.stringContaining("at byte") as string,
        }),
      ]);
    }
    const unknown = await ask(`${url}/v1/chat/completions`, {
      method: "POST",
      body: chatBody({ model: "none" }),
    });
    expect(unknown.status).toBe(404);
  });
});

describe("a file that lies anywhere", () => {
  test("can be loaded by the user, and by no client", async () => {
    daemon = await createTestDaemon();
    const client = await daemon.start();
    const { url } = await daemon.serve(client);
    const path = join(daemon.home, "elsewhere.gguf");
    await copyFile(PRACTICE_MODEL, path);
    const answer = await ask(`${url}/v1/chat/completions`, {
      method: "POST",
      body: chatBody({ model: path }),
    });
    expect(answer.status).toBe(404);
    const loaded = await client.ask<ModelReport>("/control/load", { model: path, config: {} });
    const again = await ask(`${url}/v1/chat/completions`, {
      method: "POST",
      body: chatBody({ model: loaded.id }),
    });
    expect(again.status).toBe(200);
  });
});
