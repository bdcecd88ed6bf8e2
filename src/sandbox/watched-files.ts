/**
 * Files at the root of a workspace that the agent, editors, package managers and other programs obey. What a command writes to them
 * is told, since whoever uses those programs next should look first.
 */
import { lstatSync, statSync, type Stats } from "node:fs";
import { OBEYED_FILES } from "./pins.ts";
import { listNames } from "../processes/proc-files.ts";

/** `AGENTS.md` is ordinary documentation too, which commands such as `git checkout` replace: it is watched and not pinned. */
const TOLD_ONE_BY_ONE: readonly string[] = [...OBEYED_FILES, "AGENTS.md"];

/**
 * Files and folders that are ordinary parts of a project, so that commands may write them, but that programs run or obey by
 * themselves: those that the file tools do not write in `auto` mode either. Of folders that also hold caches only what is obeyed.
 */
const TOLD_TOGETHER: readonly string[] = [
  ".gitmodules .husky .githooks .pre-commit-config.yaml .pre-commit-config.yml lefthook.yml .lefthook.yml .hg/hgrc",
  ".zed .fleet .helix .vim .dir-locals.el .vscode/mcp.json .vscode/extensions.json",
  ".nvim.lua .nvimrc .exrc .vimrc .lvimrc .ycm_extra_conf.py .devcontainer .devcontainer.json",
  ".autoenv .autoenv.zsh .tool-versions mise.toml .mise.toml mise.local.toml .mise.local.toml .mise .config/mise",
  ".npmrc .yarnrc .yarnrc.yml .yarn/releases .yarn/plugins .pnpmfile.cjs bunfig.toml",
  ".cargo/config .cargo/config.toml rust-toolchain rust-toolchain.toml .mvn gradle/wrapper .bazelrc .bundle/config",
  ".gdbinit .lldbinit .pdbrc .irbrc .pryrc .Rprofile .octaverc .ghci",
  ".mcp.json .claude .cursor .codex .gemini .windsurf .roo .kiro .amazonq .continue .opencode opencode.json",
  ".aider.conf.yml CLAUDE.md GEMINI.md .cursorrules .windsurfrules .clinerules",
  ".github/workflows .github/actions .github/instructions .github/copilot-instructions.md .gitlab-ci.yml .circleci",
].flatMap((names) => names.split(" "));

/** In one watched folder; with more, or deeper, only that there are others is noticed. */
const MAX_ENTRIES = 64;
const MAX_DEPTH = 3;

const MAX_NAMED = 8;

/** Returns the second look, which says in words for the user what changed since the first. */
export function lookAtFiles(root: string): () => string[] {
  const read = (paths: readonly string[]): string[] => paths.map((path) => stateOf(`${root}/${path}`));
  const before = { single: read(TOLD_ONE_BY_ONE), together: read(TOLD_TOGETHER) };
  return () => {
    const single = TOLD_ONE_BY_ONE.flatMap((path, index) => {
      const state = stateOf(`${root}/${path}`);
      return state === before.single[index] || state === ""
        ? []
        : [tellOfFile(path, before.single[index] === "")];
    });
    const together = TOLD_TOGETHER.filter((path, index) => {
      const state = stateOf(`${root}/${path}`);
      return state !== before.together[index] && state !== "";
    });
    return [...single, ...tellTogether(together)];
  };
}

/** Different when a file, what it is a link to, or what is in a folder was written or replaced; empty when it is not there. */
function stateOf(path: string): string {
  const stats = look(path);
  if (stats?.isDirectory()) return toFolderState(path, { left: MAX_ENTRIES }, 0);
  return stats?.isSymbolicLink() ? `${toState(stats)} ${toState(look(path, statSync))}` : toState(stats);
}

/** Without the times of the folders: files that come and go leave nothing to be obeyed. */
function toFolderState(path: string, budget: { left: number }, depth: number): string {
  const names = listNames(path).toSorted();
  const parts = [`folder ${names.length}`];
  for (const name of names) {
    if (budget.left === 0) break;
    budget.left -= 1;
    const stats = look(`${path}/${name}`);
    const isFolder = stats?.isDirectory() && depth < MAX_DEPTH;
    const state = isFolder ? toFolderState(`${path}/${name}`, budget, depth + 1) : toState(stats);
    parts.push(`${JSON.stringify(name)} ${state}`);
  }
  return `(${parts.join(" ")})`;
}

function look(path: string, see: typeof lstatSync = lstatSync): Stats | undefined {
  try {
    return see(path, { throwIfNoEntry: false });
  } catch {
    // Such as a file where a folder would have to be.
    return undefined;
  }
}

function toState(stats: Stats | undefined): string {
  return stats === undefined ? "" : `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
}

function tellOfFile(path: string, isNew: boolean): string {
  const what = `The command ${isNew ? "made" : "changed"} \`${path}\``;
  return path.endsWith(".md")
    ? `${what}, with which every conversation here starts. Look at it before you start one.`
    : `${what}, which editors and shells obey. Look at it before you open the folder.`;
}

/** One line: each for itself they would push out what matters more. */
function tellTogether(paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const shown = paths.slice(0, MAX_NAMED).map((path) => `\`${path}\``);
  const left = paths.length - shown.length;
  const names = shown.join(", ") + (left > 0 ? ` and ${left} more` : "");
  return [
    `The command made or changed ${names}, which editors, package managers, git hooks, servers or other agents obey by themselves. Look before you use those here.`,
  ];
}
