import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createCheckpointStore } from "../../src/workspace/index.ts";
import { keptFiles, openCheckpointed, runCommand, snapshot, writeAs } from "./_checkpoints.ts";
import { SECRET } from "./_fixture.ts";

const { signal } = new AbortController();
const USER = 1_234;

test("does not restore through a link that was put in the place of a folder", async () => {
  await using ws = await openCheckpointed({ "folder/secret": "one" });
  const id = await ws.command("rm folder/secret");
  rmSync(join(ws.root, "folder"), { recursive: true });
  symlinkSync(ws.outside, join(ws.root, "folder"));
  for (const conflicts of ["stop", "skip", "force"] as const) {
    const { restored, failed } = await ws.store.undo([id], { conflicts });
    expect({ restored, failed }).toEqual({
      restored: [],
      failed: [
        {
          path: "folder/secret",
          why: "cannot restore folder/secret: a folder above it is now missing, a link or a file",
        },
      ],
    });
  }
  expect(readFileSync(join(ws.outside, "secret"), "utf8")).toBe(SECRET);
});

test("does not remove or overwrite through a link that was put in the place of a file", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const id = await ws.command("echo two > a.txt; echo new > b.txt");
  for (const name of ["a.txt", "b.txt"]) {
    rmSync(join(ws.root, name));
    symlinkSync(join(ws.outside, "secret"), join(ws.root, name));
  }
  expect(await ws.store.undo([id])).toMatchObject({ restored: [], conflicts: ["a.txt", "b.txt"] });
  await ws.store.undo([id], { conflicts: "force" });
  expect(readFileSync(join(ws.outside, "secret"), "utf8")).toBe(SECRET);
  expect(snapshot(ws.root)).toEqual({ "a.txt": "file 644 one" });
});

test("records nothing from outside, whatever links a workspace holds", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  symlinkSync(ws.outside, join(ws.root, "out"));
  symlinkSync(join(ws.outside, "secret"), join(ws.root, "file"));
  const recorder = ws.store.begin();
  const { id } = recorder;
  await recorder.before(["out/secret", "file", "../outside/secret", "a.txt"], { signal });
  await recorder.after(["out/secret", "file", "../outside/secret", "a.txt"]);
  await runCommand(recorder, ws.root, "echo two > a.txt; echo x > out/made");
  for (const name of keptFiles(ws.root))
    expect(readFileSync(join(ws.root, ".lmagent", "checkpoints", name), "latin1")).not.toContain(SECRET);
  expect((await ws.store.diff([id])).map(({ path }) => path)).toEqual(["a.txt"]);
});

test("loops of links and folders swapped while they are scanned lead nowhere", async () => {
  await using ws = await openCheckpointed({ "a/b/c.txt": "c" });
  symlinkSync("..", join(ws.root, "a", "up"));
  const swapper = spawn("sh", [
    "-c",
    `cd "$0" && while :; do mv a real && ln -s "$1" a; rm -f a; mv real a; done`,
    ws.root,
    ws.outside,
  ]);
  try {
    const recorder = ws.store.begin();
    for (let round = 0; round < 150; round += 1) {
      await recorder.before(undefined, { signal });
      await recorder.after(undefined);
    }
  } finally {
    swapper.kill("SIGKILL");
    await once(swapper, "close");
  }
  for (const name of keptFiles(ws.root))
    expect(readFileSync(join(ws.root, ".lmagent", "checkpoints", name), "latin1")).not.toContain(SECRET);
});

test("restores nothing outside while folders are swapped for links", async () => {
  await using ws = await openCheckpointed({ "a/secret": "one", "a/x": "one" });
  const id = await ws.command("rm a/secret; echo two > a/x");
  const swapper = spawn("sh", [
    "-c",
    `cd "$0" && while :; do mv a real && ln -s "$1" a; rm -f a; mv real a; done`,
    ws.root,
    ws.outside,
  ]);
  try {
    for (let round = 0; round < 60; round += 1) await ws.store.undo([id], { conflicts: "force" });
  } finally {
    swapper.kill("SIGKILL");
    await once(swapper, "close");
  }
  expect(readdirSync(ws.outside)).toEqual(["secret"]);
  expect(readFileSync(join(ws.outside, "secret"), "utf8")).toBe(SECRET);
});

test("a pipe or a device does not hold it up", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const id = await ws.command("mkfifo pipe; rm a.txt; mkfifo a.txt");
  expect(await ws.store.undo([id])).toMatchObject({ failed: [], conflicts: [] });
  expect(snapshot(ws.root)).toEqual({ "a.txt": "file 644 one" });
});

