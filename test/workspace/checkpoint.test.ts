import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { keptFiles, openCheckpointed, runCommand, snapshot, writeAs } from "./_checkpoints.ts";

const nothing = { restored: [], conflicts: [], failed: [] };

test("undoes what tools have written: changed files, new files and the folders made for them", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one\n" });
  const before = snapshot(ws.root);
  const id = await ws.write({ "a.txt": "two\n", "deep/er/b.txt": "new\n" });

  const changes = await ws.store.diff([id]);
  expect(changes.map(({ path, kind, changedSince }) => [path, kind, changedSince])).toEqual([
    ["a.txt", "changed", false],
    ["deep/er/b.txt", "created", false],
  ]);
  expect(changes[0]?.diff).toBe("@@ -1,1 +1,1 @@\n-one\n+two\n");

  const outcome = await ws.store.undo([id]);
  expect(outcome).toMatchObject({
    restored: ["a.txt", "deep", "deep/er", "deep/er/b.txt"],
    conflicts: [],
    failed: [],
  });
  expect(snapshot(ws.root)).toEqual(before);
});

test("undoes whatever a command has done to files, links, folders and permissions", async () => {
  await using ws = await openCheckpointed({
    "kept.txt": "kept",
    "gone.txt": "gone",
    "renamed.txt": "renamed",
    empty: "",
    "run.sh": "#!/bin/sh\n",
    binary: Uint8Array.from([0, 255, 1, 254]),
    "folder/inside.txt": "inside",
    "turned/x.txt": "x",
    "file-to-folder": "file",
  });
  symlinkSync("kept.txt", join(ws.root, "link"));
  mkdirSync(join(ws.root, "hollow"));
  chmodSync(join(ws.root, "hollow"), 0o750);
  const before = snapshot(ws.root);
  const id = await ws.command(`
    rm gone.txt; mv renamed.txt other.txt; printf more > empty; chmod +x run.sh; printf '\\377' > binary
    rm -r folder; rmdir hollow; rm link; ln -s gone.txt link; mkdir -p a/b/c; : > a/b/zero
    mv turned t2; ln -s t2 turned; rm file-to-folder; mkdir file-to-folder; echo y > file-to-folder/y; mkfifo pipe`);
  const after = snapshot(ws.root);
  expect(after["pipe"]).toBe("other");

  const outcome = await ws.store.undo([id]);
  expect(outcome).toMatchObject({ conflicts: [], failed: [] });
  expect(snapshot(ws.root)).toEqual(before);

  // What was undone is kept as a checkpoint of its own.
  const again = await ws.store.undo([outcome.kept as string]);
  expect(again.failed).toEqual([
    { path: "pipe", why: "cannot restore pipe: it was a pipe, a socket or a device" },
  ]);
  delete after["pipe"];
  expect(snapshot(ws.root)).toEqual(after);
});

test("undoing twice changes nothing the second time", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const id = await ws.command("echo two > a.txt; echo new > b.txt");
  await ws.store.undo([id]);
  const before = snapshot(ws.root);
  expect(await ws.store.undo([id])).toMatchObject(nothing);
  expect(snapshot(ws.root)).toEqual(before);
});

test("writes nothing before the first change, and keeps everything in a folder that only its owner reads", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const recorder = ws.store.begin();
  expect([recorder.changed, existsSync(join(ws.root, ".lmagent"))]).toEqual([false, false]);
  await runCommand(recorder, ws.root, "echo two > a.txt");
  expect(recorder.changed).toBe(true);
  expect(lstatSync(join(ws.root, ".lmagent", "checkpoints")).mode & 0o777).toBe(0o700);
  for (const file of keptFiles(ws.root))
    expect(lstatSync(join(ws.root, ".lmagent", "checkpoints", file)).mode & 0o077).toBe(0);
});

test("takes several requests back together, and what one made and a later one removed is nothing", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const before = snapshot(ws.root);
  const first = await ws.write({ "a.txt": "two", "passing.txt": "here" });
  const second = await ws.command("rm passing.txt; echo three > a.txt");
  const third = await ws.write({ "a.txt": "four" });
  expect((await ws.store.diff([first, second, third])).map(({ path }) => path)).toEqual(["a.txt"]);
  expect(await ws.store.undo([first, second, third])).toMatchObject({ restored: ["a.txt"] });
  expect(snapshot(ws.root)).toEqual(before);
});

test("undoes only the newest of several requests", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  await ws.write({ "a.txt": "two" });
  const second = await ws.command("echo three > a.txt");
  await ws.store.undo([second]);
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("two");
});

