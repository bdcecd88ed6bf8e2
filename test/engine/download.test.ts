import { createHash } from "node:crypto";
import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { makeModel, MEGABYTE, openPlace } from "./_downloads.ts";

const FILE = "tiny-Q4_K_M.gguf";
const PATH = "org/tiny/tiny-Q4_K_M.gguf";

let model: Buffer;
let large: Buffer;
beforeAll(async () => {
  model = await makeModel();
  large = await makeModel(30 * MEGABYTE);
});

const failedWith = (words: string): object => ({
  code: "download_failed",
  message: expect.stringContaining(words) as unknown,
});

describe("a download", () => {
  test("puts the file in its place, with its progress, and knows the next time that it is there", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    const { path, result } = await place.fetch("org/tiny");
    expect([path, result]).toEqual([join(place.folder, PATH), "fetched"]);
    expect((await readFile(path)).equals(model)).toBe(true);
    expect(await place.files()).toEqual([PATH]);
    const steps = place.events.map(({ type }) => type).filter((type) => type !== "progress");
    expect(steps).toEqual(["resolved", "started", "verifying", "file"]);
    expect(place.events.at(-1)).toMatchObject({ downloadedBytes: model.length, totalBytes: model.length });
    const before = place.hub.sentBytes();
    expect(await place.fetch("org/tiny")).toEqual({ path, result: "already_there" });
    expect(place.hub.sentBytes()).toBe(before);
  });

  test("of 30 MB over 4 connections that are cut each megabyte arrives whole", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: large } } });
    place.hub.faults.cutAfterBytes = MEGABYTE;
    const { path } = await place.fetch("org/tiny");
    expect((await readFile(path)).equals(large)).toBe(true);
    expect(place.events.filter(({ type }) => type === "retry").length).toBeGreaterThan(20);
    // What a cut connection had brought is not asked for again; bytes on the way when it is cut are lost.
    expect(place.hub.sentBytes()).toBeLessThan(45 * MEGABYTE);
    const starts = place.hub.requests.filter(
      ({ host, range }) => host === "cdn" && range?.startsWith("bytes="),
    );
    expect(new Set(starts.map(({ range }) => range)).size).toBeGreaterThan(25);
  });

  test("goes on where an ended one stopped, and fetches nothing again", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: large } } });
    const stop = new AbortController();
    place.hub.faults.bytesPerSecond = 5 * MEGABYTE;
    const stopped = place.fetch("org/tiny", {
      signal: stop.signal,
      onEvent: (event) => {
        if (event.type === "progress" && event.downloadedBytes > 8 * MEGABYTE)
          stop.abort(new Error("enough"));
      },
    });
    await expect(stopped).rejects.toThrow("enough");
    expect(await place.files()).toEqual([`${PATH}.part`, `${PATH}.part.json`]);
    const note = JSON.parse(await readFile(join(place.folder, `${PATH}.part.json`), "utf8")) as {
      done: number[];
    };
    const had = note.done.reduce((sum, done) => sum + done, 0);
    expect(had).toBeGreaterThan(8 * MEGABYTE);
    place.hub.faults.bytesPerSecond = 1e12;
    const before = place.hub.sentBytes();
    const { path } = await place.fetch("org/tiny");
    expect((await readFile(path)).equals(large)).toBe(true);
    expect(place.hub.sentBytes() - before).toBeLessThanOrEqual(large.length - had + 1);
  });

  test("begins anew when another file is at the address since, or when the note is of no use", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    const part = join(place.folder, `${PATH}.part`);
    await mkdir(dirname(part), { recursive: true });
    const notes = [
      { version: 1, source: "x", totalBytes: model.length, etag: null, segmentBytes: 1e6, done: [1e6] },
      { version: 1, totalBytes: model.length, done: [9e9] },
      "{",
      null,
    ];
    for (const note of notes) {
      await writeFile(part, Buffer.alloc(model.length));
      await writeFile(`${part}.json`, typeof note === "string" ? note : JSON.stringify(note));
      const { path } = await place.fetch("org/tiny");
      expect((await readFile(path)).equals(model)).toBe(true);
      await rm(path);
    }
  });

  test("begins anew when the file changes while it comes", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: large } } });
    place.hub.faults.bytesPerSecond = 4 * MEGABYTE;
    const other = await makeModel(30 * MEGABYTE, 2);
    let changed = false;
    const fetched = place.fetch(`${place.hub.url}/org/tiny/resolve/main/${FILE}`, {
      sha256: createHash("sha256").update(other).digest("hex"),
      onEvent: (event) => {
        place.events.push(event);
        if (event.type !== "progress" || event.downloadedBytes < 4 * MEGABYTE || changed) return;
        changed = true;
        place.hub.setFile("org/tiny", FILE, other);
        place.hub.faults.cutAfterBytes = 1;
        setTimeout(() => {
          delete place.hub.faults.cutAfterBytes;
          delete place.hub.faults.bytesPerSecond;
        }, 20);
      },
      retry: { firstPauseMs: 50, tries: 8 },
    });
    const { path } = await fetched;
    expect((await readFile(path)).equals(other)).toBe(true);
    expect(place.events.some(({ type }) => type === "restarted")).toBe(true);
  });

  test("of a newer version takes the place of the older one", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    await place.fetch("org/tiny");
    const newer = await makeModel(4.6 * MEGABYTE);
    place.hub.setFile("org/tiny", FILE, newer);
    const { path, result } = await place.fetch("org/tiny");
    expect([result, (await stat(path)).size]).toEqual(["fetched", newer.length]);
  });

  test("by two at once is done by one, and waited for by the other", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    const both = await Promise.all([place.fetch("org/tiny"), place.fetch("org/tiny@q4_k_m")]);
    expect(both.map(({ result }) => result).sort()).toEqual(["already_there", "fetched"]);
    expect(place.events.filter(({ type }) => type === "waiting").length).toBe(1);
    expect(place.hub.sentBytes()).toBeLessThan(model.length + MEGABYTE);
    expect(await place.files()).toEqual([PATH]);
  });

  test("whose process died is taken over", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    const lock = join(place.folder, `${PATH}.lock`);
    await mkdir(dirname(lock), { recursive: true });
    // No process has this number: it is above what Linux gives.
    await writeFile(lock, "4194999");
    expect((await place.fetch("org/tiny")).result).toBe("fetched");
    expect(await place.files()).toEqual([PATH]);
  });
});

