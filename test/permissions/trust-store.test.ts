import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, it, onTestFinished } from "vitest";
import {
  createTrustStore,
  toCanonicalHash,
  toContentHash,
  type TrustItem,
} from "../../src/permissions/index.ts";

const now = () => new Date("2026-01-02T03:04:05Z");

function openStore() {
  const folder = mkdtempSync(join(tmpdir(), "lmagent-trust-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "home", "trust.json");
  return { folder, file, store: createTrustStore({ file, now }) };
}

const text = "export default () => 1;\n";
const item: TrustItem = {
  workspace: "/projects/one",
  kind: "tool",
  name: "weather",
  sha256: toContentHash(Buffer.from(text)),
};
const other = { ...item, sha256: toContentHash(Buffer.from("something else")) };

it("knows nothing at first, and makes no file to find that out", () => {
  const { store, folder } = openStore();
  expect(store.check(item)).toBe("new");
  expect(store.find(item)).toBeUndefined();
  expect(store.list()).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
});

it("trusts exactly what was agreed to, until that is taken back", async () => {
  const { store } = openStore();
  const entry = await store.add(item, { text, declaration: { description: "x" } });
  expect(entry).toEqual({
    ...item,
    decidedAt: "2026-01-02T03:04:05.000Z",
    sandboxed: true,
    declaration: { description: "x" },
  });
  expect(store.check(item)).toBe("trusted");
  expect(store.textOf(entry)).toBe(text);
  expect(await store.revoke({ workspace: item.workspace, name: "weather" })).toEqual([entry]);
  expect(store.check(item)).toBe("new");
});

it("asks again for another content, and for the same content elsewhere", async () => {
  const { store } = openStore();
  await store.add(item);
  expect(store.check(other)).toBe("changed");
  expect(store.check({ ...item, workspace: "/projects/moved" })).toBe("new");
  expect(store.check({ ...item, name: "climate" })).toBe("new");
  expect(store.check({ ...item, kind: "mcp" })).toBe("new");
});

it("keeps one agreement for each item: the newest", async () => {
  const { store } = openStore();
  await store.add(item, { outsideSandbox: true });
  await store.add(other);
  expect(store.list()).toEqual([expect.objectContaining({ sha256: other.sha256, sandboxed: true })]);
  expect(store.check(item)).toBe("changed");
});

it("lets an item out of the sandbox only when that is said", async () => {
  const { store } = openStore();
  expect((await store.add(item)).sandboxed).toBe(true);
  expect((await store.add(item, { outsideSandbox: true })).sandboxed).toBe(false);
});

it("lists and takes back by workspace, kind and name", async () => {
  const { store } = openStore();
  await store.add(item);
  await store.add({ ...item, kind: "mcp" });
  await store.add({ ...item, workspace: "/projects/two" });
  expect(store.list({ workspace: "/projects/one" })).toHaveLength(2);
  expect(store.list({ kind: "mcp" })).toHaveLength(1);
  expect(await store.revoke({ workspace: "/projects/one" })).toHaveLength(2);
  expect(store.list()).toEqual([expect.objectContaining({ workspace: "/projects/two" })]);
});

it("writes files that only the user can read, and leaves no others", async () => {
  const { store, file } = openStore();
  await store.add(item, { text });
  const home = join(file, "..");
  expect(statSync(home).mode & 0o777).toBe(0o700);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(home, "trusted", item.sha256)).mode & 0o777).toBe(0o600);
  expect(readdirSync(home).sort()).toEqual(["trust.json", "trusted"]);
});

it("shows no kept text that was changed", async () => {
  const { store, file } = openStore();
  const entry = await store.add(item, { text });
  writeFileSync(join(file, "../trusted", item.sha256), "harmless");
  expect(store.textOf(entry)).toBeUndefined();
});

const entry = { ...item, decidedAt: "2026-01-02T03:04:05Z", sandboxed: true };

it.each([
  ["no JSON", "{"],
  ["an empty file", ""],
  ["a list", "[]"],
  ["another version", '{"version":2,"entries":[]}'],
  ["no entries", '{"version":1}'],
  ["entries that are none", '{"version":1,"entries":{"length":1}}'],
  ["an entry that is null", '{"version":1,"entries":[null]}'],
  ["an unknown kind", toFile({ ...entry, kind: "everything" })],
  ["a hash of another form", toFile({ ...entry, sha256: "*" })],
  ["a name that is no text", toFile({ ...entry, name: ["weather"] })],
  ["no workspace", toFile({ ...entry, workspace: undefined })],
  ["a truth that is a text", toFile({ ...entry, sandboxed: "false" })],
  ["a time that is none", toFile({ ...entry, decidedAt: "soon" })],
  ["deep nesting", `{"version":1,"entries":${"[".repeat(1e6)}${"]".repeat(1e6)}}`],
])("takes %s for an error and never for a yes", async (_what, content) => {
  const { store, file } = openStore();
  mkdirSync(join(file, ".."), { mode: 0o700 });
  writeFileSync(file, content, { mode: 0o600 });
  expect(() => store.check(item)).toThrow(expect.objectContaining({ code: "config_invalid" }));
  await expect(store.add(item)).rejects.toMatchObject({ code: "config_invalid" });
  expect(readFileSync(file, "utf8")).toBe(content);
  expect(existsSync(`${file}.lock`)).toBe(false);
});