test.each(["{", "[]", '{"version":1,"at":"x"}\n{"call":1,"after":[["../outside/secret",null,null]]}\n'])(
  "refuses a checkpoint that makes no sense: %j",
  async (text) => {
    await using ws = await openCheckpointed({ "a.txt": "one" });
    await ws.command("true");
    writeFileSync(join(ws.root, ".lmagent", "checkpoints", "planted-1.jsonl"), `${text}\n`);
    await expect(ws.store.undo(["planted-1"])).rejects.toMatchObject({ code: "storage_failed" });
    await expect(ws.store.diff(["planted-1"])).rejects.toMatchObject({ code: "storage_failed" });
  },
);

test.each(["../../a.txt", "", "nothing-here", "A".repeat(100), "index.json"])(
  "refuses an id that names no checkpoint: %j",
  async (id) => {
    await using ws = await openCheckpointed({ "a.txt": "one" });
    await ws.command("true");
    await expect(ws.store.undo([id])).rejects.toMatchObject({ code: "storage_failed" });
  },
);

test("a planted checkpoint reaches neither git's own data nor our own state", async () => {
  await using ws = await openCheckpointed({ ".git/config": "[core]\n" });
  const id = await ws.command("echo payload > payload");
  const folder = join(ws.root, ".lmagent", "checkpoints");
  const lines = readFileSync(join(folder, `${id}.jsonl`), "utf8")
    .trim()
    .split("\n");
  const step = (JSON.parse(lines[2] as string) as { after: [string, null, object][] }).after[0] as [
    string,
    null,
    object,
  ];
  const planted = [".git/hooks/pre-commit", ".git/config", "sub/.GIT/config", ".lmagent/x", ".LMAGENT/y"];
  const after = planted.map((path) => [path, step[2], null]);
  writeFileSync(
    join(folder, "planted-1.jsonl"),
    `${lines[0]}\n{"call":1,"before":[]}\n${JSON.stringify({ call: 1, after })}\n`,
  );
  const before = snapshot(ws.root);
  const { restored, failed } = await ws.store.undo(["planted-1"], { conflicts: "force" });
  expect(restored).toEqual([]);
  expect(failed).toHaveLength(planted.length);
  expect(snapshot(ws.root)).toEqual(before);
  expect(existsSync(join(ws.root, ".lmagent", "x"))).toBe(false);
});

test("says that git's own data cannot be undone when a tool writes there", async () => {
  await using ws = await openCheckpointed({ ".git/config": "[core]\n" });
  const recorder = ws.store.begin();
  expect(await recorder.before([".git/config"], { signal })).toBe("This cannot be undone: .git/config.");
  expect(recorder.changed).toBe(false);
});

test("refuses to record into a folder that was planted as a link", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  mkdirSync(join(ws.root, ".lmagent"));
  symlinkSync(ws.outside, join(ws.root, ".lmagent", "checkpoints"));
  const recorder = ws.store.begin();
  expect(await recorder.before(undefined, { signal })).toMatch(
    /^This call cannot be undone: .*a link or a file/,
  );
  expect(readdirSync(ws.outside)).toEqual(["secret"]);
});

test("damaged objects are refused, and say that files are as they are", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const id = await ws.command("echo two > a.txt");
  const pack = keptFiles(ws.root).find((name) => name.endsWith(".pack")) as string;
  const path = join(ws.root, ".lmagent", "checkpoints", pack);
  writeFileSync(path, readFileSync(path, "latin1").replaceAll("one", "eno"), "latin1");
  expect((await ws.store.undo([id])).failed).toMatchObject([{ path: "a.txt" }]);
  truncateSync(path, 10);
  expect((await ws.store.undo([id])).failed).toMatchObject([{ path: "a.txt" }]);
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("two\n");
});

test("overlooks a torn last line, and counts its call as cut off", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const id = await ws.command("echo two > a.txt");
  const path = join(ws.root, ".lmagent", "checkpoints", `${id}.jsonl`);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.slice(0, -20));
  expect(await ws.store.undo([id])).toMatchObject({ restored: [], conflicts: ["a.txt"] });
  expect(await ws.store.undo([id], { conflicts: "force" })).toMatchObject({ restored: ["a.txt"] });
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("one");
});

const KILLED = `
  const { createCheckpointStore } = await import(process.argv[1]);
  const { writeFileSync } = await import("node:fs");
  process.chdir(process.argv[3]);
  const store = createCheckpointStore({ root: process.cwd() });
  const recorder = store.begin();
  const { id } = recorder;
  await recorder.before(process.argv[2] === "command" ? undefined : ["a.txt"], { signal: new AbortController().signal });
  writeFileSync("a.txt", "half");
  if (process.argv[2] === "command") writeFileSync("made.txt", "half");
  process.stdout.write(id);
  setInterval(() => {}, 1000);
`;

