import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { guardWorkspace } from "../../src/sandbox/git-guard.ts";
import { parseGitConfig } from "../../src/sandbox/git-config.ts";
import { guarded, base, put, putRepository, root } from "./_git-workspace.ts";

describe("what a command leaves", () => {
  it("is told also of a file that such a name is a link to", () => {
    put("CLAUDE.md", "of the user");
    symlinkSync("CLAUDE.md", join(root, "AGENTS.md"));
    expect(guarded(() => put("CLAUDE.md", "of the user, and more"))).toEqual([
      expect.stringContaining("The command changed `AGENTS.md`"),
      expect.stringContaining("`CLAUDE.md`"),
    ]);
    expect(guarded(() => put("other.md"))).toEqual([]);
  });

  it("is told when every later conversation starts with it", () => {
    put("AGENTS.md", "of the user");
    const said = guarded(() => {
      put("AGENTS.md", "of the user, and more");
      put(".lmagent.md");
      put(".soul.md");
      put("docs/AGENTS.md");
    });
    expect(said).toEqual([
      "The command made `.lmagent.md`, with which every conversation here starts. Look at it before you start one.",
      "The command made `.soul.md`, with which every conversation here starts. Look at it before you start one.",
      "The command changed `AGENTS.md`, with which every conversation here starts. Look at it before you start one.",
    ]);
  });

  it("is told when package managers, editors, git hooks, servers or other agents obey it", () => {
    put(".npmrc", "of the user");
    put(".github/workflows/test.yml");
    put(".husky/_/pre-commit");
    put(".zed/tasks.json");
    expect(guarded(() => put("src/.npmrc"))).toEqual([]);
    const said = guarded(() => {
      put(".npmrc", "of the user, and more");
      put(".mcp.json");
      put(".cursor/mcp.json");
      put(".vscode/mcp.json");
      put(".github/workflows/test.yml", "on: push");
      put(".husky/_/pre-commit", "evil");
    });
    expect(said.length).toBe(1);
    expect([...said[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name)).toEqual([
      ".husky",
      ".vscode/mcp.json",
      ".npmrc",
      ".mcp.json",
      ".cursor",
      ".github/workflows",
    ]);
  });

  it("is told in one line however many such files there are", () => {
    const said = guarded(() => {
      for (const path of [".npmrc", ".yarnrc", ".yarnrc.yml", ".mcp.json", ".bazelrc", ".gdbinit"]) put(path);
      for (const path of [".exrc", ".vimrc", ".pdbrc", ".devcontainer/x/devcontainer.json"]) put(path);
    });
    expect(said).toEqual([expect.stringContaining(" and 2 more, which")]);
  });

  it("is nothing to tell of when it is ordinary", () => {
    putRepository("of-user/.git", "[core]\n\tpager = less\n");
    put(".envrc", "of the user");
    const said = guarded(() => {
      put("src/new.ts");
      putRepository(
        ".git",
        '[core]\n\tbare = false\n[remote "origin"]\n\turl = https://example.org/a.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n',
      );
      put(".git/hooks/pre-commit.sample", "", 0o755);
    });
    expect(said).toEqual([]);
    expect(readFileSync(join(root, "of-user/.git/config"), "utf8")).toContain("pager");
    expect(readFileSync(join(root, ".git/config"), "utf8")).toContain("https://example.org/a.git");
  });

  it.each([".git", "deep/below/it/.git", "bare", "hidden/as/repository"])(
    "has the repository %s disarmed",
    (path) => {
      const said = guarded(() => {
        putRepository(
          path,
          '[core]\n\tfsmonitor = evil\n\tbare = false\n[alias]\n\tx = "!evil"\n[remote "o"]\n\turl = ext::evil\n',
        );
        put(`${path}/hooks/pre-commit`, "#!/bin/sh\n", 0o755);
      });
      expect(said.join("\n")).toMatch(/core\.fsmonitor.*alias\.x.*remote\.o\.url/);
      expect(said.join("\n")).toContain("pre-commit");
      expect(parseGitConfig(readFileSync(join(root, path, "config"), "utf8"))).toEqual([
        { section: "core", subsection: "", key: "bare", value: "false" },
      ]);
      expect(readFileSync(join(root, path, "config.removed"), "utf8")).toContain("fsmonitor");
      expect(statSync(join(root, path, "hooks/pre-commit")).mode & 0o111).toBe(0);
    },
  );

  it("keeps harmless addresses only", () => {
    const keep = [
      "https://example.org/a.git",
      "ssh://git@example.org/a",
      "git@example.org:a/b.git",
      "git://example.org/a",
    ];
    const drop = [
      "ext::sh -c evil",
      "file:///etc",
      "-oProxyCommand=evil",
      "ssh://-oProxyCommand=evil/x",
      "/etc",
      "../other",
      "fd::7",
      "host::x",
    ];
    const text = [...keep, ...drop].map((url, index) => `[remote "r${index}"]\n\turl = "${url}"\n`).join("");
    guarded(() => putRepository(".git", text));
    const kept = parseGitConfig(readFileSync(join(root, ".git/config"), "utf8"))?.map(({ value }) => value);
    expect(kept).toEqual(keep);
  });

  it("has no configuration that cannot be read", () => {
    const said = guarded(() => putRepository(".git", "[core\n\tfsmonitor = evil\n"));
    expect(said[0]).toContain("cannot be read");
    expect(readFileSync(join(root, ".git/config"), "utf8")).toBe("");
  });

  it("has no links in the place of configuration and hooks", () => {
    put("../outside/config", "[core]\n\tfsmonitor = evil\n");
    put("../outside/hooks/pre-commit", "", 0o755);
    guarded(() => {
      putRepository(".git");
      rmSync(join(root, ".git/config"));
      symlinkSync("../../outside/config", join(root, ".git/config"));
      symlinkSync("../../outside/hooks", join(root, ".git/hooks"));
    });
    expect(lstatSync(join(root, ".git/config")).isFile()).toBe(true);
    expect(existsSync(join(root, ".git/hooks"))).toBe(false);
    expect(statSync(join(base, "outside/hooks/pre-commit")).mode & 0o111).toBe(0o111);
    expect(readFileSync(join(base, "outside/config"), "utf8")).toContain("fsmonitor");
  });

  it("sends git nowhere else by a common folder", () => {
    putRepository(".git");
    const said = guarded(() => {
      put(".git/commondir", "../common\n");
      put(".git/worktrees/evil/commondir", "../../../common\n");
      put(".git/worktrees/usual/commondir", "../..\n");
    });
    expect(said.length).toBe(2);
    expect(
      [".git/commondir", ".git/worktrees/evil/commondir", ".git/worktrees/usual/commondir"].map((path) =>
        existsSync(join(root, path)),
      ),
    ).toEqual([false, false, true]);
  });

  it("is told of when git or an editor would obey it", () => {
    put(".vscode/settings.json", "{}");
    const said = guarded(() => {
      put(".vscode/settings.json", "{ }");
      put(".vscode/tasks.json");
      put("sub/.git", "gitdir: ../hidden");
    });
    expect(said.map((line) => /`([^`]+)`/.exec(line)?.[1])).toEqual([
      ".vscode/settings.json",
      ".vscode/tasks.json",
      "sub/.git",
    ]);
  });

  it("may be a work tree or a submodule of the root's own repository", () => {
    putRepository(".git");
    const said = guarded(() => {
      put("tree/.git", "gitdir: /workspace/.git/worktrees/tree\n");
      put("sub/module/.git", "gitdir: ../../.git/modules/module\n");
      put("evil/.git", "gitdir: ../.git/worktrees/../../hidden\n");
      put("outside/.git", "gitdir: /workspace/.git/worktrees/x\n../../hidden\n");
    });
    expect(said.map((line) => /`([^`]+)`/.exec(line)?.[1])).toEqual(["evil/.git", "outside/.git"]);
  });

  it("is told of without letting names act on the terminal, and not without end", () => {
    const said = guarded(() => {
      putRepository(".git", '[core]\n\tfsmonitor = x\n[alias "\u001b]52;c;x\u0007\u202e"]\n\tx = "!evil"\n');
      for (let count = 0; count < 30; count += 1) put(`many${count}/.git`, "gitdir: x");
    });
    expect(said.length).toBe(8);
    for (const letter of ["\u001b", "\u0007", "\u202e"]) expect(said.join("")).not.toContain(letter);
    expect(said.join("")).toContain("\\u{1b}");
  });

  it("is not what the user made between two commands", () => {
    expect(guarded(() => {})).toEqual([]);
    putRepository("mine/.git", "[core]\n\tpager = less\n");
    const guard = guardWorkspace(root);
    expect([guard.repositories, guard.finish()]).toEqual([["mine/.git"], []]);
    expect(readFileSync(join(root, "mine/.git/config"), "utf8")).toContain("pager");
  });

  it("is disarmed too when another command began meanwhile", () => {
    const first = guardWorkspace(root);
    putRepository("planted/.git", "[core]\n\tpager = evil\n");
    const second = guardWorkspace(root);
    expect([...second.finish(), ...first.finish()].join("")).toContain("core.pager");
    expect(readFileSync(join(root, "planted/.git/config"), "utf8")).toBe("");
  });

  it("leaves git working", ({ skip }) => {
    try {
      execFileSync("git", ["--version"]);
    } catch {
      skip(process.env["CI"] !== "true", "git is not installed");
    }
    const git = (...args: string[]): string =>
      execFileSync("git", [
        "-C",
        root,
        "-c",
        "safe.directory=*",
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@localhost",
        ...args,
      ]).toString();
    const said = guarded(() => {
      git("init", "-q", "-b", "main", ".");
      git("config", "core.pager", "evil");
      git("remote", "add", "origin", "https://example.org/a.git");
    });
    expect(said.length).toBe(1);
    git("commit", "-q", "--allow-empty", "-m", "made");
    expect(git("log", "--format=%s")).toBe("made\n");
    expect(git("config", "--local", "--list")).not.toContain("pager");
  });
});
