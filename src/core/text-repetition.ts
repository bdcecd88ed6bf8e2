/**
 * Finds text that says the same again and again while it streams: one chunk repeated word for word, or a handful of sentences in any
 * order. Code fences, tables and data repeat rightly. Time is linear in the text, memory is bounded.
 */
import { fingerprint } from "./fingerprint.ts";

export interface FoundRepetition {
  /** Characters at the end that only repeat what stands before them. */
  repeatedChars: number;
}

/** What is kept to compare with. */
const KEPT_CHARS = 36_000;
/** How much new text is waited for between two looks. */
const STEP_CHARS = 1_000;
/** Longest chunk whose repetition is found. */
const LONGEST_CHUNK = 6_000;
/** Taken from the end and looked for before it. */
const PROBE_CHARS = 64;
const MAX_PROBES = 8;
/** How much of nothing but repetition it takes, by what is repeated. */
const ENOUGH_CHARS = { prose: 4_000, list: 8_000, data: 32_000 };
const FEWEST_ROUNDS = 3;

export class TextRepetition {
  readonly #lines = new FenceReader();
  readonly #sentences = new SentenceRing();
  #kept = "";
  #fresh = 0;

  /** Takes the next piece. */
  push(text: string): FoundRepetition | undefined {
    for (let at = 0; at < text.length; at += STEP_CHARS) {
      const found = this.#take(this.#lines.push(text.slice(at, at + STEP_CHARS)));
      if (found) return found;
    }
    return undefined;
  }

