/**
 * Which commands a prefix of words covers. A convenience for the user and no boundary, which is the sandbox: a program that a rule
 * allows may do whatever it can inside. What is kept out here is a short rule that would quietly allow running anything at all.
 */
import { isHarmlessPart, mayBecomeOption, withoutOptions } from "../core/harmless-command.ts";
import { findRiskOfCommand } from "../core/risky-command.ts";
import { withoutGitOptions } from "../core/risky-git.ts";
import type { ShellLine, ShellPart } from "../core/shell-line.ts";
import { isShell, plainName, programName, runsItsArguments } from "../core/shell-runners.ts";
import { isPlainSed, keepsPurpose } from "./shell-options.ts";

/** Every part of an understood line is covered by one of the prefixes or known to be harmless, and at least one by a prefix. */
export function coversLine(prefixes: readonly (readonly string[])[], line: ShellLine): boolean {
  if (!line.understood || line.parts.length === 0) return false;
  const covered = line.parts.map((part) => prefixes.some((prefix) => coversPart(prefix, part)));
  return covered.includes(true) && line.parts.every((part, index) => covered[index] || isHarmlessPart(part));
}

/** The words of the prefix, as whole words, and nothing after them that would make the program do something else altogether. */
export function coversPart(prefix: readonly string[], { argv, assignments }: ShellPart): boolean {
  if (!assignments.every(isPlainAssignment) || argv.length < prefix.length) return false;
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

/** Settings that many programs know, and that lead to no file. */
const PLAIN_ASSIGNMENT =
  /^(?:NODE_ENV|CI|FORCE_COLOR|NO_COLOR|TZ|LANG|LC_ALL|TERM|RUST_BACKTRACE|PYTHONUNBUFFERED|PYTHONDONTWRITEBYTECODE|CARGO_TERM_COLOR)=[\w.:+-]*$/;

function isPlainAssignment(assignment: string): boolean {
  return PLAIN_ASSIGNMENT.test(assignment);
}

/** They run the command that follows, in surroundings of their own. */
const FORMS: readonly { words: number; form: RegExp }[] = [
  { words: 1, form: /^(?:npx|bunx|uvx|corepack|(?:pnpm|yarn) node)\b/ },
  { words: 2, form: /^(?:pipenv|pdm|conda|mamba|micromamba|rye|hatch|poetry|uv|pipx) run\b/ },
  { words: 2, form: /^(?:npm|pnpm|yarn|bun|lerna) (?:exec|x|dlx)\b|^bundle exec\b/ },
];
/** Commands by which programs of any kind run others, or code; what is run has to be named. */
const RUNNING = /^(?:run|run-script|exec|explore|runner|eval|shell|console|script|node)$/;
/** They run what the workspace builds. */
const RUNS_WORKSPACE: ReadonlySet<string> = new Set(["cargo", "swift", "dotnet"]);

/** The command that is run by another one, such as `pytest` of `poetry run pytest`. */
function toInner(prefix: readonly string[]): readonly string[] | undefined {
  const start = prefix.slice(0, 2).join(" ");
  const found = FORMS.find(({ form }) => form.test(start));
  return found && prefix.slice(found.words);
}

export function isInterpreter(program: string): boolean {
  return isShell(program) || INTERPRETER.test(programName(program));
}

function isEnough(prefix: readonly string[], rest: readonly string[]): boolean {
  const inner = toInner(prefix);
  if (inner === undefined) return isEnoughAlone(prefix, rest);
  const [program = "-", ...args] = inner;
  if (rest.length === 0) return true;
  if (program.startsWith("-") || runsItsArguments(program, [...args, ...rest])) return false;
  // An npm takes options for itself wherever they stand.
  return isEnough(inner, rest) && keepsPurpose(prefix[0] ?? "", prefix.slice(1), rest);
}

function isEnoughAlone([program = "", ...fixed]: readonly string[], rest: readonly string[]): boolean {
  const name = plainName(program);
  const hasWord = fixed.some((word) => !word.startsWith("-"));
  // Without a file it runs what it is fed, and options before the file say what it runs.
  if (isInterpreter(program)) return hasWord || (rest.length === 0 && fixed.length > 0);
  if (ONLY_EXACTLY.has(name)) return rest.length === 0;
  if (name === "git") return isEnoughForGit(fixed, rest);
  if (NEEDS_COMMAND.has(name) && !hasWord) return false;
  if (RUNNING.test(fixed[0] ?? "") && !RUNS_WORKSPACE.has(name) && !/^[^-]/.test(fixed[1] ?? ""))
    return rest.length === 0;
  if (name === "sed")
    return hasWord ? rest.every((word) => !word.startsWith("-")) : isPlainSed([...fixed, ...rest]);
  return keepsPurpose(program, fixed, rest);
}

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