test.each(["command", "tool"])("a %s that was killed with its agent can be undone", async (kind) => {
  await using ws = await openCheckpointed({ "a.txt": "one", "b.txt": "one" });
  const door = join(import.meta.dirname, "..", "..", "src", "workspace", "index.ts");
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", KILLED, door, kind, ws.root],
    { cwd: join(import.meta.dirname, "..", ".."), stdio: ["ignore", "pipe", "inherit"] },
  );
  const [id] = (await once(child.stdout, "data")) as [Buffer];
  child.kill("SIGKILL");
  await once(child, "close");

  const made = kind === "command" ? ["a.txt", "made.txt"] : ["a.txt"];
  expect((await ws.store.diff([String(id)])).map(({ path, changedSince }) => [path, changedSince])).toEqual(
    made.map((path) => [path, true]),
  );
  expect(await ws.store.undo([String(id)])).toMatchObject({ restored: [], conflicts: made });
  expect(await ws.store.undo([String(id)], { conflicts: "force" })).toMatchObject({ restored: made });
  expect(snapshot(ws.root)).toEqual({ "a.txt": "file 644 one", "b.txt": "file 644 one" });
});

const FULL = `
  const { createCheckpointStore } = await import(process.argv[1]);
  const { execFileSync } = await import("node:child_process");
  const { writeFileSync } = await import("node:fs");
  // Without a listener the first write beyond the limit would end the process.
  process.on("SIGXFSZ", () => {});
  process.chdir(process.argv[2]);
  const store = createCheckpointStore({ root: process.cwd() });
  const recorder = store.begin();
  const { id } = recorder;
  const write = async (names, text) => {
    const before = await recorder.before(names, { signal: new AbortController().signal });
    for (const name of names) writeFileSync(name, text);
    return [before, await recorder.after(names)];
  };
  const names = Array.from({ length: 20 }, (_, index) => "a" + index);
  await write(["first"], "two");
  const said = await write(names, "two");
  execFileSync("prlimit", ["--fsize=unlimited", "--pid", String(process.pid)]);
  said.push(...(await write(["last"], "two")));
  await store[Symbol.asyncDispose]();
  process.stdout.write(JSON.stringify({ id, said }));
`;

test("a disk that is full for a moment spoils only the call that it hit", async () => {
  if (process.platform !== "linux") return;
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`a${index}`, "one"]));
  await using ws = await openCheckpointed({ ...files, first: "one", last: "one" });
  const door = join(import.meta.dirname, "..", "..", "src", "workspace", "index.ts");
  const node = [process.execPath, "--import", "tsx", "--input-type=module", "-e"];
  const child = spawn("sh", ["-c", 'ulimit -S -f 8; exec "$@"', "sh", ...node, FULL, door, ws.root], {
    cwd: join(import.meta.dirname, "..", ".."),
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TSX_DISABLE_CACHE: "1" },
  });
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  await once(child, "close");
  const { id, said } = JSON.parse(String(text)) as { id: string; said: (string | null)[] };
  expect(said).toEqual([
    null,
    expect.stringMatching(/^What this call did can be undone by force/),
    null,
    null,
  ]);
  expect(await ws.store.undo([id])).toMatchObject({ conflicts: Object.keys(files).sort() });
  expect((await ws.store.undo([id], { conflicts: "force" })).restored).toHaveLength(22);
  expect(new Set(Object.values(snapshot(ws.root)))).toEqual(new Set(["file 644 one"]));
});

test("an undo that was cut off is finished by the next one", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one", "b.txt": "one", "c/d.txt": "one" });
  const before = snapshot(ws.root);
  const id = await ws.command("echo two > a.txt; echo two > b.txt; rm -r c; echo new > new");
  const controller = new AbortController();
  controller.abort();
  await expect(ws.store.undo([id], { signal: controller.signal })).rejects.toThrow(/abort/);
  // What one that was killed after some of its steps leaves behind.
  writeFileSync(join(ws.root, "a.txt"), "one");
  mkdirSync(join(ws.root, "c"));
  expect(await ws.store.undo([id])).toMatchObject({ restored: ["b.txt", "c/d.txt", "new"], conflicts: [] });
  expect(snapshot(ws.root)).toEqual(before);
});