  #take(text: string): FoundRepetition | undefined {
    this.#kept += text;
    this.#fresh += text.length;
    const sentences = this.#sentences.push(text);
    if (sentences) return sentences;
    if (this.#fresh < STEP_CHARS) return undefined;
    this.#fresh = 0;
    if (this.#kept.length > KEPT_CHARS + STEP_CHARS) this.#kept = this.#kept.slice(-KEPT_CHARS);
    return findRepeatedChunk(this.#kept);
  }
}

function findRepeatedChunk(text: string): FoundRepetition | undefined {
  const recent = text.slice(-LONGEST_CHUNK - PROBE_CHARS);
  const end = recent.length - PROBE_CHARS;
  if (end <= 0) return undefined;
  const probe = recent.slice(end);
  let at = end;
  for (let probes = 0; probes < MAX_PROBES && at > 0; probes += 1) {
    at = recent.lastIndexOf(probe, at - 1);
    if (at < 0) return undefined;
    const period = end - at;
    const repeated = countPeriodic(text, period);
    if (repeated >= period * FEWEST_ROUNDS && repeated >= enoughOf(text.slice(-2 * period)))
      return { repeatedChars: repeated - 2 * period };
  }
  return undefined;
}

/** How many characters at the end repeat with this period. */
function countPeriodic(text: string, period: number): number {
  let at = text.length - 1;
  while (at >= period && text[at] === text[at - period]) at -= 1;
  return text.length - 1 - at + period;
}

function enoughOf(chunk: string): number {
  const lines = chunk.split("\n").filter((line) => line.trim() !== "");
  // The first line may be cut.
  const whole = lines.length > 1 ? lines.slice(1) : lines;
  if (!isProse(chunk) || whole.some((line) => TABLE.test(line))) return ENOUGH_CHARS.data;
  return lines.length > 1 && whole.every((line) => LIST.test(line)) ? ENOUGH_CHARS.list : ENOUGH_CHARS.prose;
}

const TABLE = /^\s*\||\|.*\|/;
const LIST = /^\s*(?:[-*+•]|\d+[.)])\s/;
const NO_PROSE = /[^\p{L}\s.,!?'’"“”:—–-]/gu;
const LETTERS = /\p{L}/gu;
const FEWEST_WORDS = 3;

/** Words, as against numbers, rulers, code and pictures. */
function isProse(text: string): boolean {
  const letters = text.match(LETTERS)?.length ?? 0;
  const others = text.match(NO_PROSE)?.length ?? 0;
  const isSpaced = text.trim().split(/\s+/).length >= FEWEST_WORDS;
  // Scripts without blanks between words.
  const isScript = /[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]{4}/.test(text);
  return (isSpaced || isScript) && letters >= text.trim().length * 0.6 && others <= text.length * 0.1;
}

/** Lets text outside of code fences through; what stands in a fence becomes one word that is the same for the same code. */
class FenceReader {
  #start = "";
  #isStart = true;
  #fence: string | undefined;
  #code = EMPTY_CODE;

  push(text: string): string {
    let out = "";
    for (const line of text.split(/(?<=\n)/)) out += this.#take(line);
    return out;
  }

  /** A line or a piece of one. */
  #take(piece: string): string {
    const ended = piece.endsWith("\n");
    let out: string;
    if (this.#isStart) {
      this.#start += piece;
      if (!ended && this.#start.trimStart().length < FENCE_CHARS && this.#start.length < LINE_START_CHARS)
        return "";
      out = this.#takeLine(this.#start);
      this.#start = "";
    } else out = this.#fence === undefined ? piece : this.#takeCode(piece);
    this.#isStart = ended;
    return out;
  }

  #takeLine(line: string): string {
    const mark = /^\s*(```|~~~)/.exec(line)?.[1];
    if (this.#fence === undefined) {
      this.#fence = mark;
      return mark === undefined ? line : "";
    }
    if (mark !== this.#fence) return this.#takeCode(line);
    this.#fence = undefined;
    const word = `code ${toLetters(this.#code >>> 0)}\n`;
    this.#code = EMPTY_CODE;
    return word;
  }

  #takeCode(code: string): string {
    for (let at = 0; at < code.length; at += 1)
      this.#code = Math.imul(this.#code ^ code.charCodeAt(at), FNV_PRIME);
    return "";
  }
}

/** A number in letters only, since digits are no prose. */
function toLetters(number: number): string {
  return Array.from(String(number), (digit) => "abcdefghij"[Number(digit)]).join("");
}

/** FNV-1a over character codes (http://www.isthe.com/chongo/tech/comp/fnv/), which takes text in any pieces. */
const EMPTY_CODE = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const FENCE_CHARS = 3;
const LINE_START_CHARS = 40;

/** The last sentences of prose, and how many different ones there are among them. */
class SentenceRing {
  #open = "";
  readonly #ring: { key: string; chars: number }[] = [];
  readonly #counts = new Map<string, number>();
  #chars = 0;
  #unique = 0;

  push(text: string): FoundRepetition | undefined {
    const parts = text.split(/(?<=[.!?。！？\n])/);
    for (const part of parts) {
      this.#open += part;
      if (!/[.!?。！？\n]$/.test(part) && this.#open.length < LONGEST_SENTENCE) continue;
      this.#add(this.#open.trim());
      this.#open = "";
    }
    const { length } = this.#ring;
    const isFull = length === RING_SENTENCES && this.#chars >= ENOUGH_CHARS.prose / 2;
    if (!isFull || this.#counts.size > MOST_DIFFERENT) return undefined;
    return { repeatedChars: Math.floor(this.#chars * (1 - (2 * this.#counts.size) / length)) };
  }

  #add(sentence: string): void {
    if (sentence.length < SHORTEST_SENTENCE) return;
    const plain = sentence.toLowerCase().replace(/\s+/g, " ");
    const comparable = !TABLE.test(sentence) && !LIST.test(sentence) && isProse(sentence);
    const key = comparable ? fingerprint(plain) : `${(this.#unique += 1)}`;
    this.#ring.push({ key, chars: sentence.length });
    this.#chars += sentence.length;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (this.#ring.length > RING_SENTENCES) this.#drop();
  }

  #drop(): void {
    const oldest = this.#ring.shift();
    if (oldest === undefined) return;
    this.#chars -= oldest.chars;
    const left = (this.#counts.get(oldest.key) ?? 1) - 1;
    if (left === 0) this.#counts.delete(oldest.key);
    else this.#counts.set(oldest.key, left);
  }
}

const RING_SENTENCES = 48;
const MOST_DIFFERENT = 8;
const SHORTEST_SENTENCE = 20;
const LONGEST_SENTENCE = 400;
