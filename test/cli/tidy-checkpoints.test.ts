import { mkdtempSync, readFileSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { tidyCheckpoints } from "../../src/cli/tidy-checkpoints.ts";
import { createMemorySessionStore } from "../../src/sessions/index.ts";
import { createCheckpointStore } from "../../src/workspace/index.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-tidy-")));
afterEach(() => rmSync(root, { recursive: true, force: true }));

test("what a copied session can take back stays when its originals are gone", async () => {
  await using checkpoints = createCheckpointStore({ root });
  const sessions = createMemorySessionStore({
    workspace: root,
    now: Date.now,
    newId: () => Math.random().toString(36).slice(2).padEnd(6, "0"),
  });
  const original = await sessions.create();
  const recorder = checkpoints.begin({ session: original.id });
  const { id } = recorder;
  await recorder.before(["a.txt"], { signal: new AbortController().signal });
  writeFileSync(join(root, "a.txt"), "one");
  await recorder.after(["a.txt"]);
  utimesSync(join(root, ".lmagent", "checkpoints", `${id}.jsonl`), 1, 1);
  await original.append({ type: "message", message: { role: "user", content: "go" } });
  await original.append({ type: "checkpoint", checkpoint: id });
  await original[Symbol.asyncDispose]();
  const copy = await sessions.fork(original.id);
  await copy[Symbol.asyncDispose]();
  const second = await sessions.fork(copy.id);
  await second[Symbol.asyncDispose]();
  await sessions.remove(original.id);
  await tidyCheckpoints({ checkpoints, sessions, requests: [] });
  await sessions.remove(copy.id);
  await tidyCheckpoints({ checkpoints, sessions, requests: [] });
  expect((await checkpoints.diff([id])).map(({ path }) => path)).toEqual(["a.txt"]);

  await sessions.remove(second.id);
  await tidyCheckpoints({ checkpoints, sessions, requests: [] });
  await expect(checkpoints.diff([id])).rejects.toMatchObject({ code: "storage_failed" });
  expect(readFileSync(join(root, "a.txt"), "utf8")).toBe("one");
});
