import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { failureOf, openTemporary, read } from "./_fixture.ts";

describe("reading text", () => {
  test("by line, with the numbers of what was read", async () => {
    await using temporary = await openTemporary({ "a.txt": "1\n2\n3\n4\n5" });
    const { workspace } = temporary;
    expect(await workspace.readText("a.txt", { ...read, firstLine: 2, lines: 2 })).toMatchObject({
      text: "2\n3\n",
      firstLine: 2,
      lastLine: 3,
      totalLines: 5,
      truncated: true,
    });
    expect(await workspace.readText("a.txt", { ...read, firstLine: 4 })).toMatchObject({
      text: "4\n5",
      lastLine: 5,
      truncated: false,
    });
    expect(await workspace.readText("a.txt", { ...read, firstLine: 9 })).toMatchObject({
      text: "",
      lastLine: 8,
      totalLines: 5,
    });
    expect(await workspace.readText("a.txt", { maxBytes: 5 })).toMatchObject({
      text: "1\n2\n",
      lastLine: 2,
      truncated: true,
      lineCut: false,
    });
    expect(await workspace.readText("a.txt", { maxBytes: 1 })).toMatchObject({ text: "1", lineCut: true });
  });

  test("in every encoding, without mark and with plain line ends", async () => {
    await using temporary = await openTemporary({
      "utf-8": "\ufeffé\r\n日\r\n",
      "utf-16le": Buffer.from("\ufeffé\r\n日\r\n", "utf16le"),
      "utf-16be": Buffer.from("\ufeffé\r\n日\r\n", "utf16le").swap16(),
    });
    for (const encoding of ["utf-8", "utf-16le", "utf-16be"]) {
      expect(await temporary.workspace.readText(encoding, read)).toMatchObject({
        text: "é\n日\n",
        encoding,
        totalLines: 2,
      });
    }
    writeFileSync(join(temporary.root, "latin"), Buffer.from("caf\xe9\n", "latin1"));
    expect(await temporary.workspace.readText("latin", read)).toMatchObject({
      text: "café\n",
      encoding: "latin1",
    });
  });

  test("of a binary file fails and says what it is", async () => {
    await using temporary = await openTemporary({
      "x.png": Buffer.from("89504e470d0a1a0a0000000d49484452", "hex"),
      "x.bin": Buffer.from([1, 2, 0, 3]),
      "odd.txt": Buffer.from([0xff, 0xfe, 0x41]),
      "x.pdf": "%PDF-1.7\n",
    });
    expect(await failureOf(temporary.workspace.readText("x.png", read))).toBe(
      "file_failed: cannot read x.png as text: PNG image, 16 bytes",
    );
    expect(await failureOf(temporary.workspace.readText("x.bin", read))).toMatch(/binary file, 4 bytes/);
    expect(await failureOf(temporary.workspace.readText("odd.txt", read))).toMatch(/binary file/);
    expect(await failureOf(temporary.workspace.readText("x.pdf", read))).toMatch(/PDF document/);
  });

  test("of nothing names what was probably meant", async () => {
    await using temporary = await openTemporary({
      "src/app/settings.ts": "",
      "README.md": "",
      "notes.txt": "",
    });
    const said = async (path: string) => failureOf(temporary.workspace.readText(path, read));
    expect(await said("settings.ts")).toBe(
      "file_failed: no such file: settings.ts; did you mean src/app/settings.ts?",
    );
    expect(await said("readme.md")).toContain("did you mean README.md?");
    expect(await said("note.txt")).toContain("did you mean notes.txt?");
    expect(await said("src/app/setings.ts")).toContain("did you mean src/app/settings.ts?");
    expect(await said("qqqq")).toBe("file_failed: no such file: qqqq");
    expect(await failureOf(temporary.workspace.list("source", { limit: 1 }))).toMatch(
      /no such folder: source/,
    );
  });
});

