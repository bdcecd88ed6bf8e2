import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { holdFolder } from "../../src/workspace/folder.ts";
import { replaceFile } from "../../src/workspace/replace-file.ts";
import { walkTo } from "../../src/workspace/walk.ts";
import { failureOf, namesBelow, openTemporary, read } from "./_fixture.ts";

const isRoot = process.geteuid?.() === 0;
const USER = 1_234;

describe.runIf(isRoot)("files of somebody else, for an ordinary user", () => {
  test("are neither read without permission nor replaced, and nothing is left behind", async () => {
    await using temporary = await openTemporary({
      "shared.txt": "theirs",
      "private.txt": "theirs",
      "sub/x": "",
    });
    const { workspace, root, base } = temporary;
    chownSync(root, USER, USER);
    chmodSync(base, 0o755);
    chmodSync(join(root, "shared.txt"), 0o666);
    chmodSync(join(root, "private.txt"), 0o600);
    chmodSync(join(root, "sub"), 0o555);
    process.seteuid?.(USER);
    try {
      for (const attempt of [
        workspace.writeText("shared.txt", "x"),
        workspace.editText("shared.txt", { old: "theirs", new: "x" }),
        workspace.previewWrite("shared.txt", "x"),
      ])
        expect(await failureOf(attempt)).toMatch(/cannot write shared.txt: the file belongs to another user/);
      expect(await failureOf(workspace.readText("private.txt", read))).toMatch(/permission denied/);
      expect(await failureOf(workspace.writeText("sub/new", "x"))).toMatch(/permission denied/);
      expect(await failureOf(workspace.makeFolder("sub/new"))).toMatch(/permission denied/);
      expect((await workspace.readText("shared.txt", read)).text).toBe("theirs");
      await workspace.writeText("own.txt", "mine");
    } finally {
      process.seteuid?.(0);
    }
    expect(namesBelow(root)).toEqual(["own.txt", "private.txt", "shared.txt", "sub", "sub/x"]);
    expect(readFileSync(join(root, "shared.txt"), "utf8")).toBe("theirs");
    expect(statSync(join(root, "own.txt")).uid).toBe(USER);
  });

  test("on a read-only disk are left as they are", async ({ skip }) => {
    await using temporary = await openTemporary();
    const disk = join(temporary.root, "disk");
    mkdirSync(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], { stdio: "ignore" });
    } catch {
      skip("mounting a disk is not allowed here");
    }
    try {
      writeFileSync(join(disk, "a.txt"), "old");
      execFileSync("mount", ["-o", "remount,ro", disk]);
      const { workspace } = temporary;
      for (const attempt of [
        workspace.writeText("disk/a.txt", "x"),
        workspace.writeText("disk/b.txt", "x"),
        workspace.makeFolder("disk/c"),
      ])
        expect(await failureOf(attempt)).toMatch(/the disk is read-only/);
      expect((await workspace.readText("disk/a.txt", read)).text).toBe("old");
      expect(namesBelow(disk)).toEqual(["a.txt"]);
    } finally {
      execFileSync("umount", [disk]);
    }
  });

  test("a block device is no file", async ({ skip }) => {
    await using temporary = await openTemporary();
    try {
      execFileSync("mknod", [join(temporary.root, "disk"), "b", "254", "0"], { stdio: "ignore" });
    } catch {
      skip("making a device is not allowed here");
    }
    expect(await failureOf(temporary.workspace.readText("disk", read))).toMatch(/not a regular file/);
    expect(await failureOf(temporary.workspace.writeText("disk", "x"))).toMatch(/not a regular file/);
    expect(await failureOf(temporary.workspace.searchText("x", { path: "disk", maxBytes: 100 }))).toMatch(
      /no such folder|not a/,
    );
  });
});

test("a file that somebody else changed since it was looked at stays theirs", async () => {
  await using temporary = await openTemporary({ "a.txt": "old" });
  const folder = holdFolder(temporary.root);
  const place = walkTo({ folder, spellings: [] }, "a.txt", { shown: "a.txt" });
  if (!place) throw new Error("no place");
  writeFileSync(join(temporary.root, "a.txt"), "theirs, longer");
  expect(await failureOf(replaceFile(place, Buffer.from("ours"), "a.txt", () => {}))).toMatch(
    /changed by somebody else meanwhile; read it again/,
  );
  place.release();
  folder.close();
  expect(readFileSync(join(temporary.root, "a.txt"), "utf8")).toBe("theirs, longer");
  expect(namesBelow(temporary.root)).toEqual(["a.txt"]);
});

test("searches pass pipes and circles of links by, in no time", async () => {
  await using temporary = await openTemporary({ "deep/a.ts": "needle", "deep/b/c.ts": "needle" });
  const { workspace, root } = temporary;
  execFileSync("mkfifo", [join(root, "pipe.ts"), join(root, "deep/pipe.ts")]);
  for (const [target, link] of [
    ["/", "all"],
    ["..", "deep/up"],
    ["../..", "deep/b/upper"],
    ["loop", "loop"],
    ["/proc/self/root", "deep/root"],
    ["/dev/zero", "zero.ts"],
  ] as const)
    symlinkSync(target, join(root, link));
  const started = Date.now();
  const wanted = ["deep/a.ts", "deep/b/c.ts"];
  expect((await workspace.findFiles("**/*.ts", { limit: 100 })).paths).toEqual(wanted);
  expect(await workspace.findFiles("**", { limit: 100, path: "deep/up" })).toMatchObject({
    truncated: false,
  });
  expect((await workspace.searchText("needle|root", { maxBytes: 5_000 })).text.split("\n")).toEqual(
    wanted.map((path) => `${path}:1:needle`),
  );
  expect(Date.now() - started).toBeLessThan(2_000);
});
