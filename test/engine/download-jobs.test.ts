import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { createDownloads } from "../../src/engine/download/jobs.ts";
import type { Downloads } from "../../src/engine/download/downloads.ts";
import type { FakeHubOptions } from "../../src/testing/fake-hub.ts";
import { makeModel, MEGABYTE, openPlace } from "./_downloads.ts";
import type { Place } from "./_downloads.ts";
import { eventually } from "./_manager.ts";

const FILE = "tiny-Q4_K_M.gguf";

let options: FakeHubOptions;
beforeAll(async () => {
  options = { repos: { "org/tiny": { [FILE]: await makeModel(4 * MEGABYTE) } } };
});

interface Jobs extends AsyncDisposable {
  place: Place;
  downloads: Downloads;
  fetched: string[];
}

async function openJobs(): Promise<Jobs> {
  const place = await openPlace(options);
  const fetched: string[] = [];
  const downloads = createDownloads({
    home: place.home,
    access: async () => place.access,
    log: () => {},
    onFetched: (path) => void fetched.push(path),
    retry: { firstPauseMs: 1, tries: 2 },
  });
  return {
    place,
    downloads,
    fetched,
    [Symbol.asyncDispose]: async () => {
      await downloads[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
}

describe("downloads of a server", () => {
  test("are jobs that can be asked about until they are complete, and then are there already", async () => {
    await using jobs = await openJobs();
    const { downloads, place } = jobs;
    const path = join(place.folder, "org/tiny", FILE);
    const job = await downloads.start({ model: "org/tiny", quantization: "q4_k_m" });
    expect(job).toMatchObject({ model: "org/tiny", status: "downloading", totalBytes: 4 * MEGABYTE });
    await eventually(() => downloads.get(job.id)?.status === "completed");
    expect(downloads.get(job.id)).toMatchObject({
      path,
      downloadedBytes: 4 * MEGABYTE,
      completedAt: expect.any(Date) as unknown,
    });
    const again = await downloads.start({ model: "org/tiny" });
    expect(again).toMatchObject({ status: "already_downloaded", path });
    expect(downloads.list().length).toBe(2);
    expect(jobs.fetched).toEqual([path]);
  });

  test("of the same model are one job; a cancelled one can be begun again, and goes on", async () => {
    await using jobs = await openJobs();
    const { downloads, place } = jobs;
    place.hub.faults.bytesPerSecond = MEGABYTE;
    const [one, other] = await Promise.all([
      downloads.start({ model: "org/tiny" }),
      downloads.start({ model: "https://huggingface.co/org/tiny" }),
    ]);
    expect(other.id).toBe(one.id);
    await eventually(() => (downloads.get(one.id)?.bytesPerSecond ?? 0) > 0);
    expect(downloads.get(one.id)?.estimatedCompletion?.getTime()).toBeGreaterThan(Date.now());
    expect(await downloads.cancel(one.id)).toBe(true);
    expect([downloads.get(one.id)?.status, await downloads.cancel(one.id)]).toEqual(["cancelled", false]);
    delete place.hub.faults.bytesPerSecond;
    const next = await downloads.start({ model: "org/tiny" });
    expect(next.id).not.toBe(one.id);
    await eventually(() => downloads.get(next.id)?.status === "completed");
  });

  test("that cannot begin are refused; one that breaks later says why", async () => {
    await using jobs = await openJobs();
    const { downloads, place } = jobs;
    for (const model of ["llama3", "../x", "org/none", "org/tiny@Q8_0"])
      await expect(downloads.start({ model })).rejects.toMatchObject({ code: "download_failed" });
    expect(downloads.list()).toEqual([]);
    place.hub.faults.cutAfterBytes = 0;
    const job = await downloads.start({ model: "org/tiny" });
    await eventually(() => downloads.get(job.id)?.status === "failed");
    expect(downloads.get(job.id)?.error).toContain("what is there already is kept");
    expect([downloads.get("other"), await downloads.cancel("other")]).toEqual([undefined, false]);
  });
});
