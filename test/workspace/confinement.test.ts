import { execFileSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { failureOf, namesBelow, openTemporary, read, SECRET } from "./_fixture.ts";

describe("paths that lead outside are refused by every operation", () => {
  const paths = [
    "../secret",
    "a/../../secret",
    "./..//../secret",
    "../app-evil/x",
    "/etc/passwd",
    "/tmp/x",
    "~/.ssh/id_rsa",
    "~root/x",
    "file:///etc/passwd",
    "https://example.com/x",
    "/proc/self/environ",
    "/proc/self/root/etc/passwd",
    "/proc/self/fd/3",
    "/workspace/../etc/passwd",
    "/workspacex/a",
    "nul\0byte",
    "new\nline",
    "carriage\rreturn",
    "lone\ud800surrogate",
    `a/${"n".repeat(300)}`,
    "a/".repeat(2_500),
  ];
  test.each(paths)("%j", async (path) => {
    await using temporary = await openTemporary({ "a/b.txt": "inside" });
    mkdirSync(join(temporary.base, "app-evil"));
    writeFileSync(join(temporary.base, "app-evil", "x"), SECRET);
    const before = namesBelow(temporary.base);
    const { workspace } = temporary;
    const attempts = [
      () => workspace.readText(path, read),
      () => workspace.stat(path),
      () => workspace.list(path, { limit: 10 }),
      () => workspace.writeText(path, "x"),
      () => workspace.editText(path, { old: "O", new: "x" }),
      () => workspace.makeFolder(path),
      () => workspace.previewWrite(path, "x"),
      () => workspace.previewMakeFolder(path),
      () => workspace.findFiles("*", { path, limit: 10 }),
      () => workspace.searchText("S", { path, maxBytes: 1_000 }),
    ];
    for (const attempt of attempts) expect(await failureOf(attempt())).toMatch(/^path_refused: /);
    expect(namesBelow(temporary.base)).toEqual(before);
  });
});

test("absolute paths below the root and the sandbox's spelling of it are the same file", async () => {
  await using temporary = await openTemporary({ "src/a.txt": "inside" });
  for (const path of [
    "src/a.txt",
    "./src//a.txt",
    `${temporary.root}/src/a.txt`,
    "/workspace/src/a.txt",
    "src/x/../a.txt",
  ]) {
    expect((await temporary.workspace.readText(path, read)).path).toBe("src/a.txt");
  }
  expect(temporary.workspace.toRelative("/workspace")).toBe(".");
  expect(temporary.workspace.toRelative(`${temporary.root}/`)).toBe(".");
});

test("names with unusual but legal characters are ordinary files", async () => {
  await using temporary = await openTemporary();
  for (const path of [
    "~lock.txt",
    "ünïcode 日本.txt",
    "with space.txt",
    "-rf",
    "a:b",
    "quote'\".txt",
    "..hidden",
    "...",
  ]) {
    await temporary.workspace.writeText(path, path);
    expect((await temporary.workspace.readText(path, read)).text).toBe(path);
  }
});

describe("links", () => {
  test("to a file outside are refused for every operation and left as they are", async () => {
    await using temporary = await openTemporary();
    const { workspace, root, outside } = temporary;
    symlinkSync(join(outside, "secret"), join(root, "link"));
    symlinkSync("../outside/secret", join(root, "relative"));
    symlinkSync(outside, join(root, "folder"));
    symlinkSync("link", join(root, "chain"));
    for (const path of ["link", "relative", "chain", "folder/secret", "folder/new"]) {
      for (const attempt of [
        workspace.readText(path, read),
        workspace.writeText(path, "x"),
        workspace.editText(path, { old: "OUTSIDE", new: "x" }),
        workspace.searchText("OUTSIDE", { path, maxBytes: 1_000 }),
      ]) {
        expect(await failureOf(attempt)).toMatch(/^path_refused: .*leads outside/);
      }
    }
    for (const path of ["folder", "folder/x"])
      expect(await failureOf(workspace.makeFolder(path))).toMatch(/^path_refused/);
    expect(await failureOf(workspace.list("folder", { limit: 10 }))).toMatch(/^path_refused/);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe(SECRET);
    expect(namesBelow(outside)).toEqual(["secret"]);
    expect(readlinkSync(join(root, "link"))).toBe(join(outside, "secret"));
  });

  test("that stay inside are followed, also absolute ones and the sandbox's spelling", async () => {
    await using temporary = await openTemporary({ "real/a.txt": "inside" });
    const { workspace, root } = temporary;
    symlinkSync("real", join(root, "folder"));
    symlinkSync("../real/a.txt", join(root, "real", "self"));
    symlinkSync(join(root, "real", "a.txt"), join(root, "absolute"));
    symlinkSync("/workspace/real/a.txt", join(root, "sandbox"));
    symlinkSync("folder/self", join(root, "chain"));
    for (const path of ["folder/a.txt", "real/self", "absolute", "sandbox", "chain"]) {
      expect((await workspace.readText(path, read)).text).toBe("inside");
    }
    await workspace.writeText("chain", "changed");
    expect(readFileSync(join(root, "real", "a.txt"), "utf8")).toBe("changed");
    expect(readlinkSync(join(root, "chain"))).toBe("folder/self");
    symlinkSync(".", join(root, "here"));
    expect((await workspace.list("here", { limit: 10 })).entries.map(({ path }) => path)).toContain(
      "here/real",
    );
  });

  test("that go in circles are refused at once", async () => {
    await using temporary = await openTemporary();
    symlinkSync("b", join(temporary.root, "a"));
    symlinkSync("a", join(temporary.root, "b"));
    symlinkSync("self/x", join(temporary.root, "self"));
    for (const path of ["a", "b/c", "self", "self/y"]) {
      expect(await failureOf(temporary.workspace.readText(path, read))).toMatch(/circle/);
    }
  });

  test("into /proc are refused", async () => {
    await using temporary = await openTemporary();
    for (const target of [
      "/proc/self/environ",
      "/proc/self/root/etc/passwd",
      "/proc/self/cwd",
      "/proc/self/fd/0",
    ]) {
      symlinkSync(target, join(temporary.root, target.replaceAll("/", "_")));
      expect(await failureOf(temporary.workspace.readText(target.replaceAll("/", "_"), read))).toMatch(
        /^path_refused/,
      );
    }
  });

  test("that dangle inside are created at their target", async () => {
    await using temporary = await openTemporary();
    symlinkSync("later/file.txt", join(temporary.root, "dangling"));
    await temporary.workspace.writeText("dangling", "text");
    expect(readFileSync(join(temporary.root, "later", "file.txt"), "utf8")).toBe("text");
  });
});

test("pipes, sockets, devices and folders are refused without waiting", async () => {
  await using temporary = await openTemporary({ "folder/x": "" });
  const { workspace, root } = temporary;
  execFileSync("mkfifo", [join(root, "pipe")]);
  symlinkSync("/dev/zero", join(root, "zero"));
  const server = createServer().listen(join(root, "socket"));
  await new Promise((resolve) => server.once("listening", resolve));
  for (const path of ["pipe", "zero", "socket", "folder", "."]) {
    expect(await failureOf(workspace.readText(path, read))).toMatch(
      /not a regular file|leads outside|is a folder/,
    );
    expect(await failureOf(workspace.writeText(path, "x"))).toMatch(
      /not a regular file|leads outside|is a folder/,
    );
  }
  expect(statSync(join(root, "pipe")).isFIFO()).toBe(true);
  await new Promise((resolve) => server.close(resolve));
});

test("a device node in the workspace is refused", async ({ skip }) => {
  await using temporary = await openTemporary();
  try {
    execFileSync("mknod", [join(temporary.root, "zero"), "c", "1", "5"], { stdio: "ignore" });
  } catch {
    skip("making a device needs root");
  }
  expect(await failureOf(temporary.workspace.readText("zero", { maxBytes: 10 }))).toMatch(
    /not a regular file/,
  );
});

test("writing and editing a hard-linked file leaves its other name alone", async () => {
  await using temporary = await openTemporary();
  for (const [name, change] of [
    ["written", () => temporary.workspace.writeText("written", "changed")],
    ["edited", () => temporary.workspace.editText("edited", { old: "OUTSIDE", new: "changed" })],
  ] as const) {
    linkSync(join(temporary.outside, "secret"), join(temporary.root, name));
    await change();
    expect(readFileSync(join(temporary.root, name), "utf8")).toMatch(/^changed/);
    expect(readFileSync(join(temporary.outside, "secret"), "utf8")).toBe(SECRET);
  }
});

describe("when the root is not the folder that was opened any more", () => {
  test("moved away: refused", async () => {
    await using temporary = await openTemporary({ "a.txt": "inside" });
    renameSync(temporary.root, `${temporary.root}-moved`);
    expect(await failureOf(temporary.workspace.readText("a.txt", read))).toMatch(/moved or replaced/);
    expect(await failureOf(temporary.workspace.writeText("b.txt", "x"))).toMatch(/moved or replaced/);
    expect(namesBelow(`${temporary.root}-moved`)).toEqual(["a.txt"]);
  });

  test("replaced by a link or by another folder: refused", async () => {
    await using temporary = await openTemporary({ "a.txt": "inside" });
    renameSync(temporary.root, `${temporary.root}-moved`);
    symlinkSync(temporary.outside, temporary.root);
    expect(await failureOf(temporary.workspace.readText("secret", read))).toMatch(/moved or replaced/);
    expect(await failureOf(temporary.workspace.searchText("SECRET", { maxBytes: 1_000 }))).toMatch(
      /moved or replaced/,
    );
    await using other = await openTemporary({ "a.txt": "inside" });
    renameSync(other.root, `${other.root}-moved`);
    mkdirSync(other.root);
    expect(await failureOf(other.workspace.makeFolder("x"))).toMatch(/moved or replaced/);
  });
});

describe("the agent's own folder", () => {
  test("is never written, in any spelling or through links", async () => {
    await using temporary = await openTemporary({ ".lmagent/mcp.json": "{}", "sub/.lmagent/x": "1" });
    symlinkSync(".lmagent", join(temporary.root, "alias"));
    symlinkSync(".lmagent/mcp.json", join(temporary.root, "file"));
    const paths = [
      ".lmagent",
      ".lmagent/x",
      ".LMAGENT/x",
      ".LmAgent",
      "a/../.lmagent/x",
      "sub/.lmagent/x",
      "alias/x",
      "file",
      ".lm\u200bagent/x",
      ".lmagent./x",
    ];
    for (const path of paths) {
      expect(await failureOf(temporary.workspace.writeText(path, "x"))).toMatch(/own state/);
      expect(await failureOf(temporary.workspace.makeFolder(`${path}/y`))).toMatch(/own state|not a folder/);
    }
    expect(await failureOf(temporary.workspace.editText("file", { old: "{}", new: "x" }))).toMatch(
      /own state/,
    );
    expect(
      await failureOf(temporary.workspace.previewEdit(".lmagent/mcp.json", { old: "{}", new: "x" })),
    ).toMatch(/own state/);
    expect(readFileSync(join(temporary.root, ".lmagent/mcp.json"), "utf8")).toBe("{}");
  });
});
