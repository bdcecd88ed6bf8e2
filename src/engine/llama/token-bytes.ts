/** What a token stands for, as bytes; a part of a character is one too. After llama.cpp's `llama_token_to_piece`. */
import type { AddonModel, Token } from "./llama-addon.ts";

const SENTENCE_PIECE = 1;
const BYTE_PAIRS = 2;
const UNIGRAM = 4;
const ATTRIBUTE = { normal: 1 << 2, byte: 1 << 5 };

export type TokenBytes = (token: Token) => Uint8Array;

type Vocabulary = Pick<
  AddonModel,
  "detokenize" | "getTokenString" | "getTokenAttributes" | "getVocabularyType"
>;

export function createTokenBytes(model: Vocabulary): TokenBytes {
  const known = new Map<Token, Uint8Array>();
  const kind = model.getVocabularyType();
  return (token) => {
    const before = known.get(token);
    if (before !== undefined) return before;
    const bytes = toBytes(model, token, kind);
    known.set(token, bytes);
    return bytes;
  };
}

function toBytes(model: Vocabulary, token: Token, kind: number): Uint8Array {
  const text = model.getTokenString(token) ?? "";
  const attributes = model.getTokenAttributes(token);
  const normal = (attributes & ATTRIBUTE.normal) !== 0;
  if ((attributes & ATTRIBUTE.byte) !== 0 && /^<0x[0-9A-Fa-f]{2}>$/.test(text))
    return Uint8Array.of(Number.parseInt(text.slice(3, 5), 16));
  if (kind === BYTE_PAIRS) return normal ? fromByteLetters(text) : Buffer.from(text);
  if (kind === SENTENCE_PIECE || kind === UNIGRAM)
    return Buffer.from(normal ? text.replaceAll("\u2581", " ") : text);
  return Buffer.from(model.detokenize(Uint32Array.of(token), true));
}

/** GPT-2 writes each byte as one letter: printable ones as themselves, the others from U+0100 on in order. */
const BYTE_OF_LETTER = createByteLetters();

function createByteLetters(): ReadonlyMap<string, number> {
  const letters = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte += 1) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    letters.set(String.fromCharCode(printable ? byte : next), byte);
    if (!printable) next += 1;
  }
  return letters;
}

function fromByteLetters(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const letter of text) {
    const byte = BYTE_OF_LETTER.get(letter);
    if (byte === undefined) bytes.push(...Buffer.from(letter));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
