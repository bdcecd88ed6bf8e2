import { chmodSync, existsSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { openCheckpointed, snapshot } from "./_checkpoints.ts";

test("an undo that was cut off among the files of a folder is finished by the next one, without a question", async () => {
  const files = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`c/d/${index}.txt`, "one"]));
  await using ws = await openCheckpointed(files);
  chmodSync(join(ws.root, "c"), 0o775);
  const before = snapshot(ws.root);
  const id = await ws.command("rm -r c");
  const controller = new AbortController();
  const cutOff = ws.store.undo([id], { signal: controller.signal });
  while (!existsSync(join(ws.root, "c/d/0.txt"))) await nextTurn();
  controller.abort();
  expect((await cutOff).failed).toContainEqual({ path: "c/d/99.txt", why: "interrupted" });
  expect(await ws.store.undo([id])).toMatchObject({ conflicts: [], failed: [] });
  expect(snapshot(ws.root)).toEqual(before);
});
