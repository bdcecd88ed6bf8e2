/**
 * What runs before git, in the sandbox: the repository must be the folder `.git` of the workspace and nothing else, and the
 * programs that its configuration names are taken out of it.
 */

/** Parts of a repository that, as links, would be somewhere else; see gitrepository-layout(5). */
const PARTS = [
  "config",
  "config.worktree",
  "info",
  "logs",
  "objects",
  "objects/info",
  "objects/pack",
  "refs",
];

/**
 * Settings that name a program under a name of their own choice, so that no fixed list can switch them off: gitattributes(5),
 * git-config(1). An empty value means none, and for `required` and `enabled` false.
 */
const PROGRAMS = [
  String.raw`filter\..*\.(clean|smudge|process|required)`,
  String.raw`diff\..*\.(command|textconv)`,
  String.raw`merge\..*\.driver`,
  String.raw`hook\..*\.(command|enabled|event)`,
].join("|");

/**
 * Runs its arguments as git in the working folder. `GIT_DIR` and its like are set, so that git looks for no other repository,
 * above or below, and heeds no `core.worktree`. The names come one a line: a name has no newline (git-config(1)).
 */
export const GIT_SCRIPT = String.raw`
refuse() { echo "fatal: $1" >&2; exit 128; }
if [ -L .git ]; then refuse "\`.git\` is a link; git works here only where \`.git\` is a folder of the workspace"
elif [ -f .git ]; then refuse "\`.git\` points to a repository elsewhere (a worktree or submodule); git works here only where \`.git\` is a folder of the workspace"
elif [ ! -d .git ]; then refuse "not a git repository"
fi
for part in ${PARTS.join(" ")}; do
  if [ -L ".git/$part" ]; then refuse "\`.git/$part\` is a link; git works here only with a repository that lies wholly in the workspace"; fi
done
for part in commondir objects/info/alternates; do
  if [ -e ".git/$part" ] || [ -L ".git/$part" ]; then
    refuse "\`.git/$part\` makes this repository share another one; git works here only with a repository that lies wholly in the workspace"
  fi
done
export GIT_DIR="$PWD/.git" GIT_WORK_TREE="$PWD" GIT_COMMON_DIR="$PWD/.git"
count=0
set -f
IFS='
'
for name in $(git config --name-only --get-regexp '^(${PROGRAMS})$'); do
  export "GIT_CONFIG_KEY_$count=$name" "GIT_CONFIG_VALUE_$count="
  count=$((count + 1))
done
unset IFS
export GIT_CONFIG_COUNT="$count"
exec git "$@"
`;
