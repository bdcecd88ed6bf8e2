import { STATE_FOLDER } from "../core/workspace.ts";
import { pathRefused } from "./failures.ts";
import { foldName } from "./paths.ts";

/** Folders that hold nothing of the project itself: no search looks into them. */
export const UNSEARCHED_FOLDERS: readonly string[] = [".git", "node_modules", STATE_FOLDER];

/** `paths` are names in a row at any depth, in lower case. `*x`: every name that ends so; `=x`: only as the last name. */
interface Protection {
  paths: readonly string[];
  why: string;
}

/**
 * Files that other programs run or obey by themselves: when the folder is opened or entered, or on commands that everybody gives
 * without reading them first. What only runs when it is asked for by name, such as a Makefile or the scripts of `package.json`,
 * is the project itself and not listed.
 */
const RUN_BY_OTHERS: readonly Protection[] = [
  // `git~1` is the short name that Windows gives `.git`; `name.git` is how bare repositories are called.
  { paths: ["*.git", "git~1"], why: "is part of git's own data, which can make git run programs" },
  // gitrepository-layout(5): a folder with `HEAD`, `objects` and `refs` is a repository, whose `config` git obeys.
  { paths: ["=head"], why: "makes its folder a git repository of its own, which can make git run programs" },
  { paths: [".gitmodules"], why: "tells git what to fetch and where to put it" },
  {
    paths: [
      ".husky",
      ".githooks",
      ".pre-commit-config.yaml",
      ".pre-commit-config.yml",
      "lefthook.yml",
      ".lefthook.yml",
    ],
    why: "is run by git on commit",
  },
  { paths: [".hg"], why: "is part of Mercurial's own data, which can make it run programs" },
  {
    paths: [".vscode", "*.code-workspace", ".idea", ".zed", ".fleet", ".helix", ".vim", ".dir-locals.el"],
    why: "can make the editor run programs",
  },
  {
    paths: [".nvim.lua", ".nvimrc", ".exrc", ".vimrc", ".lvimrc", ".ycm_extra_conf.py"],
    why: "is run by the editor",
  },
  {
    paths: [".devcontainer", ".devcontainer.json"],
    why: "can make the editor start containers and run programs",
  },
  {
    paths: [".envrc", ".autoenv", ".autoenv.zsh"],
    why: "is run by the shell when the folder is entered",
  },
  {
    paths: [
      ".tool-versions",
      "mise.toml",
      ".mise.toml",
      "mise.local.toml",
      ".mise.local.toml",
      ".mise",
      ".config/mise",
    ],
    why: "chooses the programs that the shell finds when the folder is entered",
  },
  {
    paths: [".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn", ".pnpmfile.cjs", "bunfig.toml"],
    why: "can make the package manager run programs",
  },
  {
    paths: [
      ".cargo",
      "rust-toolchain",
      "rust-toolchain.toml",
      ".mvn",
      "gradle/wrapper",
      ".bazelrc",
      ".bundle",
    ],
    why: "can make the build tool run or fetch other programs",
  },
  {
    paths: [".gdbinit", ".lldbinit", ".pdbrc", ".irbrc", ".pryrc", ".rprofile", ".octaverc", ".ghci"],
    why: "is run by a debugger or interpreter that is started here",
  },
  {
    paths: [
      ".mcp.json",
      ".claude",
      ".cursor",
      ".codex",
      ".gemini",
      ".windsurf",
      ".roo",
      ".kiro",
      ".amazonq",
      ".continue",
      ".opencode",
      "opencode.json",
      ".aider.conf.yml",
    ],
    why: "can make another agent run programs",
  },
];

/** Files that matter to other people and programs, but run nothing here: a person looks where the mode asks at all. */
const ASKED_ONLY: readonly Protection[] = [
  {
    paths: [".github/workflows", ".github/actions", ".gitlab-ci.yml", ".circleci"],
    why: "is run by the project's servers once it is pushed",
  },
  {
    paths: [
      "claude.md",
      "gemini.md",
      ".cursorrules",
      ".windsurfrules",
      ".clinerules",
      ".github/copilot-instructions.md",
      ".github/instructions",
    ],
    why: "is read by other agents at the start of every conversation",
  },
];

/** Files that every later conversation starts with. Only the agent reads the first two; the last one is also the project's own document. */
const AGENT_MEMORY: ReadonlySet<string> = new Set([".lmagent.md", ".soul.md"]);
const PROJECT_MEMORY = "agents.md";

/** Throws `path_refused` when a relative path lies in a state folder, in any spelling. */
export function refuseStateFolder(relative: string): void {
  if (relative.split("/").some((name) => isStateFolder(foldName(name)))) {
    throw pathRefused(relative, `\`${STATE_FOLDER}\` holds the agent's own state and cannot be changed`);
  }
}

/** By its name, or the short one that Windows gives it. */
function isStateFolder(folded: string): boolean {
  return folded === STATE_FOLDER || /^lmagen~\d+$/.test(folded);
}

export interface Concerns {
  concerns: string[];
  refuseInAuto?: boolean;
}

/** Why a person should look before this path is written. */
export function pathConcerns(relative: string): Concerns {
  const folded = `/${relative.split("/").map(foldName).join("/")}/`;
  const said = (why: string) => ({ concerns: [`\`${relative}\` ${why}`] });
  const isIn = ({ paths }: Protection) => paths.some((path) => isCovered(folded, path));
  const run = RUN_BY_OTHERS.find(isIn);
  if (run) return { ...said(run.why), refuseInAuto: true };
  const last = folded.split("/").at(-2) ?? "";
  const memory = said("is read at the start of every conversation");
  if (AGENT_MEMORY.has(last)) return { ...memory, refuseInAuto: true };
  if (last === PROJECT_MEMORY) return memory;
  const asked = ASKED_ONLY.find(isIn);
  return asked ? said(asked.why) : { concerns: [] };
}

function isCovered(folded: string, path: string): boolean {
  if (path.startsWith("*")) return folded.includes(`${path.slice(1)}/`);
  return path.startsWith("=") ? folded.endsWith(`/${path.slice(1)}/`) : folded.includes(`/${path}/`);
}
