import { existsSync, lstatSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { createCheckpointStore, type FileCheckpoints } from "../../src/workspace/index.ts";
import { type Checkpointed, keptFiles, openCheckpointed, runCommand } from "./_checkpoints.ts";

/** What was changed later than this before it was looked at is looked at again. */
const OLD_ENOUGH_MS = 60;

/** One request of a session in a process of its own, two hours ago. */
async function requestOf(ws: Checkpointed, session: string, line: string): Promise<string> {
  await using store = createCheckpointStore({ root: ws.root });
  const recorder = store.begin({ session });
  const { id } = recorder;
  await runCommand(recorder, ws.root, line);
  age(ws, id, 2);
  return id;
}

function age({ root }: Checkpointed, id: string, hours: number): void {
  const at = Date.now() / 1_000 - hours * 3_600;
  utimesSync(join(root, ".lmagent", "checkpoints", `${id}.jsonl`), at, at);
}

function packs({ root }: Checkpointed): string[] {
  return keptFiles(root).filter((name) => name.endsWith(".pack"));
}

async function isKept(store: FileCheckpoints, id: string): Promise<boolean> {
  try {
    await store.diff([id]);
    return true;
  } catch {
    return false;
  }
}

const noise = (seed: number): string =>
  Array.from({ length: 500 }, (_, index) => Math.sin(seed * 1_000 + index)).join("\n");

test("a later process undoes what an earlier one has recorded, and keeps nothing twice", async () => {
  await using ws = await openCheckpointed({ "a.txt": noise(1), "b.txt": noise(2) });
  const id = await requestOf(ws, "s", "echo two > a.txt");
  await requestOf(ws, "s", "true");
  const kept = packs(ws).map((name) => lstatSync(join(ws.root, ".lmagent", "checkpoints", name)).size);
  expect(kept.reduce((sum, size) => sum + size, 0)).toBeLessThan((noise(1).length + noise(2).length) * 1.2);
  expect(await ws.store.undo([id])).toMatchObject({ restored: ["a.txt"], conflicts: [] });
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe(noise(1));
});

test("reads no unchanged file again in a later process", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one", "b.txt": "two" });
  await setTimeout(OLD_ENOUGH_MS);
  await requestOf(ws, "s", "true");
  const path = join(ws.root, ".lmagent", "checkpoints", "index.json");
  const index = readFileSync(path, "utf8");
  const [one = "", two = ""] = [...index.matchAll(/"hash":"(\w+)"/g)].map(([, hash]) => hash);
  expect([one, two]).toEqual([expect.stringMatching(/^\w{64}$/), expect.stringMatching(/^\w{64}$/)]);
  // With what is known of both exchanged, a look at the files themselves would tell.
  writeFileSync(path, index.replace(one, "?").replace(two, one).replace("?", two));
  const id = await requestOf(ws, "s", "rm a.txt");
  await ws.store.undo([id]);
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("two");
});

test.each(["", "{", '{"version":1,"files":[[1,2,3],["../x","s",null]]}'])(
  "takes what it has seen for lost when the file is damaged: %j",
  async (text) => {
    await using ws = await openCheckpointed({ "a.txt": "one" });
    await requestOf(ws, "s", "true");
    writeFileSync(join(ws.root, ".lmagent", "checkpoints", "index.json"), text);
    const id = await requestOf(ws, "s", "echo two > a.txt");
    expect(await ws.store.undo([id])).toMatchObject({ restored: ["a.txt"] });
  },
);

test("keeps anew what a power cut has made of the last bytes", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  await requestOf(ws, "s", "echo two > a.txt");
  const path = join(ws.root, ".lmagent", "checkpoints", packs(ws)[0] as string);
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0, bytes.lastIndexOf("two")));
  const id = await requestOf(ws, "s", "echo three > a.txt");
  expect(await ws.store.undo([id])).toMatchObject({ restored: ["a.txt"], failed: [] });
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("two\n");
});

test("removes the checkpoints of sessions that are gone, with what only they needed", async () => {
  await using ws = await openCheckpointed({ "a.txt": noise(1), "b.txt": noise(2) });
  const gone = await requestOf(ws, "gone", "rm a.txt");
  const there = await requestOf(ws, "there", "rm b.txt");
  const before = packs(ws);
  expect(await ws.store.prune({ sessions: new Set(["there"]) })).toEqual({ removed: [gone], stopped: false });
  expect(await isKept(ws.store, gone)).toBe(false);
  expect(await ws.store.undo([there])).toMatchObject({ restored: ["b.txt"], conflicts: [] });
  expect(before.filter((name) => existsSync(join(ws.root, ".lmagent", "checkpoints", name)))).not.toEqual(
    before,
  );
  const text = packs(ws).map((name) => lstatSync(join(ws.root, ".lmagent", "checkpoints", name)).size);
  expect(text.reduce((sum, size) => sum + size, 0)).toBeLessThan(noise(2).length * 1.2);
});

