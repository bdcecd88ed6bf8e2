import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { failureOf, namesBelow, openTemporary, read } from "./_fixture.ts";

const permissions = (path: string) => statSync(path).mode & 0o7777;

describe("writing a whole file", () => {
  test("makes missing folders and says what it did", async () => {
    await using temporary = await openTemporary();
    expect(await temporary.workspace.writeText("a/b/c.txt", "one\ntwo")).toEqual({
      path: "a/b/c.txt",
      created: true,
      bytes: 7,
      lines: 2,
    });
    expect(await temporary.workspace.writeText("a/b/c.txt", "é\n")).toEqual({
      path: "a/b/c.txt",
      created: false,
      bytes: 3,
      lines: 1,
    });
    expect(await temporary.workspace.writeText("a/b/c.txt", "")).toMatchObject({ bytes: 0, lines: 0 });
    expect(namesBelow(temporary.root)).toEqual(["a", "a/b", "a/b/c.txt"]);
  });

  test("gives new files 0644 less the umask and keeps the mode of old ones, without set-user-id", async () => {
    await using temporary = await openTemporary({ "run.sh": "#!/bin/sh\n", "key.pem": "secret" });
    chmodSync(join(temporary.root, "run.sh"), 0o6755);
    chmodSync(join(temporary.root, "key.pem"), 0o600);
    for (const path of ["new.txt", "run.sh", "key.pem"]) await temporary.workspace.writeText(path, "x\n");
    expect(permissions(join(temporary.root, "new.txt"))).toBe(0o644 & ~process.umask());
    expect(permissions(join(temporary.root, "run.sh"))).toBe(0o755);
    expect(permissions(join(temporary.root, "key.pem"))).toBe(0o600);
  });

  test("keeps the encoding and the line ends of an existing file", async () => {
    await using temporary = await openTemporary({
      "crlf.txt": "a\r\nb\r\n",
      "bom.txt": "\ufeffa\n",
      "wide.txt": Buffer.from("\ufeffa\r\n", "utf16le"),
      "latin.txt": Buffer.from("caf\xe9\n", "latin1"),
      "mixed.txt": "a\r\nb\n",
    });
    const written = async (path: string, text: string) => {
      await temporary.workspace.writeText(path, text);
      return readFileSync(join(temporary.root, path));
    };
    expect((await written("crlf.txt", "x\ny\n")).toString()).toBe("x\r\ny\r\n");
    expect((await written("bom.txt", "x\n")).toString()).toBe("\ufeffx\n");
    expect((await written("wide.txt", "x\ny")).toString("utf16le")).toBe("\ufeffx\r\ny");
    expect((await written("latin.txt", "thé\n")).toString("latin1")).toBe("thé\n");
    expect((await written("latin.txt", "日本\n")).toString()).toBe("日本\n");
    expect((await written("mixed.txt", "x\ny\n")).toString()).toBe("x\ny\n");
  });

  test("started as root, leaves everything to the owner of the folder", async ({ skip }) => {
    if (process.geteuid?.() !== 0) skip("giving files away needs root");
    await using temporary = await openTemporary({ "theirs.txt": "a" });
    const { workspace, root } = temporary;
    for (const path of [root, join(root, "theirs.txt")]) chownSync(path, 1234, 1235);
    await workspace.writeText("a/b/new.txt", "x");
    await workspace.writeText("theirs.txt", "x");
    await workspace.makeFolder("c");
    for (const path of ["a", "a/b", "a/b/new.txt", "theirs.txt", "c"]) {
      expect(statSync(join(root, path))).toMatchObject({ uid: 1234, gid: 1235 });
    }
  });

  test("may replace a binary file", async () => {
    await using temporary = await openTemporary({ "data.bin": Buffer.from([0, 1, 2]) });
    expect((await temporary.workspace.previewWrite("data.bin", "text\n")).text).toContain("+text");
    await temporary.workspace.writeText("data.bin", "text\n");
    expect(readFileSync(join(temporary.root, "data.bin"), "utf8")).toBe("text\n");
  });

  test("refuses a placeholder for text that the file would lose", async () => {
    await using temporary = await openTemporary({ "a.ts": "one();\ntwo();\n" });
    const content = "one(1);\n// ... rest of the code ...\n";
    expect(await failureOf(temporary.workspace.writeText("a.ts", content))).toContain(
      "// ... rest of the code ...",
    );
    expect(await failureOf(temporary.workspace.previewWrite("a.ts", content))).toContain("file_failed");
    expect(readFileSync(join(temporary.root, "a.ts"), "utf8")).toBe("one();\ntwo();\n");
    await temporary.workspace.writeText("new.ts", content);
  });
});