test("stops at files that the user has changed since, and restores nothing", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one", "b.txt": "one" });
  const id = await ws.command("echo two > a.txt; echo two > b.txt");
  writeFileSync(join(ws.root, "b.txt"), "mine");
  const before = snapshot(ws.root);
  expect(await ws.store.diff([id])).toMatchObject([{ changedSince: false }, { changedSince: true }]);
  expect(await ws.store.undo([id])).toMatchObject({ ...nothing, conflicts: ["b.txt"] });
  expect(snapshot(ws.root)).toEqual(before);

  expect(await ws.store.undo([id], { conflicts: "skip" })).toMatchObject({
    restored: ["a.txt"],
    conflicts: ["b.txt"],
  });
  expect(readFileSync(join(ws.root, "b.txt"), "utf8")).toBe("mine");
});

test("overwrites the user's changes by force only, and keeps them", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const id = await ws.command("echo two > a.txt; echo new > b.txt");
  writeFileSync(join(ws.root, "a.txt"), "mine");
  writeFileSync(join(ws.root, "b.txt"), "mine too");
  const { kept, ...outcome } = await ws.store.undo([id], { conflicts: "force" });
  expect(outcome).toMatchObject({ restored: ["a.txt", "b.txt"], conflicts: [] });
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("one");
  await ws.store.undo([kept as string]);
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("mine");
  expect(readFileSync(join(ws.root, "b.txt"), "utf8")).toBe("mine too");
});

test("notices what the user has changed between two calls that both changed it", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const recorder = ws.store.begin();
  const { id } = recorder;
  await writeAs(recorder, ws, { path: "a.txt", text: "two" });
  writeFileSync(join(ws.root, "a.txt"), "mine");
  await runCommand(recorder, ws.root, "echo more >> a.txt");
  expect(await ws.store.undo([id])).toMatchObject({ ...nothing, conflicts: ["a.txt"] });
});

test("leaves a new folder that the user has put something into", async () => {
  await using ws = await openCheckpointed();
  const id = await ws.command("mkdir made; echo x > made/x");
  writeFileSync(join(ws.root, "made", "mine"), "mine");
  expect(await ws.store.undo([id])).toMatchObject({
    restored: ["made/x"],
    failed: [{ path: "made", why: "made stays: there is something else in it" }],
  });
  expect(readFileSync(join(ws.root, "made", "mine"), "utf8")).toBe("mine");
});

test("notices a second change of the same size in the same moment", async () => {
  await using ws = await openCheckpointed({ "a.txt": "aaaa" });
  const first = await ws.command("printf bbbb > a.txt");
  const second = await ws.command("printf cccc > a.txt");
  expect(await ws.store.undo([second])).toMatchObject({ restored: ["a.txt"] });
  expect(await ws.store.undo([first])).toMatchObject({ restored: ["a.txt"] });
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("aaaa");
});

test("restores a file of five megabytes and names no diff of it", async () => {
  const large = Buffer.alloc(5 * 1024 * 1024, "0123456789abcde\n");
  await using ws = await openCheckpointed({ large });
  const id = await ws.command("rm large");
  expect(await ws.store.diff([id])).toEqual([{ path: "large", kind: "deleted", changedSince: false }]);
  await ws.store.undo([id]);
  expect(readFileSync(join(ws.root, "large")).equals(large)).toBe(true);
});

test("restores names that are no text, and shows them as far as it can", async () => {
  await using ws = await openCheckpointed({ "grün ✓.txt": "unicode" });
  const command =
    "printf old > \"$(printf 'l\\nine')\"; printf old > \"$(printf 'in\\377valid')\"; printf old > '\uFFFD'";
  await ws.command(command);
  const before = snapshot(ws.root);
  const id = await ws.command('for f in *; do printf new > "$f"; done');
  expect((await ws.store.diff([id])).map(({ path }) => path)).toEqual([
    "grün ✓.txt",
    "in\uFFFDvalid",
    "l\uFFFDine",
    "\uFFFD",
  ]);
  expect(await ws.store.undo([id])).toMatchObject({ failed: [], conflicts: [] });
  expect(snapshot(ws.root)).toEqual(before);
});

test("records a name that is no text also when a tool names it as it is shown", async () => {
  await using ws = await openCheckpointed();
  await ws.command("printf old > \"$(printf 'in\\377valid')\"");
  const before = snapshot(ws.root);
  const id = await ws.write({ "in\uFFFDvalid": "new" });
  expect(await ws.store.undo([id])).toMatchObject({ restored: ["in\uFFFDvalid"] });
  expect(snapshot(ws.root)).toEqual(before);
});

test("undoes several names of one file", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  linkSync(join(ws.root, "a.txt"), join(ws.root, "b.txt"));
  const before = snapshot(ws.root);
  const id = await ws.command("echo two > a.txt; ln a.txt c.txt; ln a.txt d.txt");
  expect(await ws.store.undo([id])).toMatchObject({
    restored: ["a.txt", "b.txt", "c.txt", "d.txt"],
    failed: [],
  });
  expect(snapshot(ws.root)).toEqual(before);
});

