/**
 * Reads a shell line as far as it can be read without running it: simple commands with plain words between `;`, `&`, `&&`, `||`, `|`
 * and newlines. The grammar is the part of POSIX.1-2024, Shell Command Language 2.2 to 2.9, that `dash` and `bash` read alike.
 * Whatever would need more (expansion, substitution, here-documents, redirection to files, control words, functions, programs that run
 * their arguments) leaves the line not understood, so that its caller asks. No line makes it fail.
 */
import { runsItsArguments } from "./shell-runners.ts";
import { findWordRuns } from "./shell-words.ts";

/** A word after quotes are taken away; `glob` when an unquoted `*`, `?` or `[` stands in it. */
export interface ShellWord {
  text: string;
  glob: boolean;
}

/** One simple command. */
export interface ShellPart {
  argv: readonly ShellWord[];
  /** `NAME=value` before the program; on their own they change what later parts do. */
  assignments: readonly string[];
}

export interface ShellLine {
  /** The simple commands that were read; not all of them when the line is not understood. */
  parts: readonly ShellPart[];
  /** Every program that the line starts, and all of its arguments, stand in `parts`. */
  understood: boolean;
  /**
   * Runs of words that stand one after another anywhere in the line, also in quotes, substitutions and here-documents. The line is
   * read in more than one way, since only a shell could tell what is text and what is a command.
   */
  runs: readonly (readonly string[])[];
}

const MAX_CHARACTERS = 4_000;
const MAX_PARTS = 50;

/** `understood` does not say that a line is harmless: it says that nothing in it is hidden. */
export function parseShellLine(line: string): ShellLine {
  const parts = line.length > MAX_CHARACTERS ? undefined : new Reader(line).read();
  return {
    parts: parts ?? [],
    understood: parts !== undefined && parts.length <= MAX_PARTS && !parts.some(hidesSomething),
    runs: findWordRuns(line),
  };
}

const CONTROL_WORDS: ReadonlySet<string> = new Set(
  "! { } [[ ]] case coproc do done elif else esac fi for function if in select then time until while".split(
    " ",
  ),
);

function hidesSomething({ argv }: ShellPart): boolean {
  const [program, ...args] = argv;
  if (program === undefined) return false;
  if (program.glob || CONTROL_WORDS.has(program.text)) return true;
  return runsItsArguments(
    program.text,
    args.map(({ text }) => text),
  );
}

/** Between words: only output that is thrown away or joined to what is shown anyway, and comments. */
const BETWEEN_WORDS = [
  String.raw`(?<redirection>(?:[12]?>&[12]|[0-2]?(?:>>?|<)[ \t]*/dev/null)(?![^ \t\n;&|]))`,
  String.raw`(?<comment>#[^\n]*)`,
];
/** Every piece of a line that has one meaning; what none of them takes is not understood. */
const PIECES = [
  String.raw`(?<blank>(?:[ \t]|\\\n)+)`,
  // `&>` means different things to different shells.
  String.raw`(?<operator>&&|\|\||;|\||&(?!>)|\n)`,
  String.raw`'(?<single>[^'\0]*)'`,
  String.raw`"(?<double>(?:[^"$\x60\\\0]|\\[^\0])*)"`,
  String.raw`\\(?<escaped>[\x20-\x7e])`,
  String.raw`(?<plain>[\p{L}\p{M}\p{N}_./:=@%+,~^*?[\]!#-]+)`,
];
const IN_WORD = new RegExp(PIECES.join("|"), "uy");
const AT_WORD = new RegExp([...BETWEEN_WORDS, ...PIECES].join("|"), "uy");

const LONE_SURROGATE = /\p{Cs}/u;
const ASSIGNMENT = /^[A-Za-z_][A-Za-z0-9_]*\+?=/;
const HOME = /(?:^|[:=])~/;

interface OpenWord extends ShellWord {
  /** What stands in no quotes; quoted characters are blanked out. */
  bare: string;
}

/** Reads one line; `undefined` where anything in it has no plain meaning. */
class Reader {
  readonly #line: string;
  readonly #parts: ShellPart[] = [];
  #words: OpenWord[] = [];
  #word: OpenWord | undefined;
  /** After `&&`, `||` and `|` a command has to follow. */
  #wanting = false;

  constructor(line: string) {
    this.#line = line;
  }

  read(): ShellPart[] | undefined {
    if (LONE_SURROGATE.test(this.#line)) return undefined;
    for (let index = 0; index < this.#line.length;) {
      const pattern = this.#word === undefined ? AT_WORD : IN_WORD;
      pattern.lastIndex = index;
      const piece = pattern.exec(this.#line)?.groups;
      if (piece === undefined || !this.#take(piece)) return undefined;
      index = pattern.lastIndex;
    }
    return this.#end("\n") && !this.#wanting ? this.#parts : undefined;
  }

  #take({ blank, operator, redirection, comment, ...piece }: Record<string, string | undefined>): boolean {
    if (operator !== undefined) return this.#end(operator);
    if (blank !== undefined) {
      // A backslash at the end of a line joins it with the next one, in the middle of a word too.
      if (/[ \t]/.test(blank)) this.#word = undefined;
      return true;
    }
    if (redirection !== undefined || comment !== undefined) return true;
    const { single, double, escaped, plain } = piece;
    if (this.#word === undefined) this.#words.push((this.#word = { text: "", glob: false, bare: "" }));
    const text = plain ?? single ?? escaped ?? unescape(double ?? "");
    this.#word.text += text;
    this.#word.bare += plain ?? " ".repeat(Math.max(1, text.length));
    return true;
  }

  #end(operator: string): boolean {
    const words = this.#words;
    this.#words = [];
    this.#word = undefined;
    if (words.length === 0) return operator === "\n";
    const part = toPart(words);
    if (part === undefined) return false;
    this.#parts.push(part);
    this.#wanting = ["&&", "||", "|"].includes(operator);
    return true;
  }
}

/** In double quotes a backslash takes away the meaning of these, joins lines, and is itself before all others. */
function unescape(text: string): string {
  return text.replace(/\\([$`"\\])|\\\n/g, "$1");
}

function toPart(words: readonly OpenWord[]): ShellPart | undefined {
  if (words.some(({ bare }) => HOME.test(bare))) return undefined;
  const count = words.findIndex(({ bare }) => !ASSIGNMENT.test(bare));
  const assigned = count === -1 ? words.length : count;
  return {
    argv: words.slice(assigned).map(({ text, bare }) => ({ text, glob: isGlob(bare) })),
    assignments: words.slice(0, assigned).map(({ text }) => text),
  };
}

/** A bracket alone is the name of a program, or the end of its arguments. */
function isGlob(bare: string): boolean {
  return /[*?[\]]/.test(bare) && bare !== "[" && bare !== "]";
}
