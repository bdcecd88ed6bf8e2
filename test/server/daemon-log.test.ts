import { appendFile, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "../_property.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { followLog } from "../../src/server/daemon/follow-log.ts";
import { createServerLog } from "../../src/server/daemon/server-log.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-log-"));
  path = join(folder, "server.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function readLast(last: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of followLog(path, { last, follow: false, signal: new AbortController().signal }))
    lines.push(line);
  return lines;
}

describe("reading a log", () => {
  test("begins with the last lines, however long they are", async () => {
    const cases = fc.tuple(
      fc.array(fc.oneof(fc.string({ minLength: 1, maxLength: 20 }), fc.constant("é".repeat(50_000)))),
      fc.nat({ max: 6 }),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ([lines, last]) => {
        const clean = lines.map((line) => line.replaceAll("\n", " "));
        await writeFile(path, clean.map((line) => `${line}\n`).join(""));
        expect(await readLast(last)).toEqual(last === 0 ? [] : clean.slice(-last));
      }),
      { numRuns: 60 },
    );
  });

  test("has no lines where there is no file", async () => {
    expect(await readLast(10)).toEqual([]);
  });

  test("goes on over rotations, without losing or repeating a line", async () => {
    const abort = new AbortController();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const line of followLog(path, { last: 0, follow: true, signal: abort.signal })) {
        seen.push(line);
        if (seen.length === 300) abort.abort();
      }
    })();
    for (let number = 0; number < 300; number += 1) {
      if (number % 100 === 99) await rename(path, `${path}.${number}`);
      await appendFile(path, `line ${number}\n`);
      // Files of megabytes are not rotated twice before anybody has looked.
      if (number % 100 === 0) await waitUntil(() => seen.length === number + 1);
    }
    await reading;
    expect(seen).toEqual(Array.from({ length: 300 }, (_, number) => `line ${number}`));
  });

  test("ends at once when it is told to", async () => {
    const abort = new AbortController();
    await writeFile(path, "a\n");
    const lines = followLog(path, { last: 5, follow: true, signal: abort.signal });
    expect((await lines.next()).value).toBe("a");
    const next = lines.next();
    abort.abort();
    expect((await next).done).toBe(true);
  });
});

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("writing the log", () => {
  test("begins a new file at the limit, and keeps the three before", async () => {
    const log = createServerLog(path, { now: () => new Date(0), limitBytes: 1_000 });
    for (let number = 0; number < 200; number += 1)
      log.write({ source: "server", message: `entry ${number}` });
    const files = await Promise.all(
      ["", ".1", ".2", ".3"].map((ending) => readFile(`${path}${ending}`, "utf8")),
    );
    const numbers = files
      .toReversed()
      .flatMap((text) => [...text.matchAll(/entry (\d+)/g)].map(([, number]) => Number(number)));
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => 200 - numbers.length + at));
    expect(files.every((text) => Buffer.byteLength(text) <= 1_000)).toBe(true);
    await expect(readFile(`${path}.4`)).rejects.toThrow("ENOENT");
  });

  test("goes on without a word when there is no place to write to", () => {
    const entries: string[] = [];
    const log = createServerLog(join(folder, "missing", "x.jsonl"), {
      now: () => new Date(0),
      onEntry: ({ message }) => entries.push(message),
    });
    log.write({ source: "model", message: "still there" });
    expect(entries).toEqual(["still there"]);
  });
});
