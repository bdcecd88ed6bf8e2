/**
 * Makes a repository that a command has made harmless for a git outside the sandbox: of its configuration only settings that start no
 * program stay, and no hook can run.
 */
import { chmodSync, chownSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { errorMessage } from "../core/errors.ts";
import { openFolder, type FolderHandle } from "./folder-handle.ts";
import { toGitConfig, type GitSetting } from "./git-config.ts";
import { readGitConfig } from "./git-files.ts";

/** By what is set, in lower case; `*` stands for any subsection. Everything else can start a program or change what git reads. */
const HARMLESS: ReadonlySet<string> = new Set(
  [
    "core.repositoryformatversion core.filemode core.bare core.logallrefupdates core.ignorecase core.symlinks",
    "core.precomposeunicode core.autocrlf core.eol core.safecrlf core.abbrev core.quotepath core.sharedrepository",
    "core.commentchar core.protectntfs core.protecthfs core.longpaths",
    "extensions.objectformat extensions.refstorage extensions.compatobjectformat",
    "user.name user.email init.defaultbranch pull.rebase pull.ff push.default push.autosetupremote merge.ff",
    "merge.conflictstyle fetch.prune rebase.autosquash rebase.autostash rerere.enabled commit.verbose commit.gpgsign",
    "tag.gpgsign tag.sort branch.sort gc.auto gc.autodetach diff.renames diff.algorithm diff.mnemonicprefix",
    "status.short status.branch log.date log.decorate color.ui column.ui advice.detachedhead",
    "receive.denynonfastforwards receive.denycurrentbranch",
    "remote.*.url remote.*.fetch remote.*.tagopt remote.*.prune branch.*.remote branch.*.merge branch.*.rebase",
  ].flatMap((names) => names.split(" ")),
);

const MAX_NAMED = 5;

/** Says what was taken out; empty when there was nothing to take. `did`: what the command did to the repository. */
export function disarmRepository(
  git: FolderHandle,
  where: string,
  did: "made" | "changed" = "made",
): string[] {
  const said: string[] = [];
  const attempt = (what: string, body: () => string[]): void => {
    try {
      said.push(...body());
    } catch (thrown) {
      said.push(
        `The command ${did} the repository \`${where}\`, whose ${what} could not be made harmless (${errorMessage(thrown)}). Do not use git there before you have looked.`,
      );
    }
  };
  attempt("configuration", () => cleanConfig(git, { where, did }));
  attempt("hooks", () => disarmHooks(git, where));
  attempt("common folder", () =>
    git.stat("commondir") === undefined ? [] : [takeAway(git, { where, name: "commondir" })],
  );
  return said;
}

/** Renames a file that git would obey to one that it does not know. */
export function takeAway(git: FolderHandle, { where, name }: { where: string; name: string }): string {
  const aside = `${name}.removed`;
  rmSync(git.at(aside), { recursive: true, force: true });
  renameSync(git.at(name), git.at(aside));
  return `The command made \`${where}/${name}\`, which sends git elsewhere. It was renamed to \`${where}/${aside}\`.`;
}

function cleanConfig(git: FolderHandle, { where, did }: { where: string; did: string }): string[] {
  const found = git.stat("config");
  if (found === undefined) return [];
  const settings = readGitConfig(git);
  const kept = settings?.filter(isHarmless) ?? [];
  const removed = settings?.filter((setting) => !isHarmless(setting)) ?? [];
  const text = toGitConfig(kept);
  // Also what is harmless is written anew: git might read the text differently from us.
  const fresh = `config.${randomUUID()}`;
  writeFileSync(git.at(fresh), text, { flag: "wx", mode: 0o644 });
  if (process.getuid?.() === 0) chownSync(git.at(fresh), git.stats.uid, git.stats.gid);
  if (settings === undefined || removed.length > 0) {
    rmSync(git.at("config.removed"), { recursive: true, force: true });
    renameSync(git.at("config"), git.at("config.removed"));
  }
  renameSync(git.at(fresh), git.at("config"));
  if (settings === undefined)
    return [
      `The command ${did} the repository \`${where}\`, whose configuration cannot be read. It was renamed to \`${where}/config.removed\`.`,
    ];
  if (removed.length === 0) return [];
  return [
    `The command ${did} the repository \`${where}\`, whose configuration can start programs. Taken out: ${listNames(removed.map(toName))}. The original is \`${where}/config.removed\`.`,
  ];
}

function isHarmless({ section, subsection, key, value = "" }: GitSetting): boolean {
  const name = subsection === "" ? `${section}.${key}` : `${section}.*.${key}`;
  if (!HARMLESS.has(name)) return false;
  if (name === "remote.*.url") return isHarmlessUrl(value);
  // A branch may name a URL in the place of a remote.
  if (name === "branch.*.remote") return /^(?!-)[\w./-]+$/.test(value) && !value.includes("..");
  return true;
}

/** Other machines by known protocols; `ext::` and its like start programs, and a leading `-` would be an option. */
function isHarmlessUrl(url: string): boolean {
  if (/^(https?|ssh|git):\/\/[^-/\s][^\s]*$/i.test(url)) return true;
  return /^(?:\w[\w.-]*@)?\w[\w.-]*:(?!:|\/\/)[\w~/][^\s:]*$/.test(url);
}

function toName({ section, subsection, key }: GitSetting): string {
  return subsection === "" ? `${section}.${key}` : `${section}.${subsection}.${key}`;
}

function listNames(names: readonly string[]): string {
  const shown = [...new Set(names)].slice(0, MAX_NAMED).map((name) => `\`${name.slice(0, 80)}\``);
  const left = new Set(names).size - shown.length;
  return shown.join(", ") + (left > 0 ? ` and ${left} more` : "");
}

const EXECUTE = 0o111;

function disarmHooks(git: FolderHandle, where: string): string[] {
  const found = git.stat("hooks");
  if (found === undefined) return [];
  using hooks = openFolder(git.at("hooks"));
  if (hooks === undefined) return [takeAway(git, { where, name: "hooks" })];
  const disarmed: string[] = [];
  for (const name of hooks.names()) {
    const stats = hooks.stat(name);
    if (stats === undefined || name.endsWith(".sample")) continue;
    if (stats.isSymbolicLink()) rmSync(hooks.at(name));
    else if (stats.isFile() && (stats.mode & EXECUTE) !== 0)
      chmodSync(hooks.at(name), stats.mode & ~EXECUTE & 0o777);
    else continue;
    disarmed.push(name);
  }
  if (disarmed.length === 0) return [];
  return [
    `The command made hooks in \`${where}\`, which git would run: ${listNames(disarmed)}. They were made not executable.`,
  ];
}
