import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { parseGitConfig, toGitConfig } from "../../src/sandbox/git-config.ts";
import { closePins, holdPins } from "../../src/sandbox/held-pins.ts";
import { readPins } from "../../src/sandbox/pins.ts";
import { base, describePins, put, putRepository, root } from "./_git-workspace.ts";

describe("pins", () => {
  it("hold the agent's own folder and nothing else in an empty workspace", () => {
    expect(describePins()).toEqual(["read folder .lmagent"]);
    expect(readFileSync(join(root, ".lmagent/.gitignore"), "utf8")).toBe("*\n");
  });

  it("hold what git would run, and make what is missing of it", () => {
    mkdirSync(join(root, ".git"));
    expect(describePins().slice(1)).toEqual([
      "write folder .git",
      "read file .git/config",
      "read folder .git/hooks",
    ]);
    expect([readFileSync(join(root, ".git/config"), "utf8"), existsSync(join(root, ".git/hooks"))]).toEqual([
      "",
      true,
    ]);
  });

  it("hold a file that leads to a repository elsewhere", () => {
    put(".git", "gitdir: ../elsewhere\n");
    expect(describePins()).toContain("read file .git");
  });

  it("hold files that editors obey, with the folders above them", () => {
    for (const path of [".envrc", ".vscode/tasks.json", ".vscode/other.json", ".idea/x.xml"]) put(path);
    for (const path of [".lmagent.md", ".soul.md", "AGENTS.md"]) put(path);
    expect(describePins().slice(1)).toEqual([
      "read file .envrc",
      "read folder .idea",
      "read file .lmagent.md",
      "read file .soul.md",
      "write folder .vscode",
      "read file .vscode/tasks.json",
    ]);
  });

  it("hold settings that the configuration draws in, and those of one work tree", () => {
    putRepository(
      ".git",
      "[include]\n\tpath = ../common/settings\n[include]\n\tpath = ../../outside\n[extensions]\n\tworktreeConfig\n",
    );
    put("common/settings");
    const pins = describePins();
    expect(pins).toEqual(
      expect.arrayContaining([
        "write folder common",
        "read file common/settings",
        "read file .git/config.worktree",
      ]),
    );
    expect(pins.filter((pin) => pin.includes("outside"))).toEqual([]);
  });

  it("hold folders of hooks that the configuration names, also in a file that it draws in", () => {
    putRepository(".git", "[core]\n\thooksPath = .husky/_\n[include]\n\tpath = ../common/settings\n");
    put("common/settings", "[include]\n\tpath = more\n");
    put("common/more", "[core]\n\thookspath = .githooks\n");
    put(".husky/_/pre-commit");
    put(".githooks/config");
    putRepository(
      "sub/.git",
      `[core]\n\thooksPath = ${root}/sub/hooks\n[include]\n\tpath = ../../.githooks/config\n`,
    );
    put("sub/hooks/pre-commit");
    expect(describePins(["sub/.git"])).toEqual(
      expect.arrayContaining([
        "write folder .husky",
        "read folder .husky/_",
        "read file common/settings",
        "read file common/more",
        "read folder .githooks",
        "read folder sub/hooks",
      ]),
    );
  });

  it("hold what links in the place of configuration and hooks lead to", () => {
    putRepository(".git");
    put("common/config", "[core]\n\thooksPath = .githooks\n");
    put("common/hooks/pre-commit");
    put(".githooks/pre-commit");
    rmSync(join(root, ".git/config"));
    symlinkSync("../common/config", join(root, ".git/config"));
    symlinkSync("../common/hooks", join(root, ".git/hooks"));
    expect(describePins()).toEqual(
      expect.arrayContaining([
        "read file common/config",
        "read folder common/hooks",
        "read folder .githooks",
      ]),
    );
  });

  it("hold the folder of a repository's hooks also when something in it was held before", () => {
    putRepository(".git", "[include]\n\tpath = ../both/settings\n[core]\n\thooksPath = both\n");
    put("both/settings");
    expect(describePins()).toEqual(expect.arrayContaining(["read folder both", "read file both/settings"]));
  });

  it("hold repositories of submodules, also with a path for a name, and further ones", () => {
    putRepository(".git");
    putRepository(".git/modules/plain");
    putRepository(".git/modules/with/path");
    putRepository("other/.git");
    const pins = describePins(["other/.git"]);
    for (const path of [".git/modules/plain", ".git/modules/with/path", "other/.git"])
      expect(pins).toEqual(
        expect.arrayContaining([
          `write folder ${path}`,
          `read file ${path}/config`,
          `read folder ${path}/hooks`,
        ]),
      );
  });

  it("name parents before what is in them", () => {
    putRepository(".git/modules/with/path");
    put(".vscode/tasks.json");
    const paths = readPins(root).map(({ path }) => path);
    for (const [index, path] of paths.entries()) {
      const parent = dirname(path);
      expect(parent === "." || paths.slice(0, index).includes(parent)).toBe(true);
    }
  });

  it("follow no link, and leave links out", () => {
    put("../outside/config", "[core]\n");
    mkdirSync(join(base, "outside/objects"));
    symlinkSync("../outside", join(root, ".git"));
    symlinkSync("../outside", join(root, ".vscode"));
    symlinkSync("/etc/passwd", join(root, ".envrc"));
    expect(describePins()).toEqual(["read folder .lmagent"]);
    expect(existsSync(join(base, "outside/hooks"))).toBe(false);
  });

  it("are refused when the agent's own folder is a link or a file", () => {
    for (const plant of [() => symlinkSync("/etc", join(root, ".lmagent")), () => put(".lmagent")]) {
      plant();
      expect(() => readPins(root)).toThrow(
        expect.toSatisfy((thrown: unknown) => AgentError.is(thrown, "workspace_invalid")),
      );
      rmSync(join(root, ".lmagent"));
    }
  });

  it.runIf(process.platform === "linux")("are held as they were found, whatever takes their place", () => {
    putRepository(".git");
    mkdirSync(join(root, ".git/hooks"));
    const pins = holdPins(root, []);
    try {
      renameSync(join(root, ".git"), join(root, "moved"));
      symlinkSync("/etc", join(root, ".git"));
      const hooks = pins.find(({ path }) => path === ".git/hooks");
      expect(readlinkSync(`/proc/self/fd/${hooks?.descriptor}`)).toBe(join(root, "moved/hooks"));
      expect(hooks?.ino).toBe(statSync(join(root, "moved/hooks")).ino);
      expect(pins[0]?.path).toBe(".");
    } finally {
      closePins(pins);
    }
  });
});

describe("git's configuration", () => {
  it("is read as git reads it", () => {
    const text = `\uFEFF[core] bare ; comment
      editor = "a \\"b\\" # c" # comment
[Remote "o\\"rigin"]
      URL = one\\
 two
[a.B]
      c=
`;
    expect(parseGitConfig(text)).toEqual([
      { section: "core", subsection: "", key: "bare", value: undefined },
      { section: "core", subsection: "", key: "editor", value: 'a "b" # c' },
      { section: "remote", subsection: 'o"rigin', key: "url", value: "one two" },
      { section: "a", subsection: "b", key: "c", value: "" },
    ]);
  });

  it("is refused when it is not in git's format", () => {
    for (const text of ["key = value\n", "[core\nx = y\n", "[core]\n= y\n", "[core]\n\u0000\n"])
      expect(parseGitConfig(text)).toBeUndefined();
  });

  it("comes back the same after it was written", () => {
    const settings = [
      { section: "remote", subsection: 'a "b" \\ c', key: "url", value: 'x # y; "z"\n\tw' },
      { section: "core", subsection: "", key: "bare", value: undefined },
    ];
    expect(parseGitConfig(toGitConfig(settings))).toEqual(settings);
  });
});
