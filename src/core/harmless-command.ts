/**
 * Which commands normal mode runs without asking. This is a convenience and no boundary: the sandbox is the boundary. So
 * everything that is not known to change nothing is not harmless.
 */
import { parseShellLine, type ShellLine, type ShellPart, type ShellWord } from "./shell-line.ts";

/** True when every part of the line is known to change nothing. */
export function isHarmlessCommand(command: string): boolean {
  return isHarmlessLine(parseShellLine(command));
}

export function isHarmlessLine({ parts, understood }: ShellLine): boolean {
  return understood && parts.length > 0 && parts.every(isHarmlessPart);
}

/** Whether these arguments keep the program harmless. */
export type ArgumentRule = (args: readonly string[]) => boolean;

/** Programs without any option that writes, deletes or starts something. */
const ALWAYS_HARMLESS = new Set(
  (
    "basename cat cd cmp cut df dirname du echo false grep egrep fgrep head id ls md5sum nl pwd readlink realpath " +
    "sha256sum stat tail tr true uname wc which whoami"
  ).split(" "),
);

/** Programs that only read, without these options. */
export const READERS = {
  diff: withoutOptions({ long: ["paginate"], short: "l" }),
  rg: withoutOptions({ long: ["pre", "pre-glob", "hostname-bin", "search-zip"], short: "z" }),
  sort: withoutOptions({
    long: ["output", "compress-program", "temporary-directory", "files0-from"],
    short: "oT",
  }),
} as const satisfies Readonly<Record<string, ArgumentRule>>;

/**
 * No `git` stands here: what it reads from `.git/config` (`diff.external`, `core.fsmonitor`, diff drivers, a promisor
 * remote) can make even `git diff`, `git status` and `git rev-parse` start a program.
 */
const RULES: Readonly<Record<string, ArgumentRule>> = {
  ...READERS,
  // What they could do besides leaves the line not understood.
  "[": () => true,
  printf: () => true,
  test: () => true,
  // A time alone would set the clock, as `-s` does.
  date: (args) =>
    args.every((arg) => /^[-+]/.test(arg)) && withoutOptions({ long: ["set"], short: "s" })(args),
  file: withoutOptions({ long: ["compile", "uncompress", "uncompress-noreport"], short: "CzZ" }),
  find: (args) => args.every((arg) => !arg.startsWith("-") || FIND_TESTS.has(arg)),
  sed: isPrintingSed,
  // A second file name would be written to.
  uniq: (args) => args.filter((arg) => !arg.startsWith("-")).length <= 1,
};

/** For these it matters how many words there are, or what a shell makes of them: a pattern may stand for any. */
const WITHOUT_PATTERNS: ReadonlySet<string> = new Set(["[", "date", "printf", "test", "uniq"]);

/** Of find(1): what neither starts a program nor writes. */
export const FIND_TESTS: ReadonlySet<string> = new Set(
  (
    "-H -L -P -a -amin -and -atime -cmin -ctime -daystart -depth -empty -executable -follow -group -iname -ipath -iregex " +
    "-links -ls -maxdepth -mindepth -mmin -mount -mtime -name -newer -not -o -or -path -perm -print -print0 -printf -prune " +
    "-readable -regex -regextype -samefile -size -type -user -wholename -writable -xdev"
  ).split(" "),
);

// Not cargo, rustc and go: a file in the workspace can choose which toolchain they start.
const VERSION_PROGRAMS = new Set("cc gcc git make node npm perl php python python3 ruby tsc".split(" "));
const VERSION_ARGUMENTS = new Set(["--version", "-V"]);

export function isHarmlessPart({ argv, assignments }: ShellPart): boolean {
  const [program, ...rest] = argv;
  if (program === undefined || assignments.length > 0) return false;
  const args = rest.map(({ text }) => text);
  if (ALWAYS_HARMLESS.has(program.text)) return true;
  if (rest.some(mayBecomeOption)) return false;
  if (WITHOUT_PATTERNS.has(program.text) && rest.some(({ glob }) => glob)) return false;
  if (VERSION_PROGRAMS.has(program.text) && args.length === 1 && isVersionArgument(program.text, args[0]!))
    return true;
  return Object.hasOwn(RULES, program.text) && RULES[program.text]!(args);
}

/** A file may be named like an option, and a pattern may find it. */
export function mayBecomeOption({ text, glob }: ShellWord): boolean {
  return glob && /^[*?[-]/.test(text);
}

function isVersionArgument(program: string, argument: string): boolean {
  if (program === "node" || program === "npm") return argument === "--version" || argument === "-v";
  return VERSION_ARGUMENTS.has(argument);
}

/** Refuses long options also when they are shortened, as GNU programs allow, and short ones also in a bundle. */
export function withoutOptions({ long, short }: { long: readonly string[]; short: string }): ArgumentRule {
  const isRefused = (argument: string): boolean => {
    if (argument.startsWith("--")) {
      const name = argument.slice(2).split("=")[0]!;
      return name !== "" && long.some((refused) => refused.startsWith(name));
    }
    return argument.startsWith("-") && short.split("").some((letter) => argument.includes(letter));
  };
  return (args) => !args.some(isRefused);
}

/** `sed -n 10,20p FILE`, which models like to use for reading; every other script may write or run something. */
function isPrintingSed([option, script = "", ...files]: readonly string[]): boolean {
  return option === "-n" && /^\d+(,(\d+|\$))?p$/.test(script) && files.every((file) => !file.startsWith("-"));
}