function toFile(...entries: readonly unknown[]): string {
  return JSON.stringify({ version: 1, entries });
}

it("does not change what objects have when entries name it", async () => {
  const { store } = openStore();
  await store.add({ ...item, name: "__proto__", workspace: "constructor" });
  expect(store.check({ ...item, name: "__proto__", workspace: "constructor" })).toBe("trusted");
  expect(store.check({ ...item, name: "toString" })).toBe("new");
});

it("refuses a file that others can write, and says how to repair it", async () => {
  const { store, file } = openStore();
  await store.add(item);
  chmodSync(file, 0o666);
  expect(() => store.check(item)).toThrow(`chmod 600 ${file}`);
  chmodSync(file, 0o600);
  expect(store.check(item)).toBe("trusted");
});

it("refuses a link and a folder in place of the file", async () => {
  const { store, file, folder } = openStore();
  mkdirSync(join(file, ".."));
  writeFileSync(join(folder, "elsewhere.json"), toFile(entry), { mode: 0o600 });
  symlinkSync(join(folder, "elsewhere.json"), file);
  expect(() => store.check(item)).toThrow("it is a link");
  rmSync(file);
  mkdirSync(file);
  expect(() => store.check(item)).toThrow("it is no regular file");
});

it.runIf(process.getuid?.() === 0)("refuses the file of another user", async () => {
  const { store, file } = openStore();
  await store.add(item);
  const { chownSync } = await import("node:fs");
  chownSync(file, 54_321, 54_321);
  expect(() => store.check(item)).toThrow("it belongs to another user");
});

it("names the file that cannot be written", async () => {
  const { store, file, folder } = openStore();
  writeFileSync(join(folder, "home"), "a file");
  await expect(store.add(item)).rejects.toMatchObject({
    code: "storage_failed",
    message: expect.stringContaining(file) as string,
  });
});

it("goes on after an agent that was killed while it wrote", async () => {
  const { store, file } = openStore();
  mkdirSync(join(file, ".."));
  writeFileSync(`${file}.lock`, "");
  utimesSync(`${file}.lock`, new Date(0), new Date(0));
  await store.add(item);
  expect(store.check(item)).toBe("trusted");
  expect(readdirSync(join(file, ".."))).toEqual(["trust.json"]);
});

it("loses nothing when several agents decide at once", async () => {
  const { store, file, folder } = openStore();
  const script = join(folder, "agent.mjs");
  await build({
    stdin: {
      contents: `
        import { createTrustStore } from "./src/permissions/trust-store.ts";
        const [file, agent] = process.argv.slice(2);
        const store = createTrustStore({ file, now: () => new Date() });
        for (let n = 0; n < 15; n++)
          await store.add({ workspace: "/w", kind: "tool", name: agent + "_" + n, sha256: "${"a".repeat(64)}" });`,
      resolveDir: join(import.meta.dirname, "../.."),
    },
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: script,
  });
  const run = promisify(execFile);
  await Promise.all(["a", "b", "c"].map((agent) => run(process.execPath, [script, file, agent])));
  expect(store.list()).toHaveLength(45);
  expect(readdirSync(join(file, ".."))).toEqual(["trust.json"]);
});

it("hashes an entry of a list the same in any order of its keys, and differently for any other value", () => {
  const server = { command: "node", args: ["server.js"], env: { names: ["TOKEN"] }, script: "ab" };
  const { command, ...rest } = server;
  expect(toCanonicalHash({ ...rest, command })).toBe(toCanonicalHash(server));
  for (const changed of [
    { ...server, command: "node " },
    { ...server, args: ["server.js", ""] },
    { ...server, env: { names: [] } },
    { ...server, script: "ac" },
    { ...server, more: null },
  ])
    expect(toCanonicalHash(changed)).not.toBe(toCanonicalHash(server));
  expect(toCanonicalHash(["a", "b"])).not.toBe(toCanonicalHash(["b", "a"]));
  expect(() => toCanonicalHash({ run: () => 1 })).toThrow(TypeError);
});
