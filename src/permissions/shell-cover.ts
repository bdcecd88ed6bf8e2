/**
 * Which commands a prefix of words covers. A convenience for the user and no boundary, which is the sandbox: a program that a rule
 * allows may do whatever it can inside. What is kept out here is a short rule that would quietly allow running anything at all.
 */
import { isHarmlessPart, mayBecomeOption, READERS, withoutOptions } from "../core/harmless-command.ts";
import { findRiskOfCommand } from "../core/risky-command.ts";
import { withoutGitOptions } from "../core/risky-git.ts";
import type { ShellLine, ShellPart } from "../core/shell-line.ts";
import { FIND_ACTIONS, isShell, programName } from "../core/shell-runners.ts";

/** Every part of an understood line is covered by one of the prefixes or known to be harmless, and at least one by a prefix. */
export function coversLine(prefixes: readonly (readonly string[])[], line: ShellLine): boolean {
  if (!line.understood || line.parts.length === 0) return false;
  const covered = line.parts.map((part) => prefixes.some((prefix) => coversPart(prefix, part)));
  return covered.includes(true) && line.parts.every((part, index) => covered[index] || isHarmlessPart(part));
}

/** The words of the prefix, as whole words, and nothing after them that would make the program do something else altogether. */
export function coversPart(prefix: readonly string[], { argv, assignments }: ShellPart): boolean {
  if (assignments.length > 0 || argv.length < prefix.length) return false;
  if (!prefix.every((word, index) => argv[index]!.text === word && !argv[index]!.glob)) return false;
  const rest = argv.slice(prefix.length);
  if (rest.some(mayBecomeOption)) return false;
  const words = argv.map(({ text }) => text);
  if (findRiskOfCommand(words, false) !== undefined && findRiskOfCommand(prefix, false) === undefined)
    return false;
  return isEnough(
    prefix,
    rest.map(({ text }) => text),
  );
}

const INTERPRETER =
  /^(?:python|pypy|perl|ruby|lua|node|nodejs|deno|bun|tsx|ts-node|php|tclsh|wish|julia|rscript|r|guile|racket|scala|groovy|jshell|osascript|pwsh|powershell|awk|gawk|mawk|nawk|java|irb|ghci|runghc|elixir|erl|swipl|octave)[0-9.]*$/;
/** Their arguments, wherever they stand, can hold commands. */
const ONLY_EXACTLY: ReadonlySet<string> = new Set(
  "vi vim nvim ex ed emacs less more man sqlite3 psql mysql m4 gnuplot docker podman kubectl make-kpkg ssh-keygen openssl config".split(
    " ",
  ),
);
/** What they do is in their second word. */
const NEEDS_COMMAND: ReadonlySet<string> = new Set(
  "git npm pnpm yarn npx bunx pip pip3 uv uvx pipx cargo go composer bundle gem dotnet mvn gradle rake just task poetry hatch".split(
    " ",
  ),
);

export function isInterpreter(program: string): boolean {
  return isShell(program) || INTERPRETER.test(programName(program));
}

export function needsCommand(program: string): boolean {
  return NEEDS_COMMAND.has(programName(program));
}

function isEnough([program = "", ...fixed]: readonly string[], rest: readonly string[]): boolean {
  const name = programName(program);
  const hasWord = fixed.some((word) => !word.startsWith("-"));
  // Without a file it runs what it is fed, and options before the file say what it runs.
  if (isInterpreter(program)) return hasWord || (rest.length === 0 && fixed.length > 0);
  if (ONLY_EXACTLY.has(name)) return rest.length === 0;
  if (name === "git") return isEnoughForGit(fixed, rest);
  if (NEEDS_COMMAND.has(name) && !hasWord) return false;
  if (name === "sed")
    return hasWord ? rest.every((word) => !word.startsWith("-")) : isPlainSed([...fixed, ...rest]);
  if (name === "tar" && fixed.length === 0 && /^[a-zA-Z]*[IF]/.test(rest[0] ?? "")) return false;
  if (Object.hasOwn(ESCAPES, name) && !ESCAPES[name]!(rest)) return false;
  return !(Object.hasOwn(ESCAPE_WORDS, name) && rest.some((word) => ESCAPE_WORDS[name]!.test(word)));
}

