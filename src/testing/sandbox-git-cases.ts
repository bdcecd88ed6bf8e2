/**
 * Repositories in the workspace. A repository's settings and hooks are programs that git runs for whoever uses it, so a command
 * must not be able to leave any that the user's own git would run. Judged by running that git.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

export const GIT_CASES: readonly SandboxCase[] = [
  { title: "lets git be used as everywhere, without the user's own settings", check: checkUsualGit },
  { title: "keeps settings and hooks of a repository from being planted", check: checkPlanting },
  { title: "runs the hooks of a repository only inside", check: checkHooks },
  { title: "keeps protecting a repository whose settings the user changed", check: checkChangedByUser },
  { title: "keeps hooks in a folder that the settings name from being planted", check: checkNamedHooks },
  { title: "defuses a repository that a command made, and says so", check: checkNewRepositories },
];

const IDENTITY = "-c user.name=T -c user.email=t@localhost";

/** Every setting that makes git run something, each leaving a file named after the attack outside. */
function toEvilSettings(canary: string): string {
  const run = `touch ${canary}; false`;
  return `[core]
\tfsmonitor = "${run}"
\tpager = "${run}"
\teditor = "${run}"
\tsshCommand = "${run}"
\thooksPath = evil-hooks
\taskPass = "${run}"
[diff]
\texternal = "${run}"
[gpg]
\tprogram = "${run}"
[commit]
\tgpgSign = false
[credential]
\thelper = "!${run}"
[filter "evil"]
\tclean = "${run}"
\tsmudge = "${run}"
[alias]
\tstatus2 = "!${run}"
`;
}

/** What a user or an editor would run without a thought, on this machine and outside of every sandbox. */
const USER_COMMANDS = [
  ["status"],
  ["diff"],
  ["log", "-p", "-1"],
  ["add", "-A", "--", "tracked"],
  ["commit", "-q", "--allow-empty", "-m", "by the user"],
  ["checkout", "-q", "-b", "branch-of-user"],
  ["branch", "-q", "-D", "branch-of-user"],
];

async function runUserGit({ outside, workspace }: SandboxBox, folder = "."): Promise<void> {
  writeFileSync(
    `${outside}/.gitconfig`,
    '[user]\n\tname = U\n\temail = u@localhost\n[safe]\n\tdirectory = *\n[protocol "file"]\n\tallow = always\n',
  );
  const env = {
    PATH: process.env["PATH"],
    HOME: outside,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
  };
  for (const args of USER_COMMANDS) {
    await new Promise((resolve) => {
      execFile("git", args, { cwd: `${workspace}/${folder}`, env, timeout: 10_000 }, resolve);
    });
  }
}

function ranOutside({ outside }: SandboxBox): string[] {
  return readdirSync(outside).filter((name) => name.startsWith("canary"));
}

async function makeRepository({ run }: SandboxBox): Promise<void> {
  const made = await run(
    `git init -q -b main . && echo text > tracked && git add tracked && git ${IDENTITY} commit -q -m first`,
  );
  assert.equal(made.exitCode, 0, made.stderr);
}