test("removes the oldest beyond a size, but never what is new or belongs to the open session", async () => {
  await using ws = await openCheckpointed();
  const ids: string[] = [];
  for (const [index, session] of ["open", "a", "b", "c"].entries()) {
    writeFileSync(join(ws.root, `f${index}`), noise(index));
    ids.push(await requestOf(ws, session, `rm f${index}`));
    age(ws, ids[index] as string, 10 - index);
  }
  age(ws, ids[3] as string, 0);
  const { removed } = await ws.store.prune({ open: "open", maxBytes: 1 });
  expect(new Set(removed)).toEqual(new Set([ids[1], ids[2]]));
  expect(await ws.store.undo([ids[0] as string])).toMatchObject({ restored: ["f0"] });
  expect(await ws.store.undo([ids[3] as string])).toMatchObject({ restored: ["f3"] });
});

test("removes nothing while another agent is at work in the workspace", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const gone = await requestOf(ws, "gone", "rm a.txt");
  await ws.command("true");
  await using other = createCheckpointStore({ root: ws.root });
  expect(await other.prune({ sessions: new Set() })).toEqual({ removed: [], stopped: true });
  expect(await isKept(ws.store, gone)).toBe(true);
});

test("the mark of a process that was killed keeps nothing from being removed", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const gone = await requestOf(ws, "gone", "rm a.txt");
  const mark = join(ws.root, ".lmagent", "checkpoints", "old-1.live");
  await ws.command("true");
  const own = keptFiles(ws.root).find((name) => name.endsWith(".live")) as string;
  const text = readFileSync(join(ws.root, ".lmagent", "checkpoints", own), "utf8");
  writeFileSync(mark, JSON.stringify({ ...JSON.parse(text), start: "1" }));
  expect(await ws.store.prune({ sessions: new Set() })).toMatchObject({ removed: [gone], stopped: false });
  expect(existsSync(mark)).toBe(false);
});

test("gives way to a request that begins meanwhile, and loses nothing of it", async () => {
  await using ws = await openCheckpointed({ "a.txt": noise(1) });
  for (let index = 0; index < 5; index += 1) await requestOf(ws, "gone", `echo ${index} > b.txt`);
  const recorder = ws.store.begin();
  const { id } = recorder;
  const [pruned] = await Promise.all([
    ws.store.prune({ sessions: new Set() }),
    runCommand(recorder, ws.root, "rm a.txt"),
  ]);
  expect(pruned.stopped).toBe(true);
  expect(await ws.store.undo([id])).toMatchObject({ restored: ["a.txt"], conflicts: [] });
});

test("puts the files of many processes together", async () => {
  await using ws = await openCheckpointed({ "a.txt": "0" });
  const ids: string[] = [];
  for (let index = 1; index <= 34; index += 1) ids.push(await requestOf(ws, "s", `echo ${index} > a.txt`));
  expect(packs(ws).length).toBeGreaterThan(32);
  await ws.store.prune({ sessions: new Set(["s"]) });
  expect(packs(ws)).toHaveLength(1);
  expect(await ws.store.undo(ids)).toMatchObject({ restored: ["a.txt"], conflicts: [] });
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("0");
});

test("keeps what a session that there is still names, though the session that made it is gone", async () => {
  await using ws = await openCheckpointed({ "a.txt": noise(1), "b.txt": noise(2) });
  const copied = await requestOf(ws, "gone", "rm a.txt");
  const gone = await requestOf(ws, "gone", "rm b.txt");
  const options = { sessions: new Set(["fork"]), checkpoints: new Set([copied]), maxBytes: 1 };
  expect(await ws.store.prune(options)).toEqual({ removed: [gone], stopped: false });
  expect(await ws.store.undo([copied])).toMatchObject({ restored: ["a.txt"], conflicts: [] });
});

test("a folder that was planted in the place of a checkpoint keeps nothing from being removed", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const gone = await requestOf(ws, "gone", "rm a.txt");
  const planted = join(ws.root, ".lmagent", "checkpoints", "planted-1.jsonl");
  mkdirSync(planted);
  utimesSync(planted, 1, 1);
  expect(await ws.store.prune({ sessions: new Set() })).toEqual({ removed: [gone], stopped: false });
});

test("nothing is there to prune in a workspace that was never changed", async () => {
  await using ws = await openCheckpointed();
  expect(await ws.store.prune()).toEqual({ removed: [], stopped: false });
  expect(existsSync(join(ws.root, ".lmagent"))).toBe(false);
});

test("a store that is closed says so", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const recorder = ws.store.begin();
  await ws.store[Symbol.asyncDispose]();
  const { signal } = new AbortController();
  expect(await recorder.before(undefined, { signal })).toMatch(/^This call cannot be undone: .* is closed/);
  await expect(ws.store.undo([recorder.id])).rejects.toMatchObject({ code: "workspace_invalid" });
});

test("refuses a root that is not there", () => {
  expect(() => createCheckpointStore({ root: "/nowhere/at/all" })).toThrow(
    /`\/nowhere\/at\/all` cannot be opened/,
  );
});
