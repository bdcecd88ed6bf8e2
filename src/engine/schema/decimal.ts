/**
 * Ranges of numbers as grammars over their digits. Bounds are inclusive decimal texts of any length: rounding to a double keeps the
 * order, so a text within the bounds always becomes a double within them. An exclusive bound is the next double's inclusive one.
 */
import { toCharSet } from "./char-set.ts";
import type { Regex } from "./regex.ts";
import type { State } from "./automaton.ts";

/** A decimal without exponent: `digits` without leading zeros (zero is empty), `fraction` without trailing ones. */
export interface Decimal {
  negative: boolean;
  digits: string;
  fraction: string;
}

/** Digits that a number may have before and after the point where nothing asks for more. */
const WHOLE_DIGITS = 21;
const FRACTION_DIGITS = 25;

/** The shortest decimal that is this double, as JSON writes it, without an exponent. */
export function toDecimal(value: number | string): Decimal {
  const [, sign, whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(String(value)) ?? [];
  const all = whole + fraction;
  const point = whole.length + Number(exponent);
  const padded = point > all.length ? all.padEnd(point, "0") : point < 0 ? "0".repeat(-point) + all : all;
  const at = Math.max(0, point);
  const digits = padded.slice(0, at).replace(/^0+/, "");
  const rest = padded.slice(at).replace(/0+$/, "");
  return { negative: sign === "-" && (digits !== "" || rest !== ""), digits, fraction: rest };
}

export function compareDecimals(one: Decimal, other: Decimal): number {
  if (one.negative !== other.negative) return one.negative ? -1 : 1;
  const size = compareMagnitudes(one, other);
  return one.negative ? -size : size;
}

function compareMagnitudes(one: Decimal, other: Decimal): number {
  if (one.digits.length !== other.digits.length) return one.digits.length - other.digits.length;
  const [a, b] = [`${one.digits}.${one.fraction}`, `${other.digits}.${other.fraction}`];
  return a < b ? -1 : a > b ? 1 : 0;
}

const doubles = new Float64Array(1);
const bits = new BigInt64Array(doubles.buffer);

/** The next double above (`1`) or below (`-1`). */
export function nextDouble(value: number, direction: 1 | -1): number {
  if (value === 0) return direction * Number.MIN_VALUE;
  doubles[0] = value;
  const away = value > 0 === direction > 0;
  bits[0] = (bits[0] as bigint) + (away ? 1n : -1n);
  return doubles[0];
}

export interface NumberRange {
  min?: Decimal;
  max?: Decimal;
  integer: boolean;
}

/** Texts of the numbers in the range, without exponents; `undefined` when there are none. */
export function rangeRegex({ min, max, integer }: NumberRange): Regex | undefined {
  const options: Regex[] = [];
  if (max === undefined || !max.negative) {
    const low = min === undefined || min.negative ? ZERO : min;
    const above = magnitudes(low, max, integer);
    if (above !== undefined) options.push(above);
  }
  if (min === undefined || min.negative) {
    const low = max?.negative === true ? max : integer ? { ...ZERO, digits: "1" } : ZERO;
    const below = magnitudes(low, min, integer);
    if (below !== undefined) options.push(sequence([text("-"), below]));
  }
  return options.length === 0 ? undefined : choice(options);
}

const ZERO: Decimal = { negative: false, digits: "", fraction: "" };

function magnitudes(low: Decimal, high: Decimal | undefined, integer: boolean): Regex | undefined {
  const most = Math.max(WHOLE_DIGITS, low.digits.length + 1);
  const top = high === undefined || high.digits.length > most ? { ...ZERO, digits: "9".repeat(most) } : high;
  const bounded = top === high;
  const from = integer ? roundUp(low, 0) : roundUp(low, FRACTION_DIGITS);
  if (compareMagnitudes(from, top) > 0) return undefined;
  if (integer) return wholeRange(from.digits, top.digits);
  const end = bounded ? { ...top, fraction: top.fraction.slice(0, FRACTION_DIGITS) } : undefined;
  return decimalRange(from, end ?? top, bounded);
}

/** The smallest decimal of so many places that is not below. */
function roundUp(value: Decimal, places: number): Decimal {
  if (value.fraction.length <= places) return value;
  const kept = BigInt(`0${value.digits}${value.fraction.slice(0, places)}`) + 1n;
  const all = kept.toString().padStart(places + 1, "0");
  return {
    ...value,
    digits: all.slice(0, all.length - places).replace(/^0+/, ""),
    fraction: places === 0 ? "" : all.slice(-places).replace(/0+$/, ""),
  };
}

function decimalRange(low: Decimal, high: Decimal, bounded: boolean): Regex {
  const anyFraction = optional(sequence([text("."), some(1)]));
  if (!bounded) {
    const first = sequence([wholeOf(low.digits), atLeast(low.fraction)]);
    const more = wholeRange(increase(low.digits), high.digits);
    return choice([first, ...(more === undefined ? [] : [sequence([more, anyFraction])])]);
  }
  if (low.digits === high.digits)
    return sequence([wholeOf(low.digits), between(low.fraction, high.fraction)]);
  const options = [sequence([wholeOf(low.digits), atLeast(low.fraction)])];
  const middle = wholeRange(increase(low.digits), decrease(high.digits));
  if (middle !== undefined) options.push(sequence([middle, anyFraction]));
  options.push(sequence([wholeOf(high.digits), atMost(high.fraction)]));
  return choice(options);
}

/** A fraction with its point, or none, that is at least 0.`low`. */
function atLeast(low: string): Regex {
  if (low === "") return optional(sequence([text("."), some(1)]));
  const from = (at: number): Regex =>
    at >= low.length ? some(0) : choice([...higher(low, at), sequence([text(low.charAt(at)), from(at + 1)])]);
  return sequence([text("."), from(0)]);
}

function atMost(high: string): Regex {
  if (high === "") return optional(sequence([text("."), zeros(1)]));
  const from = (at: number): Regex => {
    if (at >= high.length) return zeros(0);
    const equal = sequence([text(high.charAt(at)), from(at + 1)]);
    return at === 0 ? choice([...lower(high, at), equal]) : optional(choice([...lower(high, at), equal]));
  };
  return optional(sequence([text("."), from(0)]));
}

function between(low: string, high: string): Regex {
  const length = Math.max(low.length, high.length);
  const [from, to] = [low.padEnd(length, "0"), high.padEnd(length, "0")];
  let shared = 0;
  while (shared < length && from[shared] === to[shared]) shared += 1;
  const head = from.slice(0, shared);
  if (shared === length) return exactFraction(low);
  const [lowTail, highTail] = [from.slice(shared).replace(/0+$/, ""), to.slice(shared).replace(/0+$/, "")];
  const [first, last] = [Number(from[shared]), Number(to[shared])];
  const options: Regex[] = [];
  if (last - first > 1) options.push(sequence([digits(first + 1, last - 1), some(0)]));
  const tails = (fraction: Regex): Regex => withoutPoint(fraction);
  options.push(sequence([digits(first, first), tails(atLeast(lowTail.slice(1)))]));
  options.push(sequence([digits(last, last), tails(atMost(highTail.slice(1)))]));
  const withHead = sequence([text(`.${head}`), choice(options)]);
  // With nothing but zeros so far, the fraction may also be left out or end early.
  return low === "" ? choice([sequence([]), ...shorter(head), withHead]) : withHead;
}

function shorter(head: string): Regex[] {
  return head === ""
    ? []
    : [sequence([text("."), { kind: "repeat", part: text("0"), min: 1, max: head.length }])];
}

/** `atLeast` and `atMost` of the places that follow, where the point has been written. */
function withoutPoint(fraction: Regex): Regex {
  if (fraction.kind === "repeat") return optional(withoutPoint(fraction.part));
  return fraction.kind === "sequence" ? sequence(fraction.parts.slice(1)) : fraction;
}

function exactFraction(fraction: string): Regex {
  if (fraction === "") return optional(sequence([text("."), zeros(1)]));
  return sequence([text(`.${fraction}`), zeros(0)]);
}

function higher(low: string, at: number): Regex[] {
  const digit = Number(low[at]);
  return digit === 9 ? [] : [sequence([digits(digit + 1, 9), some(0)])];
}

function lower(high: string, at: number): Regex[] {
  const digit = Number(high[at]);
  return digit === 0 ? [] : [sequence([digits(0, digit - 1), some(0)])];
}

function wholeOf(value: string): Regex {
  return text(value === "" ? "0" : value);
}

function increase(value: string): string {
  return (BigInt(value || "0") + 1n).toString();
}

function decrease(value: string): string {
  return value === "" ? "-" : (BigInt(value) - 1n).toString().replace(/^0+$/, "");
}

/** Whole numbers from `low` to `high`, without leading zeros. */
function wholeRange(low: string, high: string): Regex | undefined {
  if (high === "-" || low.length > high.length || (low.length === high.length && low > high))
    return undefined;
  if (low === "") {
    const rest = high === "" ? undefined : wholeRange("1", high);
    return choice([text("0"), ...(rest === undefined ? [] : [rest])]);
  }
  if (low.length === high.length) return sameLength(low, high);
  const options = [sameLength(low, "9".repeat(low.length))];
  const [shortest, longest] = [low.length + 1, high.length - 1];
  if (shortest <= longest)
    options.push(
      sequence([digits(1, 9), { kind: "repeat", part: digits(0, 9), min: shortest - 1, max: longest - 1 }]),
    );
  options.push(sameLength(`1${"0".repeat(high.length - 1)}`, high));
  return choice(options);
}

function sameLength(low: string, high: string): Regex {
  if (/^0*$/.test(low) && /^9*$/.test(high)) return repeatDigits(low.length);
  const [first, last] = [Number(low[0]), Number(high[0])];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  if (first === last) return sequence([digits(first, first), sameLength(lowRest, highRest)]);
  const all0 = /^0*$/.test(lowRest);
  const all9 = /^9*$/.test(highRest);
  const [from, to] = [all0 ? first : first + 1, all9 ? last : last - 1];
  const options: Regex[] = [];
  if (!all0) options.push(sequence([digits(first, first), sameLength(lowRest, "9".repeat(lowRest.length))]));
  if (from <= to) options.push(sequence([digits(from, to), repeatDigits(lowRest.length)]));
  if (!all9) options.push(sequence([digits(last, last), sameLength("0".repeat(highRest.length), highRest)]));
  return choice(options);
}

function repeatDigits(count: number): Regex {
  return count === 0 ? sequence([]) : { kind: "repeat", part: digits(0, 9), min: count, max: count };
}

function digits(from: number, to: number): Regex {
  return { kind: "set", set: toCharSet([[0x30 + from, 0x30 + to]]) };
}

function some(min: number): Regex {
  return { kind: "repeat", part: digits(0, 9), min, max: FRACTION_DIGITS };
}

function zeros(min: number): Regex {
  return { kind: "repeat", part: digits(0, 0), min, max: FRACTION_DIGITS };
}

function text(value: string): Regex {
  return sequence(
    Array.from(value).map((one) => ({
      kind: "set",
      set: toCharSet([[one.charCodeAt(0), one.charCodeAt(0)]]),
    })),
  );
}

function sequence(parts: readonly Regex[]): Regex {
  return parts.length === 1 ? (parts[0] as Regex) : { kind: "sequence", parts };
}

function choice(options: readonly Regex[]): Regex {
  return options.length === 1 ? (options[0] as Regex) : { kind: "choice", options };
}

function optional(part: Regex): Regex {
  return { kind: "repeat", part, min: 0, max: 1 };
}

const MULTIPLE_LIMIT = 600;

/**
 * Decimal texts of multiples of `step`, by the remainder of the digits read so far. `undefined` when that takes too many states.
 * Not yet bounded in length.
 */
export function multiplesOf(step: Decimal, integer: boolean): State[] | undefined {
  const places = integer ? 0 : step.fraction.length;
  const unit = BigInt(`${step.digits}${step.fraction}`.replace(/^0+/, "") || "0");
  // An integer that is a multiple of 0.25 is a multiple of 1: the step without its places, in lowest terms.
  const modulus = integer ? unit / gcd(unit, 10n ** BigInt(step.fraction.length)) : unit;
  if (modulus === 0n || modulus * BigInt(places + 2) > BigInt(MULTIPLE_LIMIT)) return undefined;
  const size = Number(modulus);
  // States: 0 begin, 1 after the sign, 2 after a leading zero, then (places written, remainder), where 0 places is before the point.
  const index = (written: number, remainder: number): number => 3 + written * size + remainder;
  const pointOf = (remainder: number): number => 3 + (places + 1) * size + remainder;
  const digitEdges = (to: (digit: number) => number, from = 0) =>
    Array.from({ length: 10 - from }, (_, at) => ({
      set: toCharSet([[0x30 + from + at, 0x30 + from + at]]),
      to: to(from + at),
    }));
  const point = (remainder: number) =>
    places === 0 ? [] : [{ set: toCharSet([[0x2e, 0x2e]]), to: pointOf(remainder) }];
  const scaled = (written: number, remainder: number): boolean =>
    (BigInt(remainder) * 10n ** BigInt(places - written)) % modulus === 0n;
  const begin = [
    { set: toCharSet([[0x30, 0x30]]), to: 2 },
    ...digitEdges((digit) => index(0, digit % size), 1),
  ];
  const states: State[] = [
    { accepting: false, edges: [{ set: toCharSet([[0x2d, 0x2d]]), to: 1 }, ...begin] },
    { accepting: false, edges: begin },
    { accepting: true, edges: point(0) },
  ];
  for (let written = 0; written <= places; written += 1) {
    for (let remainder = 0; remainder < size; remainder += 1) {
      const next = (digit: number): number => (remainder * 10 + digit) % size;
      const edges =
        written === 0
          ? [...digitEdges((digit) => index(0, next(digit))), ...point(remainder)]
          : written < places
            ? digitEdges((digit) => index(written + 1, next(digit)))
            : [{ set: toCharSet([[0x30, 0x30]]), to: index(written, remainder) }];
      states.push({ accepting: scaled(written, remainder), edges });
    }
  }
  if (places > 0) {
    for (let remainder = 0; remainder < size; remainder += 1)
      states.push({
        accepting: false,
        edges: digitEdges((digit) => index(1, (remainder * 10 + digit) % size)),
      });
  }
  return states;
}

function gcd(one: bigint, other: bigint): bigint {
  return other === 0n ? one : gcd(other, one % other);
}
