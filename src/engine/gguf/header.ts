/**
 * What a GGUF file says about itself before its weights begin: metadata and the list of tensors (ggml's `docs/gguf.md`). Reads versions
 * 2 and 3 in either byte order. The vocabulary is skipped over, so that a large one takes milliseconds and no memory. Every file is
 * taken for damaged or hostile: nothing is reserved by a number in it that its own size does not bear out.
 */
import { ByteReader } from "./byte-reader.ts";
import { readValue } from "./values.ts";
import type { GgufValue, KeepBudget } from "./values.ts";
import { tensorTypeBytes } from "./tensor-types.ts";

const MAGIC = 0x46554747;
const KEY_LIMIT_BYTES = 65_535;
const NAME_LIMIT_BYTES = 1_024;
const LIMIT_KEYS = 65_536;
const LIMIT_TENSORS = 65_536;
const LIMIT_DIMENSIONS = 8;
const DEFAULT_ALIGNMENT = 32;
const KEEP_CHARS = 4_000_000;

export interface GgufTensor {
  name: string;
  /** Number of ggml's table; `tensorTypeName` gives its name. */
  type: number;
  /** Innermost first. */
  dimensions: readonly number[];
  weights: number;
  /** By its type; of a type we do not know, what lies between it and the next one. */
  bytes: number;
  /** From `GgufHeader.dataOffset` on. */
  offset: number;
}

export interface GgufHeader {
  /** As it was given. */
  path: string;
  fileBytes: number;
  modifiedMs: number;
  version: number;
  byteOrder: "little" | "big";
  /** Long arrays, such as the vocabulary, only by their length; very long strings not at all. */
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: readonly GgufTensor[];
  /** Where in the file the weights begin. */
  dataOffset: number;
}

/** Throws `AgentError` `engine_failed` that names path, place and way out for what cannot be read or is no whole GGUF file. */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  await using reader = await ByteReader.open(path);
  const version = await readVersion(reader);
  const tensorCount = await reader.u64("the number of tensors");
  const keyCount = await reader.u64("the number of metadata keys");
  // A tensor takes at least 24 bytes, a key 13.
  checkCount(reader, { what: "tensors", count: tensorCount, limit: LIMIT_TENSORS, bytes: 24 });
  checkCount(reader, { what: "metadata keys", count: keyCount, limit: LIMIT_KEYS, bytes: 13 });
  const metadata = await readMetadata(reader, keyCount);
  const found = await readTensors(reader, tensorCount);
  const dataOffset = align(reader, metadata.get("general.alignment"));
  return {
    path,
    fileBytes: reader.fileBytes,
    modifiedMs: reader.modifiedMs,
    version,
    byteOrder: reader.littleEndian ? "little" : "big",
    metadata,
    tensors: measureTensors(reader, found, dataOffset),
    dataOffset,
  };
}

async function readVersion(reader: ByteReader): Promise<number> {
  if (reader.left < 24 || (await reader.u32()) !== MAGIC)
    throw reader.error("it is no GGUF file, since it does not start with `GGUF`");
  let version = await reader.u32();
  // Version numbers are small, so a large one is a small one of the other byte order.
  if (version % 65_536 === 0) {
    version /= 16_777_216;
    reader.littleEndian = false;
  }
  if (version === 2 || version === 3) return version;
  if (version === 1)
    throw reader.error(
      "it is of GGUF version 1, which llama.cpp does not read any more",
      "Get a newer file of this model.",
    );
  throw reader.error(
    `its GGUF version is ${version}, and 2 and 3 are known`,
    "Get another file of this model, or a newer version of this program.",
  );
}

function checkCount(
  reader: ByteReader,
  { what, count, limit, bytes }: { what: string; count: number; limit: number; bytes: number },
): void {
  if (count > limit || count * bytes > reader.left)
    throw reader.error(`it claims to have ${count} ${what}, which cannot be in ${reader.fileBytes} bytes`);
}

async function readMetadata(reader: ByteReader, count: number): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  const budget: KeepBudget = { chars: KEEP_CHARS };
  for (let index = 0; index < count; index += 1) {
    const key = await reader.string(`the name of metadata key ${index}`, KEY_LIMIT_BYTES);
    if (key === undefined) throw reader.error(`the name of metadata key ${index} is too long`);
    if (metadata.has(key)) throw reader.error(`its metadata has \`${key}\` twice`);
    budget.chars -= key.length;
    if (budget.chars < 0) throw reader.error("the names of its metadata take more than any model needs");
    const value = await readValue(reader, key, budget);
    if (value !== undefined) metadata.set(key, value);
  }
  return metadata;
}

type FoundTensor = Omit<GgufTensor, "bytes">;

async function readTensors(reader: ByteReader, count: number): Promise<FoundTensor[]> {
  const tensors: FoundTensor[] = [];
  for (let index = 0; index < count; index += 1) {
    const name = await reader.string(`the name of tensor ${index}`, NAME_LIMIT_BYTES);
    if (name === undefined) throw reader.error(`the name of tensor ${index} is too long`);
    const dimensionCount = await reader.u32();
    if (dimensionCount > LIMIT_DIMENSIONS)
      throw reader.error(`tensor \`${name}\` claims to have ${dimensionCount} dimensions`);
    const dimensions: number[] = [];
    for (let axis = 0; axis < dimensionCount; axis += 1)
      dimensions.push(await reader.u64(`dimension ${axis} of tensor \`${name}\``));
    const weights = dimensions.reduce((size, one) => size * one, 1);
    if (!Number.isSafeInteger(weights))
      throw reader.error(`tensor \`${name}\` claims to have ${weights} weights, which cannot be`);
    const type = await reader.u32();
    const offset = await reader.u64(`the place of tensor \`${name}\``);
    tensors.push({ name, type, dimensions, weights, offset });
  }
  return tensors;
}

function align(reader: ByteReader, given: GgufValue | undefined): number {
  const alignment = given ?? DEFAULT_ALIGNMENT;
  const usable =
    typeof alignment === "number" && Number.isInteger(alignment) && alignment > 0 && alignment <= 1 << 20;
  if (!usable) throw reader.error(`its \`general.alignment\` is ${JSON.stringify(given)}, which cannot be`);
  return Math.ceil(reader.offset / alignment) * alignment;
}

/** Every tensor must lie in the file: a download that was cut off is told by this. */
function measureTensors(reader: ByteReader, found: readonly FoundTensor[], dataOffset: number): GgufTensor[] {
  const space = Math.max(0, reader.fileBytes - dataOffset);
  const places = [...found.map(({ offset }) => offset), space].sort((a, b) => a - b);
  const next = new Map(places.map((place, index) => [place, places[index + 1] ?? space]));
  return found.map((tensor) => {
    const bytes =
      tensorTypeBytes(tensor.type, tensor.weights) ?? (next.get(tensor.offset) ?? space) - tensor.offset;
    const end = tensor.offset + bytes;
    if (end > space || bytes < 0) {
      throw reader.error(
        `tensor \`${tensor.name}\` ends at byte ${dataOffset + end}, and the file has ${reader.fileBytes}, so it is cut off or damaged`,
      );
    }
    return { ...tensor, bytes };
  });
}
