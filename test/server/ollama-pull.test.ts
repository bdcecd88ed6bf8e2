import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ollama } from "ollama";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDownloads } from "../../src/engine/download/jobs.ts";
import type { Downloads } from "../../src/engine/download/downloads.ts";
import { startFakeHub } from "../../src/testing/fake-hub.ts";
import type { FakeHub } from "../../src/testing/fake-hub.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { waitFor } from "./_agent.ts";
import type { Json } from "./_agent.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

let home: string;
let hub: FakeHub;
let downloads: Downloads;
let server: InProcessServer;
let ollama: Ollama;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "lmagent-pull-"));
  await writeTinyModel(join(home, "tiny.gguf"));
  const model = await readFile(join(home, "tiny.gguf"));
  hub = await startFakeHub({
    repos: {
      "someone/quick-GGUF": { "quick-Q4_K_M.gguf": model },
      "someone/slow-GGUF": { "slow-Q4_K_M.gguf": model },
      "someone/shared-GGUF": { "shared-Q4_K_M.gguf": model },
    },
  });
  downloads = createDownloads({
    home,
    access: async () => ({ endpoint: hub.url, userAgent: "lmagent/1.2.3", silenceMs: 20_000 }),
    log: () => {},
    retry: { firstPauseMs: 1, tries: 2 },
  });
  server = await startInProcess([], { downloads });
  ollama = new Ollama({ host: server.url });
});

afterAll(async () => {
  await downloads[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await hub[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

const statusOf = (repo: string): string | undefined =>
  downloads.list().find(({ model }) => model.includes(repo))?.status;

describe("a pull with Ollama's client", () => {
  test("tells its progress, and is at once done the next time", async () => {
    hub.faults.bytesPerSecond = 1_000_000;
    const parts = [];
    for await (const part of await ollama.pull({ model: "hf.co/someone/quick-GGUF:Q4_K_M", stream: true }))
      parts.push(part);
    delete hub.faults.bytesPerSecond;
    expect(parts[0]).toEqual({ status: "pulling manifest" });
    expect(parts.at(-1)).toEqual({ status: "success" });
    const progress = parts.filter(({ total }) => total > 0);
    expect(progress.at(-1)).toMatchObject({ digest: expect.stringMatching(/\S/) as string });
    expect(progress.at(-1)?.completed).toBe(progress.at(-1)?.total);
    expect(await ollama.pull({ model: "hf.co/someone/quick-GGUF:Q4_K_M" })).toEqual({ status: "success" });
  });

  test("says what is not there", async () => {
    await expect(ollama.pull({ model: "hf.co/someone/nothing-GGUF" })).rejects.toMatchObject({
      status_code: 400,
      message: expect.stringMatching(/nothing-GGUF/) as string,
    });
  });

  test("asks no address but the hub's, whoever wants it to", async () => {
    const before = hub.requests.length;
    const model = `${hub.cdnUrl}/inside.gguf`;
    await expect(ollama.pull({ model })).rejects.toMatchObject({
      status_code: 400,
      message: expect.stringMatching(/not on the model hub.*lmagent models get/) as string,
    });
    for (const address of [model, "https://localhost/inside.gguf"])
      expect(await server.post("/api/v1/models/download", { model: address })).toMatchObject({
        status: 400,
        json: { error: { code: "download_failed", param: "model" } },
      });
    expect(hub.requests.length).toBe(before);
  });

  test("stops when its client goes", async () => {
    hub.faults.bytesPerSecond = 50_000;
    const parts = await ollama.pull({ model: "someone/slow-GGUF", stream: true });
    await expect(
      (async () => {
        for await (const { total } of parts) if (total > 0) parts.abort();
      })(),
    ).rejects.toThrow(/abort/i);
    expect(await waitFor(() => statusOf("slow") === "cancelled", 5_000)).toBe(true);
    delete hub.faults.bytesPerSecond;
  });

  test("leaves alone what somebody else has begun, as LM Studio's clients do", async () => {
    hub.faults.bytesPerSecond = 200_000;
    const begun = await server.post("/api/v1/models/download", {
      model: "someone/shared-GGUF",
      quantization: "Q4_K_M",
    });
    expect(begun.json).toMatchObject({
      job_id: expect.stringMatching(/\S/) as string,
      status: "downloading",
      started_at: expect.stringMatching(/Z$/) as string,
    });
    const parts = await ollama.pull({ model: "someone/shared-GGUF:Q4_K_M", stream: true });
    await expect(
      (async () => {
        for await (const { total } of parts) if (total > 0) parts.abort();
      })(),
    ).rejects.toThrow(/abort/i);
    delete hub.faults.bytesPerSecond;
    const path = `/api/v1/models/download/status/${String(begun.json["job_id"])}`;
    let job: Json = {};
    await waitFor(async () => (job = (await server.get(path)).json)["status"] !== "downloading", 10_000);
    expect(job).toMatchObject({
      status: "completed",
      downloaded_bytes: job["total_size_bytes"],
      completed_at: expect.stringMatching(/Z$/) as string,
    });
    const again = await server.post("/api/v1/models/download", {
      model: "someone/shared-GGUF",
      quantization: "Q4_K_M",
    });
    expect(again.json).toEqual({ status: "already_downloaded" });
    const unknown = await server.get("/api/v1/models/download/status/job-0");
    expect([unknown.status, (unknown.json["error"] as Json)["type"]]).toEqual([404, "job_not_found"]);
  });
});
