import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { makeModel, MEGABYTE, openPlace } from "./_downloads.ts";
import type { Place } from "./_downloads.ts";
import { errorOf, eventually } from "./_manager.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const FILE = "tiny-Q4_K_M.gguf";
const PATH = "org/tiny/tiny-Q4_K_M.gguf";

/** Fetches the reference of its arguments and says what happens, an event a line. */
const PROGRAM = `
import { fetchModel } from "./src/engine/download/fetch-model.ts";
import { parseReference } from "./src/engine/download/reference.ts";
const [reference, endpoint, folder] = process.argv.slice(2);
const say = (event) => process.stdout.write(JSON.stringify(event) + "\\n");
await fetchModel(parseReference(reference, { endpoint }), {
  folder,
  access: { endpoint, userAgent: "test", silenceMs: 20000 },
  signal: new AbortController().signal,
  onEvent: say,
}).then(({ result }) => say({ type: "done", result }));
process.exit(0);
`;

let program: string;
beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: PROGRAM, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    write: false,
  });
  program = outputFiles[0]?.text ?? "";
});

interface Run {
  child: ChildProcess;
  lines: string[];
  ended: Promise<unknown>;
}

function start({ hub, home, folder }: Place): Run {
  const entry = join(home, "fetch.mjs");
  writeFileSync(entry, program);
  const child = spawn(process.execPath, [entry, "org/tiny", hub.url, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  child.stdout.on("data", (text: Buffer) => lines.push(...text.toString().trim().split("\n")));
  return { child, lines, ended: once(child, "close") };
}

const has = ({ lines }: Run, words: string): boolean => lines.some((line) => line.includes(words));

describe("processes", () => {
  test("one that is killed leaves what it had, and the next one fetches only the rest", async () => {
    const large = await makeModel(30 * MEGABYTE);
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: large } } });
    place.hub.faults.bytesPerSecond = 3 * MEGABYTE;
    const killed = start(place);
    await eventually(() => place.hub.sentBytes() > 12 * MEGABYTE);
    killed.child.kill("SIGKILL");
    await killed.ended;
    const note = await readFile(join(place.folder, `${PATH}.part.json`), "utf8");
    const had = (JSON.parse(note) as { done: number[] }).done.reduce((sum, done) => sum + done, 0);
    // The note is a fraction of a second old.
    expect(had).toBeGreaterThan(6 * MEGABYTE);
    delete place.hub.faults.bytesPerSecond;
    const before = place.hub.sentBytes();
    const next = start(place);
    await next.ended;
    expect(has(next, '"result":"fetched"')).toBe(true);
    expect(place.hub.sentBytes() - before).toBeLessThanOrEqual(large.length - had + 1);
    expect((await readFile(join(place.folder, PATH))).equals(large)).toBe(true);
    expect(await place.files()).toEqual([PATH]);
  });

  test("two that want the same fetch it once, and the second goes on where a dead first one stopped", async () => {
    const model = await makeModel(6 * MEGABYTE);
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    place.hub.faults.bytesPerSecond = 0.5 * MEGABYTE;
    const first = start(place);
    await eventually(() => place.hub.sentBytes() > MEGABYTE);
    const second = start(place);
    await eventually(() => has(second, `"type":"waiting"`));
    expect(has(second, `"pid":${first.child.pid}`)).toBe(true);
    delete place.hub.faults.bytesPerSecond;
    first.child.kill("SIGKILL");
    await second.ended;
    expect(has(second, '"result":"fetched"')).toBe(true);
    expect((await readFile(join(place.folder, PATH))).equals(model)).toBe(true);
  });
});

/** A small disk of its own; `undefined` where nobody may mount one. */
function mountDisk(path: string): Disposable | undefined {
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=10m", "tmpfs", path], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return { [Symbol.dispose]: () => void execFileSync("umount", [path]) };
}

describe("a disk", () => {
  test("that gets full keeps what is there, says so, and is gone on with when there is room", async ({
    skip,
  }) => {
    const model = await makeModel(6 * MEGABYTE);
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    const disk = join(place.home, "disk");
    using mounted = mountDisk(disk);
    if (mounted === undefined) skip("mounting a disk is not allowed here");
    const folder = join(disk, "models");
    place.hub.faults.bytesPerSecond = MEGABYTE;
    const failed = errorOf(place.fetch("org/tiny", { folder }));
    await eventually(() => place.hub.sentBytes() > MEGABYTE);
    const filler = join(disk, "filler");
    expect(() => writeFileSync(filler, Buffer.alloc(20 * MEGABYTE))).toThrow("ENOSPC");
    delete place.hub.faults.bytesPerSecond;
    expect(await failed).toMatchObject({
      code: "download_failed",
      message: expect.stringContaining("The disk is full") as unknown,
      data: { errno: "ENOSPC" },
    });
    rmSync(filler);
    const before = place.hub.sentBytes();
    const { path } = await place.fetch("org/tiny", { folder });
    expect((await readFile(path)).equals(model)).toBe(true);
    expect(place.hub.sentBytes() - before).toBeLessThan(model.length - MEGABYTE / 2);
  });

  test("with too little room is told before anything is fetched", async ({ skip }) => {
    const model = await makeModel(12 * MEGABYTE);
    await using place = await openPlace({ repos: { "org/tiny": { [FILE]: model } } });
    const disk = join(place.home, "disk");
    using mounted = mountDisk(disk);
    if (mounted === undefined) skip("mounting a disk is not allowed here");
    await expect(place.fetch("org/tiny", { folder: disk })).rejects.toMatchObject({
      code: "download_failed",
      message: expect.stringContaining("it needs 12 MB more, and 11 MB are free") as unknown,
    });
    expect(place.hub.sentBytes()).toBeLessThan(100_000);
  });
});
