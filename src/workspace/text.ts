import type { TextEncoding } from "../core/workspace.ts";

/** A text file as bytes give it: decoding and encoding again yields the same bytes. */
export interface DecodedText {
  text: string;
  encoding: TextEncoding;
  /** A byte order mark stood before the text. */
  mark: boolean;
}

const MARKS: readonly { encoding: TextEncoding; bytes: readonly number[] }[] = [
  { encoding: "utf-8", bytes: [0xef, 0xbb, 0xbf] },
  { encoding: "utf-16le", bytes: [0xff, 0xfe] },
  { encoding: "utf-16be", bytes: [0xfe, 0xff] },
];

/** How much of the beginning decides whether a file is text. */
export const SNIFF_BYTES = 8_192;

/** By byte order mark; a file without one is UTF-8 until it proves not to be. */
export function markOf(bytes: Uint8Array): { encoding: TextEncoding; length: number } {
  const found = MARKS.find((mark) => mark.bytes.every((byte, index) => bytes[index] === byte));
  return found ? { encoding: found.encoding, length: found.bytes.length } : { encoding: "utf-8", length: 0 };
}

/** UTF-8 where it is valid, else Latin-1, which any bytes are. */
export function decodeText(bytes: Uint8Array): DecodedText {
  const { encoding, length } = markOf(bytes);
  const body = Buffer.from(bytes.buffer, bytes.byteOffset + length, bytes.byteLength - length);
  const mark = length > 0;
  if (encoding === "utf-16le") return { text: body.toString("utf16le"), encoding, mark };
  if (encoding === "utf-16be") return { text: swapped(body).toString("utf16le"), encoding, mark };
  const text = decodeUtf8(body);
  if (text !== undefined) return { text, encoding, mark };
  return {
    text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1"),
    encoding: "latin1",
    mark: false,
  };
}

/** `undefined` when the encoding has no bytes for a character of the text. */
export function encodeText({ text, encoding, mark }: DecodedText): Buffer | undefined {
  const prefix = mark
    ? Buffer.from(MARKS.find((entry) => entry.encoding === encoding)?.bytes ?? [])
    : Buffer.alloc(0);
  if (encoding === "utf-8") return Buffer.concat([prefix, Buffer.from(text, "utf8")]);
  if (encoding === "utf-16le") return Buffer.concat([prefix, Buffer.from(text, "utf16le")]);
  if (encoding === "utf-16be") return Buffer.concat([prefix, swapped(Buffer.from(text, "utf16le"))]);
  return /[^\0-\u00ff]/.test(text) ? undefined : Buffer.from(text, "latin1");
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** UTF-16 with the other byte order; a copy. */
function swapped(bytes: Uint8Array): Buffer {
  const copy = Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)));
  return copy.swap16();
}

const SIGNATURES: readonly { starts: string; name: string }[] = [
  { starts: "89504e47", name: "PNG image" },
  { starts: "ffd8ff", name: "JPEG image" },
  { starts: "47494638", name: "GIF image" },
  { starts: "52494646", name: "RIFF file (WebP, WAV or AVI)" },
  { starts: "25504446", name: "PDF document" },
  { starts: "504b0304", name: "ZIP archive or Office document" },
  { starts: "1f8b", name: "gzip archive" },
  { starts: "fd377a585a", name: "xz archive" },
  { starts: "28b52ffd", name: "zstd archive" },
  { starts: "7f454c46", name: "ELF program" },
  { starts: "53514c69746520666f726d6174", name: "SQLite database" },
  { starts: "0061736d", name: "WebAssembly module" },
  { starts: "47475546", name: "GGUF model" },
];

/** What a file is when it is no text: by signature, a NUL byte in its beginning, or an odd number of UTF-16 bytes. */
export function binaryKind(head: Uint8Array, sizeBytes: number): string | undefined {
  const hex = Buffer.from(head.subarray(0, 16)).toString("hex");
  const known = SIGNATURES.find(({ starts }) => hex.startsWith(starts));
  const { encoding } = markOf(head);
  const isWide = encoding !== "utf-8" && sizeBytes % 2 === 0;
  const hasNul = !isWide && head.subarray(0, SNIFF_BYTES).includes(0);
  if (known && (hasNul || known.name === "PDF document" || known.name === "gzip archive")) return known.name;
  if (hasNul) return "binary file";
  return encoding !== "utf-8" && !isWide ? "binary file" : undefined;
}