test("leaves out what git ignores, also when the command changes what that is", async () => {
  await using ws = await openCheckpointed({
    ".gitignore": "build/\n*.log\n",
    "build/out": "built",
    "a.log": "log",
    "node_modules/x/index.js": "x",
    "src.txt": "one",
  });
  const id = await ws.command(
    "rm .gitignore; echo two > src.txt; echo more > build/more; echo x > node_modules/new",
  );
  expect((await ws.store.diff([id])).map(({ path }) => path)).toEqual([".gitignore", "src.txt"]);
  const outcome = await ws.store.undo([id]);
  expect(outcome).toMatchObject({ restored: [".gitignore", "src.txt"] });
  expect(outcome.unrecorded).toEqual([
    "What commands did in .git, node_modules and what .gitignore names is not undone (a.log, build, node_modules).",
  ]);
  expect(readFileSync(join(ws.root, "build", "out"), "utf8")).toBe("built");
});

test("does not take a file for removed because the command has made git ignore it", async () => {
  await using ws = await openCheckpointed({ "data.txt": "one", "more.txt": "one" });
  const id = await ws.command("echo data.txt > .gitignore; echo more.txt >> .gitignore; echo two > data.txt");
  expect((await ws.store.diff([id])).map(({ path, kind }) => [path, kind])).toEqual([
    [".gitignore", "created"],
    ["data.txt", "changed"],
  ]);
  await ws.store.undo([id]);
  expect(readFileSync(join(ws.root, "data.txt"), "utf8")).toBe("one");
});

test("records an ignored file that a tool names", async () => {
  await using ws = await openCheckpointed({ ".gitignore": "*.log\n", "a.log": "one" });
  const id = await ws.write({ "a.log": "two" });
  await ws.store.undo([id]);
  expect(readFileSync(join(ws.root, "a.log"), "utf8")).toBe("one");
});

test("says once per request what cannot be undone when the workspace is beyond its bounds", async () => {
  const files: Record<string, string> = { "large.bin": "x".repeat(2_000), "a.txt": "one" };
  for (let index = 0; index < 40; index += 1) files[`many/${index}`] = "x";
  await using ws = await openCheckpointed(files, { entries: 20, fileBytes: 1_000 });
  const recorder = ws.store.begin();
  const { id } = recorder;
  const said = await runCommand(
    recorder,
    ws.root,
    "echo two > a.txt; echo more >> large.bin; rm many/3; mkdir many/new",
  );
  expect(said).toEqual([
    "Commands cannot be undone in: folders beyond 20 entries or 30 s, or unreadable (many); files over 0 MB, beyond 256 MB in all, or unreadable (large.bin).",
  ]);
  expect(await runCommand(recorder, ws.root, "true")).toEqual([]);
  expect(await ws.store.undo([id])).toMatchObject({
    restored: ["a.txt"],
    failed: [{ path: "large.bin", why: "cannot restore large.bin: its bytes were not kept" }],
    unrecorded: said,
  });
});

test("what cannot be looked at in time is left alone and said", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" }, { timeMs: 0 });
  const recorder = ws.store.begin();
  const { id } = recorder;
  expect(await runCommand(recorder, ws.root, "echo two > a.txt")).toEqual([
    "Commands cannot be undone in: folders beyond 20000 entries or 0 s, or unreadable (.).",
  ]);
  expect(await ws.store.undo([id])).toMatchObject(nothing);
});

test("keeps bytes once, however often they are there", async () => {
  const text = Array.from({ length: 200 }, () => Math.random().toString(36)).join("\n");
  await using ws = await openCheckpointed({ "a.txt": text, "b.txt": text });
  await ws.command("cp a.txt c.txt; mv b.txt d.txt");
  await ws.command("cp a.txt e.txt");
  const packs = keptFiles(ws.root).filter((name) => name.endsWith(".pack"));
  expect(packs).toHaveLength(1);
  expect(lstatSync(join(ws.root, ".lmagent", "checkpoints", packs[0] as string)).size).toBeLessThan(
    text.length * 1.7,
  );
});

test("makes a folder again whose removal a tool cannot name, and undoes an emptied workspace", async () => {
  await using ws = await openCheckpointed({ "a/b/c.txt": "c", "d.txt": "d" });
  const before = snapshot(ws.root);
  const id = await ws.command("rm -rf a d.txt");
  expect(snapshot(ws.root)).toEqual({});
  await ws.store.undo([id]);
  expect(snapshot(ws.root)).toEqual(before);
});

test("goes on when somebody has removed the folder of the checkpoints", async () => {
  await using ws = await openCheckpointed({ "a.txt": "one" });
  const lost = await ws.command("echo two > a.txt");
  rmSync(join(ws.root, ".lmagent"), { recursive: true });
  const id = await ws.command("echo three > a.txt");
  await ws.store.undo([id]);
  expect(readFileSync(join(ws.root, "a.txt"), "utf8")).toBe("two\n");
  await expect(ws.store.undo([lost])).rejects.toMatchObject({ code: "storage_failed" });
});
