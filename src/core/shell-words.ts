/** Finds words anywhere in a shell line, for rules that forbid: better one too many than one too few. */

/** Quotes in quotes: `sh -c "bash -c 'rm x'"`. */
const MAX_LEVELS = 4;
/** What ends a word, outside quotes. */
const END = /[\s;&|()<>{}`$]/;
/** The usual way to write a blank without writing one. */
const BLANK_VARIABLE = /\$(?:\{IFS[^}]{0,40}\}|IFS\b)/g;

/** What a shell puts nothing in the place of, most of the time; words are hidden by writing it into them. */
const NOTHING = /\$(?:[@*1-9]|[A-Za-z_][A-Za-z0-9_]*|\{[^}]{0,40}\}|\(\))|``/g;

export function findWordRuns(line: string): string[][] {
  const text = line.replace(BLANK_VARIABLE, " ");
  const runs = [splitEverywhere(text), ...readWords(text, MAX_LEVELS)];
  const bare = text.replace(NOTHING, "");
  if (bare !== text) runs.push(splitEverywhere(bare), ...readWords(bare, MAX_LEVELS));
  if (text.includes("{")) runs.push(splitEverywhere(text.replaceAll(",", " ")));
  return runs.filter((run) => run.length > 0);
}

/** As if quotes were blanks: finds commands in a text whose quotes do not match. */
function splitEverywhere(text: string): string[] {
  return text.split(/[\s;&|()<>{}`$"'\\]+/).filter((word) => word !== "");
}

/** With quotes and backslashes taken away as a shell does; what stands in quotes is also read as a line of its own. */
function readWords(line: string, levels: number): string[][] {
  const words: string[] = [];
  const inner: string[] = [];
  for (let index = 0; index < line.length;) {
    if (END.test(line[index]!)) index += 1;
    else {
      const { text, next, quoted } = readWord(line, index);
      if (text !== "") words.push(text);
      if (quoted && END.test(text)) inner.push(text);
      index = next;
    }
  }
  if (levels === 0) return [words];
  return [words, ...inner.flatMap((text) => readWords(text, levels - 1))];
}

function readWord(line: string, start: number): { text: string; next: number; quoted: boolean } {
  const pieces: string[] = [];
  let quoted = false;
  let index = start;
  while (index < line.length && !END.test(line[index]!)) {
    const character = line[index]!;
    if (character === "\\") {
      if (line[index + 1] !== "\n") pieces.push(line[index + 1] ?? "");
      index += 2;
    } else if (character === "'" || character === '"') {
      quoted = true;
      const end = findClosing(line, index);
      pieces.push(toInner(line.slice(index + 1, end), character));
      index = end + 1;
    } else {
      pieces.push(character);
      index += 1;
    }
  }
  return { text: pieces.join(""), next: index, quoted };
}

/** Where the quotes that open at `start` close; the end of the line when they do not. */
function findClosing(line: string, start: number): number {
  const quote = line[start]!;
  for (let index = start + 1; index < line.length; index += 1) {
    if (line[index] === quote) return index;
    if (quote === '"' && line[index] === "\\") index += 1;
  }
  return line.length;
}

function toInner(text: string, quote: string): string {
  return quote === "'" ? text : text.replace(/\\([$`"\\])|\\\n/g, "$1");
}
