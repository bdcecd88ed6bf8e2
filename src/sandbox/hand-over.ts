/** A command as text for a shell that waits for it: a sandbox that was started before its command was known becomes it. */

export interface HandedOver {
  /** A program with its arguments, as `toProgram` gives it. */
  program: readonly string[];
  /** Absolute, inside the sandbox. `undefined`: where the shell is. */
  cwd: string | undefined;
  /** Added to what the shell has. */
  environment: Readonly<Record<string, string>>;
}

/** Some shells read their input by single bytes, which takes longer than a new sandbox when there are many. */
const MAX_BYTES = 8 * 1_024;

/** What a shell calls its variables: POSIX, "Name". Not those that shells keep for themselves or refuse to take. */
const USUAL_NAME =
  /^(?!(?:IFS|PWD|OLDPWD|PPID|LINENO|OPTIND|UID|EUID|GROUPS|RANDOM|SRANDOM|SECONDS|EPOCH\w*|HIST\w*|SHELLOPTS|BASH\w*|KSH\w*|DIRSTACK|FUNCNAME|SHLVL|_)$)[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Read whole before anything of it runs, so that the command finds an empty input: see `sh` in POSIX, "exec" and "Quoting".
 * `undefined` when it cannot be said exactly, or is long.
 */
export function toHandOver({ program, cwd, environment }: HandedOver): string | undefined {
  const added = Object.entries(environment);
  if (!added.every(([name, value]) => USUAL_NAME.test(name) && !value.includes("\0"))) return undefined;
  // A shell may take it for an option of `exec`.
  if (program[0]?.startsWith("-")) return undefined;
  const steps = [
    ...(cwd === undefined ? [] : [`cd ${quote(cwd)}`, "unset OLDPWD"]),
    ...(added.length === 0
      ? []
      : [`export ${added.map(([name, value]) => `${name}=${quote(value)}`).join(" ")}`]),
    `exec ${program.map(quote).join(" ")} </dev/null`,
  ];
  const text = `{ ${steps.join(" && ")}; exit 126; }\n`;
  return Buffer.byteLength(text) <= MAX_BYTES ? text : undefined;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
