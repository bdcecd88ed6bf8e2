/** The bytes of tensors: random, constant, or single ones among zeros, a piece at a time. */
import type { GgufTensor } from "./gguf-writer.ts";
import { toTensorBytes } from "./gguf-writer.ts";

type Shape = Pick<GgufTensor, "type" | "dimensions">;

const PIECE_BLOCKS = 16_384;

/** Values in `-size..size`, evenly spread; the same for the same seed. */
export function* randomData(
  shape: Shape,
  { seed, size }: { seed: number; size: number },
): Generator<Uint8Array, void, void> {
  const random = createRandom(seed);
  const blocks = countBlocks(shape);
  for (let at = 0; at < blocks; at += PIECE_BLOCKS)
    yield randomPiece(shape.type, Math.min(PIECE_BLOCKS, blocks - at), { random, size });
}

/** The same value everywhere; of the quantised types only zero. */
export function* constantData(shape: Shape, value: number): Generator<Uint8Array, void, void> {
  if (value === 0) yield new Uint8Array(toTensorBytes(shape));
  else yield toBytes(new Float32Array(countBlocks(shape)).fill(value));
}

/** Rows of `width` floats with a one at each of the row's places. */
export function* oneHotData(
  width: number,
  rows: readonly (readonly number[])[],
): Generator<Uint8Array, void, void> {
  for (const places of rows) {
    const row = new Float32Array(width);
    for (const place of places) row[place] = 1;
    yield toBytes(row);
  }
}

function countBlocks({ type, dimensions }: Shape): number {
  const values = dimensions.reduce((product, one) => product * one, 1);
  return type === "Q4_0" || type === "Q8_0" ? values / 32 : values;
}

interface RandomOptions {
  /** 32 random bits. */
  random: () => number;
  size: number;
}

function randomPiece(type: Shape["type"], blocks: number, { random, size }: RandomOptions): Uint8Array {
  if (type === "F32") return toBytes(Float32Array.from({ length: blocks }, () => toValue(random(), size)));
  if (type === "F16")
    return toBytes(Uint16Array.from({ length: blocks }, () => toHalf(toValue(random(), size))));
  const [valueBytes, largest] = type === "Q8_0" ? [32, 127] : [16, 8];
  const scale = toHalf(size / largest);
  const piece = Buffer.alloc(blocks * (valueBytes + 2));
  for (let at = 0; at < piece.length; at += valueBytes + 2) {
    piece.writeUInt16LE(scale, at);
    for (let place = at + 2; place < at + 2 + valueBytes; place += 4) piece.writeInt32LE(random(), place);
  }
  return piece;
}

function toValue(bits: number, size: number): number {
  return (bits / 0x8000_0000) * size;
}

function toBytes(values: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Marsaglia's xorshift, 32 bits as a signed number: quick, and good enough for weights that mean nothing. */
function createRandom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e37_79b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}

/** IEEE half precision, rounded down; small numbers become zero. */
function toHalf(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (exponent <= 0) return sign;
  return sign | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}
