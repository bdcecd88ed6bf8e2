/** Values of GGUF metadata. */
import type { ByteReader } from "./byte-reader.ts";

/** An array that is too long to keep; its elements are of this type. */
export interface GgufLongArray {
  length: number;
  type: string;
}

type GgufScalar = string | number | boolean;

/** 64-bit numbers beyond 2^53 are rounded. */
export type GgufValue = GgufScalar | readonly GgufScalar[] | GgufLongArray;

/** Characters that may still be kept, over all keys. */
export interface KeepBudget {
  chars: number;
}

const STRING = 8;
const ARRAY = 9;
/** By the number of the type: name and bytes. */
const TYPES: readonly (readonly [name: string, bytes: number])[] = [
  ["uint8", 1],
  ["int8", 1],
  ["uint16", 2],
  ["int16", 2],
  ["uint32", 4],
  ["int32", 4],
  ["float32", 4],
  ["bool", 1],
  ["string", 8],
  ["array", 12],
  ["uint64", 8],
  ["int64", 8],
  ["float64", 8],
];

const KEEP_STRING_BYTES = 1_000_000;
/** Values for each layer are kept, vocabularies are not. */
const KEEP_ELEMENTS = 1_024;
const KEEP_STRINGS = 64;
const LIMIT_DEPTH = 4;
const LIMIT_ARRAYS = 65_536;

/** `undefined` for a string that is too long to keep. */
export async function readValue(
  reader: ByteReader,
  key: string,
  budget: KeepBudget,
): Promise<GgufValue | undefined> {
  const type = await reader.u32();
  if (type === ARRAY) return readArray(reader, key, budget);
  return readScalar(reader, { type, key }, budget);
}

interface Place {
  type: number;
  key: string;
}

async function readScalar(
  reader: ByteReader,
  { type, key }: Place,
  budget: KeepBudget,
): Promise<GgufScalar | undefined> {
  if (type === STRING) return readString(reader, key, budget);
  const { view, at } = await reader.take(typeOf(reader, { type, key })[1]);
  return toScalar({ view, at, littleEndian: reader.littleEndian }, type);
}

function typeOf(reader: ByteReader, { type, key }: Place): readonly [name: string, bytes: number] {
  const known = TYPES[type];
  if (known === undefined) throw reader.error(`\`${key}\` has a value of type ${type}, which does not exist`);
  return known;
}

async function readString(reader: ByteReader, key: string, budget: KeepBudget): Promise<string | undefined> {
  const text = await reader.string(`the value of \`${key}\``, Math.min(KEEP_STRING_BYTES, budget.chars));
  budget.chars -= text?.length ?? 0;
  return text;
}

function toScalar(
  { view, at, littleEndian }: { view: DataView; at: number; littleEndian: boolean },
  type: number,
): number | boolean {
  switch (TYPES[type]?.[0]) {
    case "uint8":
      return view.getUint8(at);
    case "int8":
      return view.getInt8(at);
    case "uint16":
      return view.getUint16(at, littleEndian);
    case "int16":
      return view.getInt16(at, littleEndian);
    case "uint32":
      return view.getUint32(at, littleEndian);
    case "int32":
      return view.getInt32(at, littleEndian);
    case "float32":
      return view.getFloat32(at, littleEndian);
    case "bool":
      return view.getUint8(at) !== 0;
    case "uint64":
      return Number(view.getBigUint64(at, littleEndian));
    case "int64":
      return Number(view.getBigInt64(at, littleEndian));
    default:
      return view.getFloat64(at, littleEndian);
  }
}

async function readArray(reader: ByteReader, key: string, budget: KeepBudget): Promise<GgufValue> {
  const type = await reader.u32();
  const length = await reader.u64(`the length of \`${key}\``);
  const keep = type === ARRAY ? 0 : type === STRING ? KEEP_STRINGS : KEEP_ELEMENTS;
  if (length > keep) {
    await skipArray(reader, { type, key, length, depth: 1 });
    return { length, type: typeOf(reader, { type, key })[0] };
  }
  const values: GgufScalar[] = [];
  for (let index = 0; index < length; index += 1) {
    const value = await readScalar(reader, { type, key }, budget);
    values.push(value ?? "");
  }
  return values;
}

async function skipArray(
  reader: ByteReader,
  { type, key, length, depth }: Place & { length: number; depth: number },
): Promise<void> {
  const [, bytes] = typeOf(reader, { type, key });
  const what = `the value of \`${key}\``;
  if (type === STRING) return reader.skipStrings(length, what);
  if (type !== ARRAY) return reader.skip(length * bytes, what);
  if (depth >= LIMIT_DEPTH)
    throw reader.error(`\`${key}\` has arrays in arrays, more than ${LIMIT_DEPTH} deep`);
  if (length > LIMIT_ARRAYS) throw reader.error(`\`${key}\` has ${length} arrays in one, which cannot be`);
  for (let index = 0; index < length; index += 1) {
    const inner = { type: await reader.u32(), length: await reader.u64(`the length of \`${key}\``) };
    await skipArray(reader, { ...inner, key, depth: depth + 1 });
  }
}