describe("a write that cannot be done leaves the file and no trace", () => {
  test("over a folder or below a file", async () => {
    await using temporary = await openTemporary({ "folder/a.txt": "a" });
    expect(await failureOf(temporary.workspace.writeText("folder", "x"))).toMatch(/it is a folder/);
    expect(await failureOf(temporary.workspace.writeText("folder/a.txt/b", "x"))).toMatch(
      /is a file, not a folder/,
    );
    expect(await failureOf(temporary.workspace.makeFolder("folder/a.txt"))).toMatch(/a file has this name/);
    expect(namesBelow(temporary.root)).toEqual(["folder", "folder/a.txt"]);
  });

  test("over a read-only file", async () => {
    await using temporary = await openTemporary({ "a.txt": "old" });
    chmodSync(join(temporary.root, "a.txt"), 0o444);
    expect(await failureOf(temporary.workspace.writeText("a.txt", "new"))).toMatch(
      /^file_failed: cannot write a.txt: the file is read-only/,
    );
    expect(await failureOf(temporary.workspace.editText("a.txt", { old: "old", new: "new" }))).toMatch(
      /read-only/,
    );
    expect(readFileSync(join(temporary.root, "a.txt"), "utf8")).toBe("old");
  });

  test("past the quota of one file, of all bytes, or of all writes", async () => {
    await using temporary = await openTemporary(
      {},
      { limits: { fileBytes: 100, totalBytes: 250, writes: 4 } },
    );
    const { workspace } = temporary;
    expect(await failureOf(workspace.writeText("a", "x".repeat(101)))).toMatch(
      /one file may have at most 100/,
    );
    await workspace.writeText("a", "x".repeat(100));
    await workspace.writeText("b", "x".repeat(100));
    expect(await failureOf(workspace.writeText("c", "x".repeat(100)))).toMatch(/used up/);
    await workspace.writeText("c", "x");
    await workspace.makeFolder("d");
    expect(await failureOf(workspace.writeText("e", ""))).toMatch(/used up/);
    expect(namesBelow(temporary.root)).toEqual(["a", "b", "c", "d"]);
  });

  test("of 200 MB with the usual limits", async () => {
    await using temporary = await openTemporary();
    expect(await failureOf(temporary.workspace.writeText("big", "x".repeat(200_000_000)))).toMatch(
      /at most 33554432/,
    );
    expect(namesBelow(temporary.root)).toEqual([]);
  });

  test("on a full disk", async ({ skip }) => {
    await using temporary = await openTemporary();
    const disk = join(temporary.root, "disk");
    mkdirSync(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], { stdio: "ignore" });
    } catch {
      skip("mounting a small disk needs root");
    }
    try {
      writeFileSync(join(disk, "a.txt"), "old");
      expect(await failureOf(temporary.workspace.writeText("disk/a.txt", "x".repeat(500_000)))).toMatch(
        /cannot write disk\/a.txt: no space left on the disk/,
      );
      expect(await failureOf(temporary.workspace.writeText("disk/b.txt", "x".repeat(500_000)))).toMatch(
        /no space left/,
      );
      expect(namesBelow(disk)).toEqual(["a.txt"]);
      expect(readFileSync(join(disk, "a.txt"), "utf8")).toBe("old");
    } finally {
      execFileSync("umount", [disk]);
    }
  });
});

