/**
 * Names on disk as text that can be turned back. A byte that is no part of valid UTF-8 becomes a lone surrogate U+DC80 to U+DCFF, which
 * no valid name has; the way of Python's PEP 383.
 */

const ESCAPED = /[\uDC80-\uDCFF]/u;
const REPLACED = "\uFFFD";

export function decodeName(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes(REPLACED) || Buffer.from(text).equals(bytes)) return text;
  let name = "";
  for (let at = 0; at < bytes.length;) {
    const length = characterLength(bytes[at] as number);
    const part = bytes.subarray(at, at + length);
    const character = part.toString("utf8");
    const isValid = part.length === length && Buffer.from(character).equals(part);
    name += isValid ? character : String.fromCharCode(0xdc00 + (bytes[at] as number));
    at += isValid ? length : 1;
  }
  return name;
}

function characterLength(lead: number): number {
  if (lead < 0xc0) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/** For system calls. */
export function encodeName(name: string): string | Buffer {
  if (!ESCAPED.test(name)) return name;
  const parts = Array.from(name, (character) => {
    const code = character.charCodeAt(0);
    return character.length === 1 && code >= 0xdc80 && code <= 0xdcff
      ? Buffer.from([code - 0xdc00])
      : Buffer.from(character);
  });
  return Buffer.concat(parts);
}
