import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Folder, holdByPath, holdFolder } from "../../src/workspace/folder.ts";
import { readTextOf } from "../../src/workspace/read-file.ts";
import { replaceFile } from "../../src/workspace/replace-file.ts";
import { walkTo } from "../../src/workspace/walk.ts";
import { failureOf, openTemporary, read, SECRET, type TemporaryWorkspace } from "./_fixture.ts";

/** Both ways of holding a folder keep the same promises; only the first also wins every race. */
describe.each([
  ["descriptors", holdFolder],
  ["paths", holdByPath],
])("a walk by %s", (_name, hold) => {
  async function withRoot(
    use: (root: Folder, temporary: TemporaryWorkspace) => Promise<void>,
  ): Promise<void> {
    await using temporary = await openTemporary({ "real/a.txt": "inside" });
    const root = hold(temporary.root);
    await use(root, temporary);
    root.close();
  }

  async function readAt(root: Folder, spellings: readonly string[], path: string): Promise<string> {
    const place = walkTo({ folder: root, spellings }, path, { shown: path });
    if (!place) return "missing";
    try {
      return (await readTextOf(place, path, read)).text;
    } finally {
      place.release();
    }
  }

  test("follows links inside and refuses links outside and circles", async () => {
    await withRoot(async (root, temporary) => {
      symlinkSync("real", join(temporary.root, "link"));
      symlinkSync("../link/a.txt", join(temporary.root, "real", "again"));
      symlinkSync(join(temporary.outside, "secret"), join(temporary.root, "out"));
      symlinkSync("../outside", join(temporary.root, "up"));
      symlinkSync("loop", join(temporary.root, "loop"));
      const at = (path: string) => readAt(root, [temporary.root], path);
      expect(await at("link/a.txt")).toBe("inside");
      expect(await at("real/again")).toBe("inside");
      expect(await at("none/x")).toBe("missing");
      for (const path of ["out", "up/secret", "loop", "loop/x"])
        expect(await failureOf(at(path))).toMatch(/^path_refused/);
      expect(await failureOf(at("real/a.txt/x"))).toMatch(/is a file, not a folder/);
    });
  });

  test("notices or survives a folder that is swapped after the walk", async () => {
    await withRoot(async (root, temporary) => {
      const place = walkTo({ folder: root, spellings: [] }, "real/a.txt", { shown: "real/a.txt" });
      renameSync(join(temporary.root, "real"), join(temporary.root, "moved"));
      mkdirSync(join(temporary.base, "fake"));
      writeFileSync(join(temporary.base, "fake", "a.txt"), SECRET);
      symlinkSync(join(temporary.base, "fake"), join(temporary.root, "real"));
      if (!place) throw new Error("no place");
      const text = await readTextOf(place, "a.txt", read).then(
        (result) => result.text,
        (error: Error) => error.message,
      );
      expect(text).toMatch(/^inside$|replaced meanwhile/);
      await replaceFile(place, Buffer.from("new"), "a.txt", () => {}).catch(() => {});
      place.release();
      expect(readFileSync(join(temporary.base, "fake", "a.txt"), "utf8")).toBe(SECRET);
    });
  });
});