describe("editing a file", () => {
  test("keeps encoding, mark, line ends and mode, byte for byte outside the change", async () => {
    await using temporary = await openTemporary({
      "latin.txt": Buffer.from("caf\xe9\r\nth\xe9 \xff\r\n", "latin1"),
      "wide-le.txt": Buffer.from("\ufeffone\r\ntwo\r\n", "utf16le"),
      "wide-be.txt": Buffer.from("\ufeffone\r\ntwo\r\n", "utf16le").swap16(),
      "bom.txt": "\ufeffone\ntwo",
    });
    const { workspace, root } = temporary;
    chmodSync(join(root, "bom.txt"), 0o4750);
    expect(await workspace.editText("latin.txt", { old: "café\n", new: "thé\n" })).toMatchObject({
      ok: true,
    });
    expect(readFileSync(join(root, "latin.txt"), "latin1")).toBe("th\xe9\r\nth\xe9 \xff\r\n");
    for (const path of ["wide-le.txt", "wide-be.txt", "bom.txt"]) {
      expect(await workspace.editText(path, { old: "one\ntwo", new: "1\n2" })).toMatchObject({
        ok: true,
        replacements: 1,
      });
    }
    expect(readFileSync(join(root, "wide-le.txt")).toString("utf16le")).toBe("\ufeff1\r\n2\r\n");
    expect(readFileSync(join(root, "wide-be.txt")).swap16().toString("utf16le")).toBe("\ufeff1\r\n2\r\n");
    expect(readFileSync(join(root, "bom.txt"), "utf8")).toBe("\ufeff1\n2");
    expect(permissions(join(root, "bom.txt"))).toBe(0o750);
  });

  test("returns a short diff, and the preview the whole one", async () => {
    await using temporary = await openTemporary({ "a.txt": "1\n2\n3\n4\n5\n6\n7\n" });
    const change = { old: "4", new: "four" };
    const preview = await temporary.workspace.previewEdit("a.txt", change);
    expect(preview).toEqual({
      kind: "diff",
      text: "--- a/a.txt\n+++ b/a.txt\n@@ -1,7 +1,7 @@\n 1\n 2\n 3\n-4\n+four\n 5\n 6\n 7\n",
      concerns: [],
      writes: ["a.txt"],
    });
    expect(await temporary.workspace.editText("a.txt", change)).toEqual({
      ok: true,
      path: "a.txt",
      replacements: 1,
      diff: "@@ -3,3 +3,3 @@\n 3\n-4\n+four\n 5\n",
    });
  });

  test("that does not match changes nothing and fails its preview", async () => {
    await using temporary = await openTemporary({ "a.txt": "one\n" });
    utimesSync(join(temporary.root, "a.txt"), 1, 1);
    expect(await temporary.workspace.editText("a.txt", { old: "two", new: "x" })).toMatchObject({
      ok: false,
      reason: "not_found",
    });
    expect(await failureOf(temporary.workspace.previewEdit("a.txt", { old: "two", new: "x" }))).toMatch(
      /old text not found in a.txt/,
    );
    expect(statSync(join(temporary.root, "a.txt")).mtimeMs).toBe(1_000);
  });

  test("refuses binary files and characters that the encoding lacks", async () => {
    await using temporary = await openTemporary({
      "a.bin": Buffer.from("ab\0c"),
      "latin.txt": Buffer.from("caf\xe9", "latin1"),
    });
    expect(await failureOf(temporary.workspace.editText("a.bin", { old: "ab", new: "x" }))).toMatch(
      /binary file/,
    );
    expect(await temporary.workspace.editText("latin.txt", { old: "caf", new: "日" })).toMatchObject({
      ok: false,
      error: expect.stringContaining("Latin-1"),
    });
    expect(readFileSync(join(temporary.root, "latin.txt"), "latin1")).toBe("caf\xe9");
    expect(await failureOf(temporary.workspace.editText("none.txt", { old: "a", new: "b" }))).toMatch(
      /^file_failed: no such file: none.txt/,
    );
  });
});

test("many writes leave no descriptors and no temporary files behind", async () => {
  await using temporary = await openTemporary();
  const open = () => namesBelow("/proc/self/fd").length;
  if (process.platform !== "linux") return;
  await temporary.workspace.writeText("a/b/c.txt", "0");
  const before = open();
  for (let round = 0; round < 50; round += 1) {
    await temporary.workspace.writeText("a/b/c.txt", String(round));
    await temporary.workspace.readText("a/b/c.txt", read);
    await failureOf(temporary.workspace.readText("a/b/none/x", read));
    await failureOf(temporary.workspace.readText("a/b/c.txt/x", read));
    await temporary.workspace.list("a", { limit: 10 });
  }
  expect(open()).toBeLessThanOrEqual(before + 1);
  expect(namesBelow(temporary.root)).toEqual(["a", "a/b", "a/b/c.txt"]);
});
