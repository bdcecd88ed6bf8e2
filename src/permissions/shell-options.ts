/** Which further words keep a program at what a rule allows it for. */
import { FIND_TESTS, READERS, withoutOptions, type ArgumentRule } from "../core/harmless-command.ts";
import { plainName } from "../core/shell-runners.ts";

/** Whether these words after what a rule names make the program do nothing else altogether. */
export function keepsPurpose(program: string, fixed: readonly string[], rest: readonly string[]): boolean {
  const name = toKind(plainName(program));
  const strict = Object.hasOwn(STRICT, name) ? STRICT[name] : undefined;
  if (strict !== undefined) return strict(rest, fixed);
  return !Object.hasOwn(ESCAPES, name) || ESCAPES[name]!(rest);
}

const COMPILER = /^(?:[\w.]+-)*(?:gcc|g\+\+|cc|c\+\+|cpp|clang|clang\+\+)$/;

function toKind(name: string): string {
  if (COMPILER.test(name)) return "gcc";
  if (/^(?:pnpm|yarn|bun)$/.test(name)) return "npm";
  if (/^(?:bsdtar|bsdcpio)$/.test(name)) return "tar";
  return /^(?:bmake|remake|colormake)$/.test(name) ? "make" : name;
}

/** Only these options, and no word that is anything but a plain name: no assignment, nothing that the program would expand. */
function onlyOptions(options: RegExp, operands = /^[\w./@%+,:#-]+$/): ArgumentRule {
  return (args) => args.every((word) => (word.startsWith("-") ? options : operands).test(word));
}

/** What follows a lone `--` goes to what the program starts. */
function beforeDashes(rule: ArgumentRule): ArgumentRule {
  return (args) => {
    const end = args.indexOf("--");
    return rule(end === -1 ? args : args.slice(0, end));
  };
}

const COMPILER_OPTIONS = new RegExp(
  "^-(?:[cSEgvs]|o.*|O(?:[0-3sgz]|fast)?|g[0-3]|W[a-z][\\w=+-]*|std=[\\w+]+|[DUIlL].*|M(?:M|D|P|MD)?|pthread|pedantic|shared|static|" +
    "f(?:PIC|pic|PIE|pie|sanitize=[\\w,-]+|no-[\\w-]+)|m(?:arch|tune)=[\\w-]+)$",
);
const CARGO_OPTIONS = new RegExp(
  "^(?:-[pvqj]+[0-9]*|--(?:release|all|all-features|all-targets|benches|bin|bins|color|example|examples|features|frozen|jobs|keep-going|" +
    "lib|locked|message-format|no-default-features|no-fail-fast|offline|package|profile|quiet|test|tests|verbose|workspace|check)(?:=.*)?)$",
);
const cargo = onlyOptions(CARGO_OPTIONS, /^[^+-]/);
const goFlags = onlyOptions(
  /^--?(?:a|bench|benchmem|benchtime|count|cover|covermode|coverpkg|cpu|failfast|fullpath|json|list|msan|n|p|parallel|race|run|short|shuffle|skip|tags|timeout|trimpath|v|x|asan)(?:=.*)?$/,
  /^[^@]/,
);

/** Programs with options that start other programs: only what is known to be harmless is taken. */
const STRICT: Readonly<Record<string, (rest: readonly string[], fixed: readonly string[]) => boolean>> = {
  // After `--` stand arguments of the program that is started, but those of the compiler for other commands.
  cargo: (rest, [command = ""]) =>
    (/^(?:t|test|r|run|bench)$/.test(command) ? beforeDashes(cargo) : cargo)(rest),
  cmake: onlyOptions(
    /^(?:-[jSB][\w./-]*|--(?:build|target|config|parallel|verbose|clean-first)(?:=[\w./-]+)?)$/,
  ),
  find: (rest) => rest.every((word) => !word.startsWith("-") || FIND_TESTS.has(word)),
  gcc: onlyOptions(COMPILER_OPTIONS, /^[^@]/),
  // What follows a file belongs to the program in it.
  go: (rest, [command, file = ""]) => (command === "run" && /^[^-]/.test(file)) || goFlags(rest),
  gradle: onlyOptions(
    /^(?:-[qis]|--(?:info|quiet|stacktrace|offline|no-daemon|console=plain|tests|continue|parallel))$/,
  ),
  just: onlyOptions(/^(?:-[nqv]|--(?:dry-run|quiet|verbose))$/),
  make: onlyOptions(
    /^(?:-(?:j[0-9]*|[ksinwqB])|--(?:jobs(?:=[0-9]+)?|keep-going|silent|quiet|always-make|dry-run|just-print|no-print-directory|print-directory|output-sync|version))$/,
  ),
  mvn: onlyOptions(
    /^(?:-(?:[qBoeX]|am|pl|DskipTests|Dtest=[\w.#*,]+)|--(?:quiet|batch-mode|offline|also-make))$/,
  ),
  ninja: onlyOptions(/^-(?:[jk][0-9]*|[nv])$/),
  npm: beforeDashes(
    onlyOptions(
      /^(?:-(?:s|w|ws)|--(?:silent|if-present|workspace|workspaces|no-audit|no-fund|omit|only)(?:=[\w.@/-]+)?)$/,
    ),
  ),
  rake: onlyOptions(/^(?:-[qsnt]|--(?:trace|quiet|silent|dry-run))$/),
  // The first word may be a bundle of letters without a dash.
  tar: (rest, fixed) => {
    const [first = "", ...others] = rest;
    const isFirst = fixed.length === 0 && first !== "" && !first.startsWith("-");
    if (isFirst && !/^[xctvzjJpkmf]+$/.test(first)) return false;
    return onlyOptions(
      /^(?:-[xctvzjJpkmfCO]+|--(?:extract|create|list|verbose|gzip|file|directory|keep-old-files|no-same-owner|exclude|strip-components)(?:=[^:]*)?)$/,
      /^[^:]+$/,
    )(isFirst ? others : rest);
  },
};
/** Options by which a program starts others, or writes where it should only read. */
const ESCAPES: Readonly<Record<string, ArgumentRule>> = {
  ...READERS,
  zip: withoutOptions({ long: ["unzip-command"], short: "T" }),
  split: withoutOptions({ long: ["filter"], short: "" }),
  rsync: withoutOptions({ long: ["rsh", "rsync-path"], short: "e" }),
  scp: withoutOptions({ long: [], short: "SoF" }),
  wget: withoutOptions({ long: ["execute", "use-askpass", "config"], short: "e" }),
  curl: withoutOptions({ long: ["config"], short: "K" }),
};

const PLAIN_SED_OPTION = /^-[nErsuz]+$/;
/** Printing, deleting, and substitution without flags that write or run; one command. */
const PLAIN_SED_SCRIPT =
  /^(?:(?:\d+|\$)(?:,(?:\d+|\$))?)?(?:[pdq]|s([/|#,])(?:(?!\1)[^\\\n])*\1(?:(?!\1)[^\\\n])*\1[gpiI0-9]*)$/;

export function isPlainSed(args: readonly string[]): boolean {
  const words = args.filter((argument) => !PLAIN_SED_OPTION.test(argument));
  const [script = "", ...files] = words;
  return PLAIN_SED_SCRIPT.test(script) && files.every((file) => !file.startsWith("-"));
}