describe("large files cost little memory", () => {
  test("a sparse file of 20 GB, and a line of 2 GB", { timeout: 60_000 }, async () => {
    await using temporary = await openTemporary({ sparse: "start\n", line: "" });
    const { workspace, root } = temporary;
    truncateSync(join(root, "sparse"), 20_000_000_000);
    // Sparse again, but no NUL where the reader looks for binary data.
    const fd = openSync(join(root, "line"), "w");
    for (let at = 0; at < 80; at += 1) writeSync(fd, Buffer.alloc(1 << 20, "x"), 0, 1 << 20, at << 20);
    closeSync(fd);
    truncateSync(join(root, "line"), 2_000_000_000);
    const before = process.memoryUsage().rss;
    expect(await failureOf(workspace.readText("sparse", read))).toMatch(/binary file, 20000000000 bytes/);
    const line = await workspace.readText("line", read);
    expect(line).toMatchObject({ truncated: true, lineCut: true, sizeBytes: 2_000_000_000 });
    expect(line.text).toBe("x".repeat(100_000));
    expect(await failureOf(workspace.editText("line", { old: "x", new: "y" }))).toMatch(
      /2000000000 bytes, more than/,
    );
    expect(await failureOf(workspace.searchText("x+", { path: "line", maxBytes: 1_000 }))).toMatch(
      /cannot search line/,
    );
    expect((await workspace.searchText("xx", { maxBytes: 1_000 })).text).toBe("");
    expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
  });

  test("a part in the middle of a long file, cut between characters", async () => {
    await using temporary = await openTemporary();
    const lines = Array.from({ length: 40_000 }, (_, at) => `line ${at + 1} is é${"日".repeat(at % 7)}`);
    writeFileSync(join(temporary.root, "long.txt"), `${lines.join("\r\n")}\r\n`);
    const part = await temporary.workspace.readText("long.txt", { ...read, firstLine: 30_000, lines: 3 });
    expect(part).toMatchObject({
      text: `${lines.slice(29_999, 30_002).join("\n")}\n`,
      lastLine: 30_002,
      totalLines: 40_000,
      truncated: true,
    });
    const start = await temporary.workspace.readText("long.txt", { maxBytes: 10_000 });
    expect(start.text).toBe(`${lines.slice(0, start.lastLine).join("\n")}\n`);
    expect(start).toMatchObject({ encoding: "utf-8", truncated: true, totalLines: 40_000 });
    const controller = new AbortController();
    controller.abort(new Error("stop"));
    await expect(
      temporary.workspace.readText("long.txt", { ...read, signal: controller.signal }),
    ).rejects.toThrow(/stop/);
  });

  test("property: small and large readers agree on any part", async () => {
    await using temporary = await openTemporary();
    const lines = Array.from({ length: 3_000 }, (_, at) => `${at} ${"x".repeat((at * 37) % 250)}`);
    const text = lines.join("\n");
    expect(text.length).toBeGreaterThan(256 * 1024);
    writeFileSync(join(temporary.root, "large"), text);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3_100 }),
        fc.integer({ min: 1, max: 50 }),
        async (firstLine, count) => {
          const part = await temporary.workspace.readText("large", {
            maxBytes: 1_000_000,
            firstLine,
            lines: count,
          });
          const wanted = lines.slice(firstLine - 1, firstLine - 1 + count);
          expect(part.text.replace(/\n$/, "")).toBe(wanted.join("\n"));
          expect(part.lastLine).toBe(firstLine - 1 + wanted.length);
          expect(part.totalLines).toBe(3_000);
        },
      ),
      { numRuns: 60 },
    );
  });
});

test("listing leaves out the agent's own state, which can still be listed by name", async () => {
  await using temporary = await openTemporary({ ".lmagent/outputs/call_1.txt": "x", "a.txt": "" });
  const pathsIn = async (path: string) =>
    (await temporary.workspace.list(path, { limit: 1 })).entries.map((entry) => entry.path);
  expect(await pathsIn(".")).toEqual(["a.txt"]);
  expect((await temporary.workspace.list(".", { limit: 1 })).truncated).toBe(false);
  expect(await pathsIn(".lmagent")).toEqual([".lmagent/outputs"]);
  expect(await pathsIn(".lmagent/outputs")).toEqual([".lmagent/outputs/call_1.txt"]);
});

test("listing puts folders first, marks links, and is cut at the limit", async () => {
  await using temporary = await openTemporary({ "b.txt": "22", "a.txt": "1", "z/x": "", ".hidden": "" });
  const { entries, truncated } = await temporary.workspace.list(".", { limit: 3 });
  expect(entries.map(({ path, kind, sizeBytes }) => [path, kind, kind === "file" ? sizeBytes : 0])).toEqual([
    ["z", "folder", 0],
    [".hidden", "file", 0],
    ["a.txt", "file", 1],
  ]);
  expect(truncated).toBe(true);
  expect(await temporary.workspace.stat("b.txt")).toMatchObject({ kind: "file", sizeBytes: 2 });
  expect(await temporary.workspace.stat("none/at/all")).toBeUndefined();
});