describe("servers with faults", () => {
  test("that know no ranges send the whole file, also where a part was asked for", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    place.hub.faults.noRanges = true;
    const { path } = await place.fetch("org/tiny");
    expect((await readFile(path)).equals(model)).toBe(true);
    place.hub.faults.cutAfterBytes = MEGABYTE;
    place.hub.setFile("org/tiny", FILE, await makeModel(4.6 * MEGABYTE));
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith("was cut"));
    expect(place.events.filter(({ type }) => type === "progress").at(-1)).toMatchObject({
      downloadedBytes: 0,
    });
  });

  test("that are busy are waited for as long as they ask, and not for ever", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    const busy = { status: 429, headers: { "retry-after": "0" } };
    place.hub.faults.answers = [
      { host: "hub", ...busy },
      { host: "cdn", status: 500 },
      { host: "cdn", status: 503 },
    ];
    expect((await place.fetch("org/tiny")).result).toBe("fetched");
    expect(place.events.flatMap((event) => (event.type === "retry" ? [event.waitMs] : []))).toEqual([
      0, 1, 2,
    ]);
    place.hub.faults.answers = Array.from({ length: 9 }, () => ({ host: "hub" as const, status: 500 }));
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith("status 500. Try again later"));
    place.hub.faults.answers = [{ host: "hub", status: 429, headers: { "retry-after": "3600" } }];
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith("in 60 minutes"));
  });

  test("that say nothing any more are left, and asked again", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    place.hub.faults.silentAfterBytes = 0.5 * MEGABYTE;
    const { path } = await place.fetch("org/tiny", { access: { ...place.access, silenceMs: 60 } });
    expect((await readFile(path)).equals(model)).toBe(true);
    expect(place.events).toContainEqual(
      expect.objectContaining({
        type: "retry",
        why: expect.stringContaining("said nothing for 0.06 s") as unknown,
      }),
    );
  });

  test("that lie about the size are refused", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    place.hub.faults.sizeLie = 5;
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith(`gives ${model.length + 5}`));
  });

  test("that send something else are found out before it has a name", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    place.hub.setListedHash("org/tiny", FILE, "a".repeat(64));
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith("arrived damaged"));
    expect(await place.files()).toEqual([]);
    for (const [content, words] of [
      [Buffer.from("<html>Sign in to the network of this hotel</html>"), "does not start with `GGUF`"],
      [model.subarray(0, 1000), "no usable GGUF file"],
    ] as const) {
      place.hub.setFile("org/tiny", FILE, content);
      await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith(words));
    }
    expect((await place.files()).filter((path) => path.endsWith(".gguf"))).toEqual([]);
  });

  test("that cannot be reached are named, with the reason", async () => {
    await using place = await openPlace({ repos: {} });
    const access = { ...place.access, endpoint: "http://127.0.0.1:9" };
    await expect(place.fetch("org/tiny", { access })).rejects.toMatchObject(failedWith("cannot be reached"));
  });
});

describe("access", () => {
  const gated = (): Parameters<typeof openPlace>[0] => ({
    repos: { "org/tiny": { [FILE]: model } },
    tokens: { "org/tiny": "hf_secret" },
  });

  test("to a gated repository needs a token, and the error says how to get one", async () => {
    await using place = await openPlace(gated());
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(
      failedWith(`terms at ${place.hub.url}/org/tiny,`),
    );
    const wrong = { ...place.access, token: "hf_other" };
    const refused = place.fetch("org/tiny", { access: wrong });
    await expect(refused).rejects.toMatchObject(failedWith("Access to model org/tiny is restricted."));
  });

  test("is shown to the hub alone, and not to where it redirects", async () => {
    await using place = await openPlace(gated());
    await place.fetch("org/tiny", { access: { ...place.access, token: "hf_secret" } });
    const sent = new Set(
      place.hub.requests.map(({ host, authorization }) => `${host} ${authorization ?? "-"}`),
    );
    expect(sent).toEqual(new Set(["hub Bearer hf_secret", "cdn -"]));
  });

  test("never follows a redirect to something that is no web address, or one without end", async () => {
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    place.hub.faults.redirectTo = "file:///etc/passwd";
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith("which is not fetched"));
    place.hub.faults.redirectTo = `/org/tiny/resolve/main/${FILE}`;
    await expect(place.fetch("org/tiny")).rejects.toMatchObject(failedWith("without end"));
  });

  test("to what is not there says so; a renamed repository is found under its new name", async () => {
    await using place = await openPlace({
      repos: { "org/tiny": { [FILE]: model } },
      renamed: { "old/name": "org/tiny" },
    });
    await expect(place.fetch("org/none")).rejects.toMatchObject(failedWith("`org/none` is not there"));
    expect((await place.fetch("old/name")).path).toBe(join(place.folder, PATH));
  });
});
