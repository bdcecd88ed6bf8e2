import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { failureOf, namesBelow, openTemporary, read } from "./_fixture.ts";

test("a state folder is made private and ignored by git", async () => {
  await using temporary = await openTemporary();
  const folder = await temporary.workspace.stateFolder("sessions");
  expect(folder).toBe(join(temporary.root, ".lmagent", "sessions"));
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "..")).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(folder, "..", ".gitignore"), "utf8")).toBe("*\n");
  expect(await temporary.workspace.stateFolder("sessions")).toBe(folder);
});

test("an existing folder gets no ignore file, and odd names are refused", async () => {
  await using temporary = await openTemporary({ ".lmagent/mcp.json": "{}" });
  await temporary.workspace.stateFolder("sessions");
  expect(namesBelow(join(temporary.root, ".lmagent"))).toEqual(["mcp.json", "sessions"]);
  for (const name of ["..", "a/b", "", "A", "x".repeat(80)])
    expect(await failureOf(temporary.workspace.stateFolder(name))).toMatch(/^path_refused/);
});

test("a planted link or file is refused and nothing is written through it", async () => {
  for (const plant of [
    (root: string, outside: string) => symlinkSync(outside, join(root, ".lmagent")),
    (root: string) => writeFileSync(join(root, ".lmagent"), ""),
    (root: string, outside: string) => {
      mkdirSync(join(root, ".lmagent"));
      symlinkSync(outside, join(root, ".lmagent", "outputs"));
    },
  ]) {
    await using temporary = await openTemporary();
    plant(temporary.root, temporary.outside);
    expect(await failureOf(temporary.workspace.stateFolder("outputs"))).toMatch(/^path_refused: .*remove it/);
    const output = temporary.workspace.outputs.open("call_1");
    await output.append(Buffer.from("text"));
    expect(output.complete).toBe(false);
    await output.close();
    expect(namesBelow(temporary.outside)).toEqual(["secret"]);
  }
});

test("an output is on disk from its first bytes on, under a name of its own, and readable", async () => {
  await using temporary = await openTemporary();
  const { workspace, root } = temporary;
  const first = workspace.outputs.open("call_1");
  expect(existsSync(join(root, ".lmagent"))).toBe(false);
  await first.append(Buffer.from("one\n"));
  await first.append(Buffer.from("two\n"));
  const second = workspace.outputs.open("call_1");
  await second.append(Buffer.from("other"));
  for (const output of [first, second]) await output.close();
  expect([first.path, second.path]).toEqual([".lmagent/outputs/call_1.txt", ".lmagent/outputs/call_1-2.txt"]);
  expect([first.complete, second.complete]).toEqual([true, true]);
  expect((await workspace.readText(first.path, read)).text).toBe("one\ntwo\n");
  expect(lstatSync(join(root, first.path)).mode & 0o777).toBe(0o600);
});

test("an output without a byte leaves nothing, and ids cannot lead elsewhere", async () => {
  await using temporary = await openTemporary();
  const output = temporary.workspace.outputs.open("../../evil/\0");
  await output.append(Buffer.from("x"));
  expect(output.path).toMatch(/^\.lmagent\/outputs\/[\w-]+\.txt$/);
  expect(existsSync(join(temporary.root, output.path))).toBe(true);
  await output.close();
  const unused = temporary.workspace.outputs.open("call_2");
  await unused.close();
  expect(unused.complete).toBe(false);
  expect(existsSync(join(temporary.root, unused.path))).toBe(false);
});

test("one output is bounded, and old outputs make room for new ones", async () => {
  await using temporary = await openTemporary({
    ".lmagent/outputs/old.txt": "",
    ".lmagent/outputs/newer.txt": "",
  });
  const { workspace, root } = temporary;
  truncateSync(join(root, ".lmagent/outputs/old.txt"), 150_000_000);
  truncateSync(join(root, ".lmagent/outputs/newer.txt"), 150_000_000);
  utimesSync(join(root, ".lmagent/outputs/old.txt"), 1, 1);
  const output = workspace.outputs.open("big");
  const chunk = Buffer.alloc(16 * 1024 * 1024, "x");
  for (let at = 0; at < 5; at += 1) await output.append(chunk);
  await output.close();
  expect(output.complete).toBe(false);
  expect(statSync(join(root, output.path)).size).toBe(64 * 1024 * 1024);
  expect(namesBelow(join(root, ".lmagent/outputs"))).toEqual(["big.txt", "newer.txt"]);
});