async function checkUsualGit(box: SandboxBox): Promise<void> {
  const { run } = box;
  const begun = await run(
    "git init -q -b main . && echo text > tracked && git add tracked && git commit -q -m first",
  );
  assert.equal(begun.exitCode, 0, begun.stderr);
  assert.deepEqual(begun.warnings ?? [], [], "an ordinary repository is nothing to warn of");
  const used = await run(
    `git checkout -q -b other && echo more >> tracked && git commit -q -a -m second && git stash list && git checkout -q main &&
     git merge -q other && git tag v1 && git worktree list >/dev/null && git gc -q && git log --format=%s && git status --short`,
  );
  assert.deepEqual([used.exitCode, used.stdout], [0, "second\nfirst\n"], used.stderr);
  const settings = await run("git config --list --show-origin --show-scope");
  assert.doesNotMatch(settings.stdout, /credential|\/home\/|\/root\//);
  // Also the user can go on with it.
  await runUserGit(box);
  assert.match((await run("git log --format=%s -1")).stdout, /by the user/);
}

async function checkPlanting(box: SandboxBox): Promise<void> {
  const { run, outside } = box;
  await makeRepository(box);
  const evil = (name: string, file: string): string =>
    `{ mkdir -p "$(dirname ${file})"; printf '%s' '${toEvilSettings(`${outside}/canary-${name}`)}' >> ${file}; } 2>/dev/null`;
  const hook = (name: string, file: string): string =>
    `{ mkdir -p "$(dirname ${file})"; printf '#!/bin/sh\\ntouch ${outside}/canary-${name}\\n' > ${file}; chmod 755 ${file}; } 2>/dev/null`;
  const attacks = {
    settings: evil("settings", ".git/config"),
    "by git": `git config core.fsmonitor 'touch ${outside}/canary-by-git'`,
    hook: `${hook("hook", ".git/hooks/pre-commit")}; ${hook("hook", ".git/hooks/post-checkout")}`,
    worktree: `git config extensions.worktreeConfig true; ${evil("worktree", ".git/config.worktree")}`,
    "common folder": `cp -r .git common; ${evil("common", "common/config")}; echo ../common > .git/commondir`,
    "second worktree": `git worktree add -q second; cp -r .git common2; ${evil("second", "common2/config")}; echo ../../../common2 > .git/worktrees/second/commondir`,
    "hooks by link": `mv .git/hooks .git/h; mkdir -p evil-hooks; ${hook("link", "evil-hooks/pre-commit")}; ln -sfn ../evil-hooks .git/hooks`,
    "settings by rename": `cp .git/config new-config; ${evil("rename", "new-config")}; mv -f new-config .git/config`,
    "settings by link": `cp .git/config link-config; ${evil("slink", "link-config")}; ln -sf ../link-config .git/config`,
    "folder by rename": `mv .git moved && cp -r moved .git; ${evil("moved", ".git/config")}`,
    "folder by file": `mv .git elsewhere && ${evil("file", "elsewhere/config")}; echo 'gitdir: elsewhere' > .git`,
    exchange: `cp -r .git swapped; ${evil("swapped", "swapped/config")}; python3 -c 'import ctypes; ctypes.CDLL(None).renameat2(-100, b"swapped", -100, b".git", 2)'`,
    "made anew": `rm -rf .git; git init -q .; ${evil("anew", ".git/config")}; ${hook("anew", ".git/hooks/pre-commit")}`,
  };
  const ran: string[] = [];
  for (const [name, attack] of Object.entries(attacks)) {
    await run(attack);
    await runUserGit(box);
    if (name === "second worktree" && existsSync(`${box.workspace}/second`)) await runUserGit(box, "second");
    if (ranOutside(box).length > ran.length) ran.push(name);
  }
  assert.deepEqual([ran, ranOutside(box)], [[], []]);
}

async function checkHooks(box: SandboxBox): Promise<void> {
  const { run, put, workspace, outside } = box;
  await makeRepository(box);
  await mkdir(`${workspace}/.git/hooks`, { recursive: true });
  for (const name of ["pre-commit", "post-commit", "post-checkout"]) {
    await put(`.git/hooks/${name}`, `#!/bin/sh\ntouch ${outside}/canary-${name}\n`, 0o755);
  }
  const said = await run(
    `echo more >> tracked; git ${IDENTITY} commit -q -a -m second; git checkout -q -b other; git log --format=%s -1`,
  );
  assert.match(said.stdout, /second|first/);
  assert.deepEqual(ranOutside(box), []);
}

/** Git itself replaces the file of settings by a new one, which a mount over the old one does not survive. */
async function checkChangedByUser(box: SandboxBox): Promise<void> {
  const { run, put, outside, workspace } = box;
  await makeRepository(box);
  await run("true");
  await put(
    ".git/config.lock",
    "[core]\n\trepositoryformatversion = 0\n\tbare = false\n[user]\n\tname = Later\n",
  );
  await new Promise((resolve) => {
    execFile("mv", [`${workspace}/.git/config.lock`, `${workspace}/.git/config`], resolve);
  });
  assert.equal((await run("git config user.name")).stdout, "Later\n");
  await run(`git config core.fsmonitor 'touch ${outside}/canary-config'; echo '[core]
    pager = touch ${outside}/canary-pager' >> .git/config`);
  await run(
    `printf '#!/bin/sh\\ntouch ${outside}/canary-hook' > .git/hooks/pre-commit; chmod 755 .git/hooks/pre-commit`,
  );
  await runUserGit(box);
  assert.deepEqual(ranOutside(box), []);
}

async function checkNamedHooks(box: SandboxBox): Promise<void> {
  const { run, put, outside, workspace } = box;
  await makeRepository(box);
  await mkdir(`${workspace}/.husky/_`, { recursive: true });
  await put(".husky/_/pre-commit", "#!/bin/sh\n", 0o755);
  await put(".git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\thooksPath = .husky/_\n");
  const plant = `printf '#!/bin/sh\\ntouch ${outside}/canary-named\\n' > .husky/_/pre-commit; chmod 755 .husky/_/pre-commit`;
  for (const attack of [
    plant,
    `mv .husky moved; mkdir -p .husky/_; ${plant}`,
    `rm -rf .husky; mkdir -p .husky/_; ${plant}`,
  ])
    await run(attack);
  await runUserGit(box);
  assert.deepEqual(ranOutside(box), []);
}

async function checkNewRepositories(box: SandboxBox): Promise<void> {
  const { run, outside, workspace } = box;
  const evil = (name: string, file: string): string =>
    `printf '%s' '${toEvilSettings(`${outside}/canary-${name}`)}' >> ${file}`;
  const plant = (name: string): string =>
    `printf '#!/bin/sh\\ntouch ${outside}/canary-${name}-hook\\n' > ${name}/.git/hooks/pre-commit; chmod 755 ${name}/.git/hooks/pre-commit`;
  const ways: Record<string, string> = {
    fresh: `git init -q fresh && cd fresh && echo x > tracked && git add . && git ${IDENTITY} commit -q -m x; cd ..; ${evil("fresh", "fresh/.git/config")}; ${plant("fresh")}`,
    "deep/below/it": `git init -q deep/below/it; ${evil("deep", "deep/below/it/.git/config")}`,
    byfile: `mkdir byfile; git init -q hidden; mv hidden/.git hidden/repository; ${evil("byfile", "hidden/repository/config")}; echo 'gitdir: ../hidden/repository' > byfile/.git`,
    node_modules: `git init -q node_modules; ${evil("node_modules", "node_modules/.git/config")}`,
    unsearched: `mkdir unsearched; git init -q node_modules/x; ${evil("unsearched", "node_modules/x/.git/config")}; echo 'gitdir: ../node_modules/x/.git' > unsearched/.git`,
    bylink: `mkdir bylink; git init -q linked; mv linked/.git linked/repository; ${evil("bylink", "linked/repository/config")}; ln -s ../linked/repository bylink/.git`,
    bare: `git init -q --bare bare; ${evil("bare", "bare/config")}; printf '[core]\\n\\tbare = false\\n\\tworktree = /\\n' >> bare/config`,
    ".": `git init -q . && ${evil("root", ".git/config")}; mkdir -p evil-hooks`,
  };
  const unseen: string[] = [];
  for (const [folder, way] of Object.entries(ways)) {
    const { warnings = [] } = await run(way);
    assert.ok(existsSync(`${workspace}/${folder}`), folder);
    if (folder === "fresh") chmodSync(`${workspace}/fresh`, 0o755);
    await runUserGit(box, folder);
    if (warnings.length === 0 || ranOutside(box).some((name) => name.startsWith(`canary-${folder}`)))
      unseen.push(folder);
  }
  assert.deepEqual([unseen, ranOutside(box)], [[], []]);
}
