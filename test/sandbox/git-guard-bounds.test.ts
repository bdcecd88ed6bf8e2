import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { guardWorkspace } from "../../src/sandbox/git-guard.ts";
import { readPins } from "../../src/sandbox/pins.ts";
import { EVIL, guarded, describePins, put, putRepository, root } from "./_git-workspace.ts";

describe("what a command leaves where it is hard to see or to hold", () => {
  it.each(["node_modules", "sub/venv"])("has a repository in %s itself disarmed", (path) => {
    put("node_modules/x/index.js");
    mkdirSync(join(root, "sub/venv"), { recursive: true });
    const said = guarded(() => putRepository(`${path}/.git`, EVIL));
    expect(said.join("")).toContain("core.fsmonitor");
    expect(readFileSync(join(root, path, ".git/config"), "utf8")).toBe("");
    expect(guarded(() => put(`${path}/other`))).toEqual([]);
  });

  it("has a bare repository in a skipped folder disarmed", () => {
    guarded(() => putRepository("node_modules", EVIL));
    expect(readFileSync(join(root, "node_modules/config"), "utf8")).toBe("");
  });

  it("hides no repository in a folder that looks like one", () => {
    guarded(() => {
      putRepository(".", "");
      putRepository("sub/.git", EVIL);
    });
    expect(readFileSync(join(root, "sub/.git/config"), "utf8")).toBe("");
  });

  it("has the repository disarmed that a file or a link leads to, also one made later", () => {
    guarded(() => {
      putRepository("node_modules/x/.git", EVIL);
      putRepository("node_modules/y/.git", EVIL);
      put(".git", "gitdir: node_modules/x/.git\n");
      mkdirSync(join(root, "sub"));
      symlinkSync("../node_modules/y/.git", join(root, "sub/.git"));
      put("later/.git", "gitdir: ../node_modules/way/.git\n");
      symlinkSync("z", join(root, "node_modules/way"));
    });
    guarded(() => putRepository("node_modules/z/.git", EVIL));
    for (const name of ["x", "y", "z"])
      expect(readFileSync(join(root, `node_modules/${name}/.git/config`), "utf8")).toBe("");
  });

  it("has the repository disarmed that a common folder leads to", () => {
    putRepository("sub/.git");
    guarded(() => {
      putRepository("node_modules/x/.git", EVIL);
      put("node_modules/x/.git/worktrees/t/HEAD", "ref: refs/heads/t\n");
      put("node_modules/x/.git/worktrees/t/commondir", "../..\n");
      put("tree/.git", "gitdir: ../node_modules/x/.git/worktrees/t\n");
    });
    expect(readFileSync(join(root, "node_modules/x/.git/config"), "utf8")).toBe("");
    expect(existsSync(join(root, "node_modules/x/.git/worktrees/t/commondir"))).toBe(true);
    expect(describePins(["node_modules/x/.git/worktrees/t"])).toContain(
      "read file node_modules/x/.git/worktrees/t/commondir",
    );
    expect(existsSync(join(root, "node_modules/x/.git/worktrees/t/hooks"))).toBe(false);
  });

  it("is disarmed in repositories of the user for which there are too many pins", () => {
    for (let count = 0; count < 51; count += 1) putRepository(`r${count}/.git`, "[core]\n\tpager = less\n");
    const { repositories, finish } = guardWorkspace(root);
    const pinned = readPins(root, repositories).map(({ path }) => path);
    const loose = repositories.filter((path) => !pinned.includes(path));
    expect(loose.length).toBe(19);
    put(`${loose[0]}/config`, EVIL);
    put(`${loose[1]}/hooks/pre-commit`, "#!/bin/sh\n", 0o755);
    const said = finish();
    expect(said.filter((line) => line.includes("The command changed the repository")).length).toBe(2);
    expect(said.at(-1)).toContain("more than 32 git repositories");
    expect(readFileSync(join(root, loose[0]!, "config"), "utf8")).toBe("");
    expect(statSync(join(root, loose[1]!, "hooks/pre-commit")).mode & 0o111).toBe(0);
    expect(readFileSync(join(root, loose[2]!, "config"), "utf8")).toContain("less");
    expect(guarded(() => put("other"))).toEqual([]);
    put(`${loose[2]}/config`, "[core]\n\thooksPath = own\n");
    put(`${dirname(loose[2]!)}/own/pre-commit`, "of the user", 0o755);
    expect(guarded(() => put(`${dirname(loose[2]!)}/own/pre-commit`, "evil", 0o755))).toEqual([
      expect.stringContaining("core.hookspath"),
    ]);
  });

  it.each([
    ["config", "../common/config"],
    ["hooks", "../common/hooks"],
  ])("is disarmed where the user has a link in the place of %s", (name, target) => {
    putRepository(".git");
    put("common/config", "[core]\n");
    mkdirSync(join(root, "common/hooks"));
    rmSync(join(root, ".git", name), { force: true });
    symlinkSync(target, join(root, ".git", name));
    expect(guarded(() => put(".git/objects/x"))).toEqual([]);
    const said = guarded(() => {
      rmSync(join(root, ".git", name));
      if (name === "config") put(".git/config", EVIL);
      else put(".git/hooks/pre-commit", "#!/bin/sh\n", 0o755);
    });
    expect(said.length).toBe(1);
    if (name === "config") expect(readFileSync(join(root, ".git/config"), "utf8")).toBe("");
    else expect(statSync(join(root, ".git/hooks/pre-commit")).mode & 0o111).toBe(0);
  });

  it.each([
    ["[core]\n\thooksPath = way/hooks\n", "core.hookspath"],
    ["[core]\n\thooksPath = later\n", "core.hookspath"],
    ["[include]\n\tpath = ../way/settings\n", "include.path"],
    ["[include]\n\tpath = ../later\n", "include.path"],
  ])("is disarmed where git reads through a link or what was missing: %j", (config, name) => {
    putRepository(".git", config);
    put("good/settings", "");
    put("good/hooks/pre-commit");
    symlinkSync("good", join(root, "way"));
    expect(guarded(() => put("other"))).toEqual([]);
    const said = guarded(() => {
      put("evil/settings", EVIL);
      put("evil/hooks/pre-commit", "", 0o755);
      rmSync(join(root, "way"));
      symlinkSync("evil", join(root, "way"));
      put("later", EVIL);
    });
    expect(said).toEqual([expect.stringContaining(name)]);
    expect(readFileSync(join(root, ".git/config"), "utf8")).toBe("");
  });

  it("is told once where there are too many folders to search, or too deep ones", () => {
    const deep = Array.from({ length: 40 }, () => "d").join("/");
    expect(guarded(() => put(`${deep}/x`))).toEqual([expect.stringContaining("lie very deep")]);
    expect(guarded(() => put(`${deep}/y`))).toEqual([]);
  });
});