/** Options by which a program starts others, or writes where it should only read. */
const ESCAPES: Readonly<Record<string, (args: readonly string[]) => boolean>> = {
  ...READERS,
  tar: withoutOptions({
    long: [
      "checkpoint-action",
      "to-command",
      "use-compress-program",
      "rsh-command",
      "rmt-command",
      "info-script",
      "new-volume-script",
    ],
    short: "IF",
  }),
  zip: withoutOptions({ long: ["unzip-command"], short: "T" }),
  split: withoutOptions({ long: ["filter"], short: "" }),
  rsync: withoutOptions({ long: ["rsh", "rsync-path"], short: "e" }),
  scp: withoutOptions({ long: [], short: "SoF" }),
  wget: withoutOptions({ long: ["execute", "use-askpass", "config"], short: "e" }),
  curl: withoutOptions({ long: ["config"], short: "K" }),
  npm: withoutOptions({
    long: ["script-shell", "node-options", "userconfig", "globalconfig", "call"],
    short: "c",
  }),
  cargo: withoutOptions({ long: ["config", "manifest-path"], short: "ZC" }),
};

const ESCAPE_WORDS: Readonly<Record<string, RegExp>> = {
  find: FIND_ACTIONS,
  make: /^(?:-[a-zA-Z]*[fCIE]|--(?:file|makefile|directory|include-dir|eval)|[A-Za-z_][A-Za-z0-9_]*[:+?]?=)/,
  go: /^--?(?:exec|toolexec|vettool|overlay|modfile|C)(?:=|$)/,
  gcc: /^(?:-wrapper|-B|-fplugin|-specs|--specs|@)/,
  "g++": /^(?:-wrapper|-B|-fplugin|-specs|--specs|@)/,
  cc: /^(?:-wrapper|-B|-fplugin|-specs|--specs|@)/,
  clang: /^(?:-B|-fplugin|-Xclang|-load|--config|@)/,
};

/** Commands of git that run what they are given, or change what others run. */
const GIT_RUNNERS: ReadonlySet<string> = new Set(
  "config bisect submodule difftool mergetool filter-branch alias".split(" "),
);
const GIT_ESCAPES: Readonly<Record<string, RegExp>> = {
  grep: /^-[a-zA-Z]*O/,
  rebase: /^-[a-zA-Z]*x/,
  // `ext::` is a program that speaks for a server.
  clone: /^-[a-zA-Z]*[uc]|::/,
  fetch: /::/,
  pull: /::/,
  archive: /^-[a-zA-Z]*o/,
  "format-patch": /^-[a-zA-Z]*o/,
  "ls-remote": /^-[a-zA-Z]*u|::/,
};
const noGitEscape = withoutOptions({
  long: [
    "upload-pack",
    "receive-pack",
    "exec",
    "exec-path",
    "output",
    "output-directory",
    "ext-diff",
    "textconv",
    "open-files-in-pager",
    "config",
    "config-env",
    "template",
    "extcmd",
    "git-dir",
    "work-tree",
    "separate-git-dir",
  ],
  short: "",
});

function isEnoughForGit(fixed: readonly string[], rest: readonly string[]): boolean {
  const [command] = withoutGitOptions(fixed);
  if (command === undefined) return false;
  if (GIT_RUNNERS.has(command)) return rest.length === 0;
  const escape = Object.hasOwn(GIT_ESCAPES, command) ? GIT_ESCAPES[command] : undefined;
  return noGitEscape(rest) && !(escape !== undefined && rest.some((word) => escape.test(word)));
}

const PLAIN_SED_OPTION = /^-[nErsuz]+$/;
/** Printing, deleting, and substitution without flags that write or run; one command. */
const PLAIN_SED_SCRIPT =
  /^(?:(?:\d+|\$)(?:,(?:\d+|\$))?)?(?:[pdq]|s([/|#,])(?:(?!\1)[^\\\n])*\1(?:(?!\1)[^\\\n])*\1[gpiI0-9]*)$/;

function isPlainSed(args: readonly string[]): boolean {
  const words = args.filter((argument) => !PLAIN_SED_OPTION.test(argument));
  const [script = "", ...files] = words;
  return PLAIN_SED_SCRIPT.test(script) && files.every((file) => !file.startsWith("-"));
}
