/** Short stand-ins for long texts, to compare without keeping them. 64 bits, not cryptographic: two texts share one by accident only. */

const FIRST_SEED = 0xdeadbeef;
const SECOND_SEED = 0x41c6ce57;

/** 16 hexadecimal digits; linear in the length. The mixing is that of MurmurHash3 (https://github.com/aappleby/smhasher). */
export function fingerprint(text: string): string {
  let first = FIRST_SEED;
  let second = SECOND_SEED;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    first = Math.imul(first ^ code, 2_654_435_761);
    second = Math.imul(second ^ code, 1_597_334_677);
  }
  first =
    Math.imul(first ^ (first >>> 16), 2_246_822_507) ^ Math.imul(second ^ (second >>> 13), 3_266_489_909);
  second =
    Math.imul(second ^ (second >>> 16), 2_246_822_507) ^ Math.imul(first ^ (first >>> 13), 3_266_489_909);
  return toHex(first) + toHex(second);
}

function toHex(number: number): string {
  return (number >>> 0).toString(16).padStart(8, "0");
}
