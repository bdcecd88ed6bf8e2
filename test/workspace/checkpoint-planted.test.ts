import { hash } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openCheckpointed, snapshot } from "./_checkpoints.ts";

/** A folder that holds the one below it twice, so many times over that nobody could ever list it. */
function plantTrees(folder: string): string {
  const objects: Buffer[] = [];
  let tree = hash("sha256", "[]", "hex");
  for (let depth = 0; depth < 60; depth += 1) {
    const entry = (name: string) => [name, { kind: "folder", mode: 0o755 }, tree];
    const bytes = Buffer.from(JSON.stringify([entry("a"), entry("b")]));
    objects.push(bytes);
    tree = hash("sha256", bytes, "hex");
  }
  const index = Buffer.from(
    JSON.stringify(objects.map((each) => [hash("sha256", each, "hex"), each.length])),
  );
  const bytes = Buffer.concat(objects);
  const head = Buffer.alloc(20);
  for (const [at, value] of [0x4c4d_4350, index.length, bytes.length, bytes.length, objects.length].entries())
    head.writeUInt32BE(value, at * 4);
  writeFileSync(join(folder, "planted.pack"), Buffer.concat([head, index, bytes]));
  return tree;
}

test("planted checkpoints that would take for ever are refused", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const folder = join(ws.root, ".lmagent", "checkpoints");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const head = '{"version":1,"at":"x"}';
  const bomb = JSON.stringify({ call: 1, tree: plantTrees(folder) });
  writeFileSync(join(folder, "planted-1.jsonl"), `${head}\n${bomb}\n`);
  const empty = JSON.stringify({ call: 1, tree: hash("sha256", "[]", "hex") });
  writeFileSync(join(folder, "planted-2.jsonl"), `${head}\n${`${empty}\n`.repeat(50_000)}`);
  for (const id of ["planted-1", "planted-2"])
    await expect(ws.store.diff([id])).rejects.toMatchObject({ code: "storage_failed" });
  expect(snapshot(ws.root)).toEqual({ "a.txt": "file 644 one" });
});

test("requests that changed no file are undone also where nothing can be recorded", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  mkdirSync(join(ws.root, ".lmagent"));
  symlinkSync(ws.outside, join(ws.root, ".lmagent", "checkpoints"));
  expect(await ws.store.undo([])).toEqual({ restored: [], conflicts: [], failed: [] });
  expect(await ws.store.diff([])).toEqual([]);
});
