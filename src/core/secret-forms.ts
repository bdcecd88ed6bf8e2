/** The forms in which a secret may turn up in a text. */
import { toHex } from "./digest.ts";

const SHORTEST = 6;
const SHORTEST_LINE = 16;
/** Of all secrets together; finding them takes memory, about 800 bytes a character. */
const MAX_CHARACTERS = 12_000;

/** Words that stand where a secret could, and in ordinary text too. In lower case. */
const COMMON = new Set(
  (
    "access account admin administrator apikey api-key api_key anonymous authorization bearer changeme change-me changeit " +
    "client credentials database debian default demo-key development disabled docker dummy-key enabled example " +
    "fake-key github gitlab google guest insert-key-here jenkins letmein lm-studio lmstudio local-key localhost master memory " +
    "mongodb mysql-user no-key no-key-needed no-key-required no_key_required none-needed not-needed not_needed nokeyneeded " +
    "nothing notneeded nullnull ollama openai openssl passphrase password password1 passw0rd placeholder postgres postgresql " +
    "private process production qwerty rabbitmq redacted replaceme required sample secret secrets server service " +
    "sk-no-key-required sk-placeholder staging string superuser system testing test-key testkey testtest token-here ubuntu undefined " +
    "unused username vagrant welcome your-api-key your-key-here your_api_key your-token"
  ).split(" "),
);

export interface SecretForms {
  /** As they are; the same with every non-ASCII character as its UTF-8 bytes, one a character, for what is decoded byte by byte. */
  plain: string[];
  /** In the alphabet of RFC 4648 section 4, without what depends on the bytes around. */
  base64: string[];
  /** In lower case. */
  hex: string[];
}

export function toSecretForms(secrets: readonly string[]): SecretForms {
  const parts = takeFew([...new Set(secrets.flatMap(toParts))]);
  const bytes = parts.map((part) => new TextEncoder().encode(part));
  return {
    plain: [...new Set([...parts, ...bytes.map((part) => String.fromCharCode(...part))])],
    base64: [...new Set(bytes.flatMap(toBase64Forms))],
    hex: bytes.map(toHex),
  };
}

/** The shorter ones first, so that one large file in a variable cannot take the room of all keys. */
function takeFew(parts: readonly string[]): string[] {
  let room = MAX_CHARACTERS;
  return parts
    .toSorted((a, b) => a.length - b.length)
    .filter(({ length }) => {
      room -= length;
      return room >= 0;
    });
}

/** A secret of several lines is looked for line by line, since programs indent, quote and join lines. */
function toParts(secret: string): string[] {
  const whole = secret.trim();
  // Environment files have no line ends inside a value, so keys stand there with escapes.
  const lineEnd = whole.startsWith("-----BEGIN") ? /\r?\n|(?:\\r)?\\n/ : /\r?\n/;
  const lines = whole.split(lineEnd).map((line) => line.trim());
  const long = lines.filter((line) => line.length >= SHORTEST_LINE && !/^-----.*-----$/.test(line));
  if (lines.length > 1 && long.length > 0) return long;
  return isTelling(whole) ? [whole] : [];
}

/** Long enough and no common word: its replacement would not spoil ordinary text. */
function isTelling(text: string): boolean {
  return text.length >= SHORTEST && !COMMON.has(text.toLowerCase()) && !/^(.)\1*$/su.test(text);
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Base64 puts three bytes into four characters, so what a secret looks like depends on how many bytes stand before it. */
function toBase64Forms(bytes: Uint8Array): string[] {
  return [0, 1, 2].map((before) => {
    const first = Math.ceil((before * 8) / 6);
    const end = Math.floor(((before + bytes.length) * 8) / 6);
    let text = "";
    for (let at = first; at < end; at += 1) text += ALPHABET[sextet(bytes, at * 6 - before * 8)];
    return text;
  });
}

/** Six bits from bit `at` on. */
function sextet(bytes: Uint8Array, at: number): number {
  const index = Math.floor(at / 8);
  const pair = ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  return (pair >> (10 - (at % 8))) & 0x3f;
}