test("says what it cannot restore in a folder that is read-only", async () => {
  await using ws = await openCheckpointed({ "locked/a.txt": "one", "b.txt": "one" });
  const isRoot = process.geteuid?.() === 0;
  chmodSync(ws.base, 0o755);
  for (const path of [
    ws.root,
    join(ws.root, "locked"),
    join(ws.root, "locked/a.txt"),
    join(ws.root, "b.txt"),
  ])
    if (isRoot) chownSync(path, USER, USER);
  if (isRoot) process.seteuid?.(USER);
  try {
    const id = await ws.command("echo two > locked/a.txt; echo two > b.txt");
    chmodSync(join(ws.root, "locked"), 0o555);
    const { restored, failed } = await ws.store.undo([id]);
    expect(restored).toEqual(["b.txt"]);
    expect(failed).toMatchObject([
      { path: "locked/a.txt", why: expect.stringContaining("permission denied") },
    ]);
    chmodSync(join(ws.root, "locked"), 0o755);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

test("what root restores belongs to whom it belonged", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one", "gone.txt": "one" });
  if (process.geteuid?.() !== 0) return;
  for (const path of [ws.root, join(ws.root, "a.txt"), join(ws.root, "gone.txt")])
    chownSync(path, USER, USER);
  const id = await ws.command("echo two > a.txt; rm gone.txt");
  await ws.store.undo([id]);
  expect(statSync(join(ws.root, "a.txt")).uid).toBe(USER);
  expect(statSync(join(ws.root, "gone.txt")).uid).toBe(USER);
  for (const name of keptFiles(ws.root).filter((each) => !each.endsWith(".live")))
    expect(statSync(join(ws.root, ".lmagent", "checkpoints", name)).uid).toBe(USER);
});

test("restores a folder that was read-only, with what was in it", async () => {
  await using ws = await openCheckpointed({ "locked/a.txt": "one" });
  chmodSync(join(ws.root, "locked"), 0o555);
  const before = snapshot(ws.root);
  const id = await ws.command("chmod 755 locked; rm -r locked");
  await ws.store.undo([id]);
  expect(snapshot(ws.root)).toEqual(before);
  chmodSync(join(ws.root, "locked"), 0o755);
});

test("two agents in one workspace record side by side, and each undoes its own", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one", "b.txt": "one", "c.txt": "one" });
  await using other = createCheckpointStore({ root: ws.root });
  const mine = ws.store.begin();
  const theirs = other.begin();
  await runCommand(mine, ws.root, "echo two > a.txt");
  await writeAs(theirs, ws, { path: "b.txt", text: "two" });
  await runCommand(mine, ws.root, "echo two > c.txt");
  await runCommand(theirs, ws.root, "echo three > b.txt");
  expect((await other.diff([mine.id])).map(({ path }) => path)).toEqual(["a.txt", "c.txt"]);
  expect(await ws.store.undo([theirs.id])).toMatchObject({ restored: ["b.txt"], conflicts: [] });
  expect(await other.undo([mine.id])).toMatchObject({ restored: ["a.txt", "c.txt"], conflicts: [] });
  expect(Object.values(snapshot(ws.root))).toEqual(["file 644 one", "file 644 one", "file 644 one"]);
});

test("calls that overlap are told apart", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one", "b.txt": "one" });
  const recorder = ws.store.begin();
  const { id } = recorder;
  await Promise.all([recorder.before(undefined, { signal }), recorder.before(["b.txt"], { signal })]);
  writeFileSync(join(ws.root, "b.txt"), "two");
  await recorder.after(["b.txt"]);
  writeFileSync(join(ws.root, "a.txt"), "two");
  await recorder.after(undefined);
  expect(await recorder.after(undefined)).toBeUndefined();
  expect(await ws.store.undo([id])).toMatchObject({ restored: ["a.txt", "b.txt"], conflicts: [] });
});

test("says so when the workspace was moved away, and touches nothing", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const id = await ws.command("echo two > a.txt");
  renameSync(ws.root, `${ws.root}-moved`);
  mkdirSync(ws.root);
  const recorder = ws.store.begin();
  expect(await recorder.before(undefined, { signal })).toMatch(/moved or replaced/);
  await expect(ws.store.undo([id])).rejects.toMatchObject({ code: "workspace_invalid" });
  expect(readdirSync(ws.root)).toEqual([]);
});

test("an abort ends the scan, and the call that did not run leaves nothing open", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const recorder = ws.store.begin();
  const controller = new AbortController();
  controller.abort();
  await recorder.before(undefined, { signal: controller.signal });
  expect(await recorder.after(undefined)).toBeUndefined();
});
