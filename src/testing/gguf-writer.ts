/**
 * Writes GGUF files (version 3) for tests: metadata, tensors, and nothing read into memory that need not be there. What the
 * fields mean: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

const ALIGNMENT = 32;

const VALUE_TYPES = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;

type NumberType = Exclude<keyof typeof VALUE_TYPES, "bool" | "string" | "array">;

/** A plain whole number is written as `uint32`, any other as `float32`; name the type where the reader wants another one. */
export type GgufValue =
  | string
  | boolean
  | number
  | readonly string[]
  | { type: NumberType; value: number | readonly number[] };

export type GgufTensorType = "F32" | "F16" | "Q4_0" | "Q8_0";

const TENSOR_TYPES: Record<GgufTensorType, { id: number; blockValues: number; blockBytes: number }> = {
  F32: { id: 0, blockValues: 1, blockBytes: 4 },
  F16: { id: 1, blockValues: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockValues: 32, blockBytes: 18 },
  Q8_0: { id: 8, blockValues: 32, blockBytes: 34 },
};

export interface GgufTensor {
  name: string;
  type: GgufTensorType;
  /** Innermost first, as in the file. */
  dimensions: readonly number[];
  /** The bytes in order; asked for when it is this tensor's turn. */
  data: () => Iterable<Uint8Array>;
}

export interface GgufContent {
  metadata: Readonly<Record<string, GgufValue>>;
  tensors: readonly GgufTensor[];
}

/** Bytes that a tensor takes in the file, without padding. */
export function toTensorBytes({ type, dimensions }: Pick<GgufTensor, "type" | "dimensions">): number {
  const { blockValues, blockBytes } = TENSOR_TYPES[type];
  const values = dimensions.reduce((product, one) => product * one, 1);
  return (values / blockValues) * blockBytes;
}

/** Throws when a tensor gives more or fewer bytes than its dimensions say. */
export async function writeGguf(path: string, { metadata, tensors }: GgufContent): Promise<void> {
  await using file = await open(path, "w");
  let position = await write(file, toHeader(metadata, tensors));
  position += await write(file, padding(position));
  for (const tensor of tensors) {
    const expected = toTensorBytes(tensor);
    let written = 0;
    for (const bytes of tensor.data()) written += await write(file, bytes);
    if (written !== expected)
      throw new Error(`The tensor \`${tensor.name}\` has ${written} bytes instead of ${expected}.`);
    position += written;
    position += await write(file, padding(position));
  }
}

async function write(file: FileHandle, bytes: Uint8Array): Promise<number> {
  await file.writeFile(bytes);
  return bytes.length;
}

function padding(position: number): Uint8Array {
  return new Uint8Array((ALIGNMENT - (position % ALIGNMENT)) % ALIGNMENT);
}

function toHeader(metadata: GgufContent["metadata"], tensors: readonly GgufTensor[]): Uint8Array {
  const entries = Object.entries(metadata);
  const parts = [Buffer.from("GGUF"), uint32(3), uint64(tensors.length), uint64(entries.length)];
  for (const [key, value] of entries) parts.push(toText(key), ...toValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(toText(tensor.name), uint32(tensor.dimensions.length), ...tensor.dimensions.map(uint64));
    parts.push(uint32(TENSOR_TYPES[tensor.type].id), uint64(offset));
    const bytes = toTensorBytes(tensor);
    offset += bytes + padding(bytes).length;
  }
  return Buffer.concat(parts);
}

function toValue(value: GgufValue): Buffer[] {
  if (typeof value === "string") return [uint32(VALUE_TYPES.string), toText(value)];
  if (typeof value === "boolean") return [uint32(VALUE_TYPES.bool), Buffer.of(value ? 1 : 0)];
  if (typeof value === "number")
    return toValue({ type: Number.isInteger(value) ? "uint32" : "float32", value });
  if (isTexts(value)) return [...arrayHead("string", value.length), ...value.map(toText)];
  const { type, value: numbers } = value;
  if (typeof numbers === "number") return [uint32(VALUE_TYPES[type]), toNumber(type, numbers)];
  return [...arrayHead(type, numbers.length), ...numbers.map((one) => toNumber(type, one))];
}

function isTexts(value: GgufValue): value is readonly string[] {
  return Array.isArray(value);
}

function arrayHead(type: keyof typeof VALUE_TYPES, length: number): Buffer[] {
  return [uint32(VALUE_TYPES.array), uint32(VALUE_TYPES[type]), uint64(length)];
}

function toText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  return toNumber("uint32", value);
}

function uint64(value: number): Buffer {
  return toNumber("uint64", value);
}

const WRITERS: Record<NumberType, (buffer: Buffer, value: number) => number> = {
  uint8: (buffer, value) => buffer.writeUInt8(value),
  int8: (buffer, value) => buffer.writeInt8(value),
  uint16: (buffer, value) => buffer.writeUInt16LE(value),
  int16: (buffer, value) => buffer.writeInt16LE(value),
  uint32: (buffer, value) => buffer.writeUInt32LE(value),
  int32: (buffer, value) => buffer.writeInt32LE(value),
  float32: (buffer, value) => buffer.writeFloatLE(value),
  uint64: (buffer, value) => buffer.writeBigUInt64LE(BigInt(value)),
  int64: (buffer, value) => buffer.writeBigInt64LE(BigInt(value)),
  float64: (buffer, value) => buffer.writeDoubleLE(value),
};

function toNumber(type: NumberType, value: number): Buffer {
  const buffer = Buffer.alloc(8);
  return buffer.subarray(0, WRITERS[type](buffer, value));
}
