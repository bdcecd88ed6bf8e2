/** Commands of git that throw work away or hand it to others, as git(1) and the pages of its commands describe them. */
import { programName } from "./shell-runners.ts";
import { mayTakeValue } from "./shell-search.ts";

/** Told the words after a command of git one by one; true for the one that makes it risky. */
type Watch = (word: string) => boolean;

const withOption = (option: RegExp) => (): Watch => (word) => option.test(word);

/**
 * What makes a command of git risky; `true` when it always is. Long options can be shortened and short ones stand in a bundle, so
 * these look at the start only.
 */
const GIT_RISKS: Readonly<Record<string, true | (() => Watch)>> = {
  push: true,
  clean: true,
  restore: true,
  prune: true,
  "checkout-index": true,
  "filter-branch": true,
  "filter-repo": true,
  "read-tree": true,
  "update-ref": true,
  branch: withOption(/^(?:-[a-zA-Z]*[DMCf]|--forc)/),
  checkout: watchCheckout,
  gc: withOption(/^--prune/),
  mv: withOption(/^(?:-[a-zA-Z]*f|--f)/),
  reflog: withOption(/^(?:expire|delete)$/),
  reset: withOption(/^--(?:h|me)/),
  rm: withOption(/^(?:-[a-zA-Z]*f|--f)/),
  stash: withOption(/^(?:drop|clear)$/),
  submodule: withOption(/^(?:foreach$|-[a-zA-Z]*f|--f)/),
  switch: withOption(/^(?:-[a-zA-Z]*[fC]|--(?:f|di))/),
  tag: withOption(/^(?:-[a-zA-Z]*[df]|--(?:d|forc))/),
  worktree: withOption(/^(?:-[a-zA-Z]*[fB]|--f)/),
};

/** A name after it may be a file as well as a branch, unless it makes a branch or detaches, which takes no files. */
function watchCheckout(): Watch {
  let takesNoFiles = false;
  return (word) => {
    if (/^(?:-[a-zA-Z]*[fp]|--(?:$|f|pa))/.test(word)) return true;
    takesNoFiles ||= /^(?:-[a-zA-Z]*[bd]|--(?:or|de))/.test(word);
    return !word.startsWith("-") && !takesNoFiles;
  };
}

/** By these git reads settings that can give its commands other meanings. */
const MEANINGS = /^(?:--config-env=)?(?:alias\.|include\.|includeif\.)/i;

/** Follows words, in which any one may start git; gives why the last one told makes it risky. Looks at each a few times at most. */
export function watchGit(): (word: string) => string | undefined {
  const watches = new Map<string, Watch>();
  let awaited: "command" | "commandOrValue" | undefined;
  let seen = false;
  const begin = (command: string): string | undefined => {
    const risk = Object.hasOwn(GIT_RISKS, command) ? GIT_RISKS[command] : undefined;
    if (risk === true) return describe(command);
    if (risk !== undefined) watches.set(command, risk());
    return undefined;
  };
  const follow = (word: string): string | undefined => {
    if (word.startsWith("GIT_CONFIG") || (seen && MEANINGS.test(word)))
      return "it changes what commands of git mean";
    for (const [command, watch] of watches) if (watch(word)) return describe(command, word);
    if (awaited === undefined) return undefined;
    if (word.startsWith("-")) {
      awaited = mayTakeValue(word) ? "commandOrValue" : "command";
      return undefined;
    }
    awaited = awaited === "commandOrValue" ? "command" : undefined;
    return begin(word);
  };
  return (word) => {
    const risk = follow(word);
    const name = programName(word);
    if (name === "git") awaited = "command";
    seen ||= name.startsWith("git");
    return risk ?? (name.startsWith("git-") ? begin(name.slice(4)) : undefined);
  };
}

function describe(command: string, word?: string): string {
  if (command === "push") return "`git push` hands work to others";
  if (command === "checkout" && word?.startsWith("-") === false)
    return `\`git checkout ${word.slice(0, 40)}\` throws work away if that is a file; \`git switch\` takes branches only`;
  return `\`git ${command}${word === undefined ? "" : ` ${word.slice(0, 40)}`}\` throws work away`;
}

const TAKES_VALUE =
  /^(?:-C|-c|--git-dir|--work-tree|--namespace|--exec-path|--config-env|--super-prefix|--attr-source|--shallow-file|--list-cmds)$/;

/** `git -C folder -c name=value --no-pager status` is `git status`. */
export function withoutGitOptions(args: readonly string[]): readonly string[] {
  let start = 0;
  while (args[start]?.startsWith("-")) start += TAKES_VALUE.test(args[start]!) ? 2 : 1;
  return args.slice(start);
}
