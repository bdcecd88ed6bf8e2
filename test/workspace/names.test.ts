import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { failureOf, openTemporary, read } from "./_fixture.ts";

const bytes = (folder: string, ...name: (string | number)[]): Buffer =>
  Buffer.concat([
    Buffer.from(`${folder}/`),
    ...name.map((part) => Buffer.from(typeof part === "string" ? part : [part])),
  ]);

describe.runIf(process.platform === "linux")("names on disk that are no text", () => {
  async function withOddNames() {
    const temporary = await openTemporary({ "plain.txt": "needle plain" });
    writeFileSync(bytes(temporary.root, "caf", 0xe9, ".txt"), "needle latin");
    writeFileSync(bytes(temporary.root, "two\nlines.txt"), "needle lines");
    writeFileSync(bytes(temporary.root, "\u001b[31mred.txt"), "needle red");
    return temporary;
  }

  test("are listed, found and searched, each on one line", async () => {
    await using temporary = await withOddNames();
    const { workspace } = temporary;
    const names = ["caf\uFFFD.txt", "plain.txt", "two\uFFFDlines.txt", "\uFFFD[31mred.txt"];
    const listed = (await workspace.list(".", { limit: 20 })).entries;
    expect(
      listed
        .filter(({ kind }) => kind === "file")
        .map(({ path }) => path)
        .sort(),
    ).toEqual(names);
    expect((await workspace.findFiles("*.txt", { limit: 20 })).paths).toEqual(names);
    expect((await workspace.searchText("needle", { maxBytes: 5_000 })).text.split("\n")).toEqual([
      "caf\uFFFD.txt:1:needle latin",
      "plain.txt:1:needle plain",
      "two\uFFFDlines.txt:1:needle lines",
      "\uFFFD[31mred.txt:1:needle red",
    ]);
  });

  test("are read and changed by the name that is shown", async () => {
    await using temporary = await withOddNames();
    const { workspace, root } = temporary;
    expect((await workspace.readText("caf\uFFFD.txt", read)).text).toBe("needle latin");
    await workspace.editText("two\uFFFDlines.txt", { old: "lines", new: "changed" });
    expect(readFileSync(bytes(root, "two\nlines.txt"), "utf8")).toBe("needle changed");
    expect((await workspace.searchText("latin", { path: "caf\uFFFD.txt", maxBytes: 500 })).matches).toBe(1);
  });

  test("stand for one file only, and lead nowhere else", async () => {
    await using temporary = await withOddNames();
    const { workspace, root, outside } = temporary;
    writeFileSync(bytes(root, "caf", 0xe8, ".txt"), "other");
    expect(await failureOf(workspace.readText("caf\uFFFD.txt", read))).toMatch(/no such file/);
    writeFileSync(join(root, "caf\uFFFD.txt"), "spelled so");
    expect((await workspace.readText("caf\uFFFD.txt", read)).text).toBe("spelled so");
    symlinkSync(join(outside, "secret"), bytes(root, "l", 0xe9));
    symlinkSync(outside, bytes(root, "f", 0xe9));
    for (const path of ["l\uFFFD", "f\uFFFD/secret"])
      expect(await failureOf(workspace.readText(path, read))).toMatch(/leads outside/);
    expect(await failureOf(workspace.writeText("l\uFFFD", "x"))).toMatch(/leads outside/);
  });
});
