import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { createDownloadView, formatProgress } from "../../src/cli/download-view.ts";
import { downloadModel } from "../../src/cli/commands/download.ts";
import { startFakeHub } from "../../src/testing/fake-hub.ts";
import type { FakeHub } from "../../src/testing/fake-hub.ts";
import { createCommandPlace, runCommand } from "./_command.ts";
import type { CommandPlace } from "./_command.ts";

const PRACTICE = join(import.meta.dirname, "../../practice-model/practice.gguf");

let model: Buffer;
beforeAll(async () => {
  model = await readFile(PRACTICE);
});

interface Setup extends AsyncDisposable {
  hub: FakeHub;
  place: CommandPlace;
}

async function setUp(options: { token?: string; sizeBytes?: number } = {}): Promise<Setup> {
  const { token, sizeBytes = model.length } = options;
  const content = Buffer.concat([model, Buffer.alloc(sizeBytes - model.length)]);
  const hub = await startFakeHub({
    repos: { "org/tiny": { "tiny-Q8_0.gguf": content } },
    ...(token === undefined ? {} : { tokens: { "org/tiny": token } }),
  });
  for (const name of ["HF_TOKEN", "HF_HOME", "HF_TOKEN_PATH", "XDG_CACHE_HOME", "HUGGING_FACE_HUB_TOKEN"])
    vi.stubEnv(name, undefined);
  const place = createCommandPlace({ HF_ENDPOINT: hub.url });
  return {
    hub,
    place,
    [Symbol.asyncDispose]: async () => {
      place[Symbol.dispose]();
      await hub[Symbol.asyncDispose]();
    },
  };
}

const target = ({ place }: Setup): string => join(place.home, "models/org/tiny/tiny-Q8_0.gguf");

describe("lmagent models get", () => {
  test("prints the path alone on standard output, and the second time that it is there", async () => {
    await using setup = await setUp();
    const first = await runCommand(() => downloadModel("org/tiny", {}));
    expect(first).toMatchObject({ code: 0, stdout: `${target(setup)}\n` });
    const size = (model.length / 1e6).toFixed(1);
    expect(first.stderr).toContain(`1 file, ${size} MB: tiny-Q8_0.gguf\n`);
    expect((await readFile(target(setup))).equals(model)).toBe(true);
    const second = await runCommand(() => downloadModel("org/tiny@q8_0", {}));
    expect(second.stdout).toBe(first.stdout);
    expect(second.stderr).toContain("It is there already.");
  });

  test("writes each event as a line of JSON with --json", async () => {
    await using setup = await setUp();
    const { stdout } = await runCommand(() => downloadModel("org/tiny", { json: true, quant: "Q8_0" }));
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string });
    expect(events[0]).toMatchObject({ type: "resolved", totalBytes: model.length });
    expect(events.at(-1)).toEqual({ type: "done", path: target(setup), result: "fetched" });
  });

  test("takes the token from where Hugging Face's tools keep it", async () => {
    await using setup = await setUp({ token: "hf_kept" });
    const path = join(setup.place.home, "token");
    await mkdir(setup.place.home, { recursive: true });
    await writeFile(path, "hf_kept\n");
    await expect(runCommand(() => downloadModel("org/tiny", {}))).rejects.toThrow("set `HF_TOKEN`");
    vi.stubEnv("HF_TOKEN_PATH", path);
    expect(await runCommand(() => downloadModel("org/tiny", {}))).toMatchObject({ code: 0 });
  });

  test("checks the file against --sha256, and refuses one that can be none", async () => {
    await using setup = await setUp();
    const sha256 = createHash("sha256").update(model).digest("hex");
    await expect(downloadModel("org/tiny", { sha256: "abc" })).rejects.toMatchObject({ code: "usage" });
    const wrong = runCommand(() => downloadModel("org/tiny", { sha256: "0".repeat(64) }));
    await expect(wrong).rejects.toMatchObject({ code: "download_failed" });
    const right = { sha256: `sha256:${sha256}` };
    expect(await runCommand(() => downloadModel("org/tiny", right))).toMatchObject({ code: 0 });
    // What lies there is not taken for it by its size.
    await writeFile(target(setup), Buffer.alloc(model.length));
    expect(await runCommand(() => downloadModel("org/tiny", right))).toMatchObject({ code: 0 });
    expect((await readFile(target(setup))).equals(model)).toBe(true);
  });

  test("stops at Ctrl-C, keeps what is there and says how to go on", async () => {
    await using setup = await setUp({ sizeBytes: 8_000_000 });
    setup.hub.faults.bytesPerSecond = 2_000_000;
    const run = runCommand(() => downloadModel("org/tiny", { quant: "Q8_0" }));
    await vi.waitFor(() => expect(setup.hub.sentBytes()).toBeGreaterThan(1_000_000), { timeout: 10_000 });
    process.emit("SIGINT");
    const { code, stdout, stderr } = await run;
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).toContain("`lmagent models get org/tiny --quant Q8_0` goes on from there");
    const before = setup.hub.sentBytes();
    delete setup.hub.faults.bytesPerSecond;
    expect(await runCommand(() => downloadModel("org/tiny", {}))).toMatchObject({ code: 0 });
    expect(setup.hub.sentBytes() - before).toBeLessThan(7_500_000);
  });
});

describe("the view of a download", () => {
  test("is one line that changes on a terminal, and a line every ten seconds elsewhere", () => {
    for (const [isTTY, expected] of [
      [true, "\r\u001b[2K50 % · 1.0 GB of 2.0 GB · 10.0 MB/s · 1 min 40 s left".repeat(3)],
      [false, "50 % · 1.0 GB of 2.0 GB · 10.0 MB/s · 1 min 40 s left\n"],
    ] as const) {
      let [text, now] = ["", 0];
      const stderr = { isTTY, write: (piece: string) => void (text += piece) };
      const view = createDownloadView({ stdout: stderr, stderr, json: false, now: () => now });
      for (now of [100, 10_000, 15_000])
        view.show({
          type: "progress",
          downloadedBytes: 1e9,
          totalBytes: 2e9,
          bytesPerSecond: 1e7,
          secondsLeft: 100,
        });
      expect(text).toBe(expected);
    }
  });

  test("shows what is known only, and no control characters of a server", () => {
    expect(formatProgress({ type: "progress", downloadedBytes: 1500 })).toBe("1.5 kB");
    const whole = { downloadedBytes: 1500, totalBytes: 1500, bytesPerSecond: 10, secondsLeft: 0 };
    expect(formatProgress({ type: "progress", ...whole })).toBe("100 % · 1.5 kB of 1.5 kB · 10 B/s");
    let text = "";
    const stderr = { write: (piece: string) => void (text += piece) };
    createDownloadView({ stdout: stderr, stderr, json: false }).show({
      type: "retry",
      why: "\u001b]0;owned\u0007",
      waitMs: 1,
    });
    for (const sign of ["\u001b", "\u0007"]) expect(text).not.toContain(sign);
  });
});
