/** GGUF files byte by byte, also wrong ones. Weights are holes in the file: a model of many GB takes a few KB. */
import { open } from "node:fs/promises";

export type MetaValue = string | number | boolean | bigint | readonly string[] | readonly number[] | Raw;

/** Bytes of a value, with the number of its type in front. */
export class Raw {
  readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

export interface TensorSpec {
  name: string;
  dimensions: readonly (number | bigint)[];
  /** Number of ggml's table; default 1, F16. */
  type?: number;
}

export interface GgufSpec {
  version?: number;
  bigEndian?: boolean;
  metadata?: Readonly<Record<string, MetaValue>>;
  tensors?: readonly TensorSpec[];
}

const ALIGNMENT = 32;
const BLOCKS: Readonly<Record<number, readonly [weights: number, bytes: number]>> = {
  0: [1, 4],
  1: [1, 2],
  8: [32, 34],
  12: [256, 144],
  14: [256, 210],
};

/** Header bytes, and how long the whole file is. */
export function buildGguf({ version = 3, bigEndian = false, metadata = {}, tensors = [] }: GgufSpec): {
  header: Buffer;
  fileBytes: number;
} {
  const to = createEncoder(bigEndian);
  const keys = Object.entries(metadata);
  const parts = [Buffer.from("GGUF"), to.u32(version), to.u64(tensors.length), to.u64(keys.length)];
  for (const [key, value] of keys) parts.push(to.text(key), to.value(value));
  let offset = 0;
  for (const { name, dimensions, type = 1 } of tensors) {
    const weights = dimensions.reduce<number>((size, one) => size * Number(one), 1);
    const [block, bytes] = BLOCKS[type] ?? [1, 1];
    parts.push(to.text(name), to.u32(dimensions.length), ...dimensions.map((one) => to.u64(one)));
    parts.push(to.u32(type), to.u64(offset));
    offset = align(offset + Math.ceil(weights / block) * bytes);
  }
  const header = Buffer.concat(parts);
  return { header, fileBytes: align(header.length) + offset };
}

export async function writeGguf(path: string, spec: GgufSpec): Promise<void> {
  const { header, fileBytes } = buildGguf(spec);
  const file = await open(path, "w");
  try {
    await file.write(header);
    await file.truncate(fileBytes);
  } finally {
    await file.close();
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

interface Encoder {
  u32(value: number): Buffer;
  u64(value: number | bigint): Buffer;
  text(text: string): Buffer;
  value(value: MetaValue): Buffer;
}

export function createEncoder(bigEndian = false): Encoder {
  const u32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (bigEndian) bytes.writeUInt32BE(value);
    else bytes.writeUInt32LE(value);
    return bytes;
  };
  const u64 = (value: number | bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    if (bigEndian) bytes.writeBigUInt64BE(BigInt(value));
    else bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const f32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (bigEndian) bytes.writeFloatBE(value);
    else bytes.writeFloatLE(value);
    return bytes;
  };
  const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
  const scalar = (value: string | number | boolean | bigint): readonly [type: number, bytes: Buffer] => {
    if (typeof value === "string") return [8, text(value)];
    if (typeof value === "boolean") return [7, Buffer.from([value ? 1 : 0])];
    if (typeof value === "bigint") return [10, u64(value)];
    return Number.isInteger(value) && value >= 0 ? [4, u32(value)] : [6, f32(value)];
  };
  const value = (given: MetaValue): Buffer => {
    if (given instanceof Raw) return given.bytes;
    if (typeof given !== "object") {
      const [type, bytes] = scalar(given);
      return Buffer.concat([u32(type), bytes]);
    }
    const items = given.map((one) => scalar(one));
    return Buffer.concat([
      u32(9),
      u32(items[0]?.[0] ?? 4),
      u64(items.length),
      ...items.map(([, bytes]) => bytes),
    ]);
  };
  return { u32, u64, text, value };
}

/** The measures of a decoder-only model, as its metadata names them. */
export interface Measures {
  architecture?: string;
  layers: number;
  embedding: number;
  feedForward: number;
  heads: number;
  kvHeads: number;
  vocabulary: number;
  context: number;
  headLength?: number;
  type?: number;
  /** Without a matrix of its own for the output. */
  tied?: boolean;
  experts?: number;
  metadata?: Readonly<Record<string, MetaValue>>;
  /** With a norm of queries and keys, as qwen3 and gemma3 have. */
  headNorms?: boolean;
  /** With norms after attention and feed-forward, as gemma3 has. */
  postNorms?: boolean;
}

/** A model that llama.cpp takes for a whole one, without a vocabulary. */
export function toModelSpec(measures: Measures): GgufSpec {
  const { architecture = "llama", layers, embedding, feedForward, heads, kvHeads, vocabulary } = measures;
  const { context, headLength = embedding / heads, type = 1, tied = false, experts = 0, metadata } = measures;
  const expertKeys = { [`${architecture}.expert_count`]: experts, [`${architecture}.expert_used_count`]: 2 };
  return {
    metadata: {
      "general.architecture": architecture,
      "general.file_type": type === 12 ? 15 : type === 8 ? 7 : type,
      [`${architecture}.context_length`]: context,
      [`${architecture}.embedding_length`]: embedding,
      [`${architecture}.block_count`]: layers,
      [`${architecture}.feed_forward_length`]: feedForward,
      [`${architecture}.attention.head_count`]: heads,
      [`${architecture}.attention.head_count_kv`]: kvHeads,
      [`${architecture}.attention.key_length`]: headLength,
      [`${architecture}.attention.value_length`]: headLength,
      [`${architecture}.attention.layer_norm_rms_epsilon`]: 0.00001,
      [`${architecture}.rope.dimension_count`]: headLength,
      [`${architecture}.vocab_size`]: vocabulary,
      ...(experts > 0 ? expertKeys : {}),
      "tokenizer.ggml.model": "no_vocab",
      ...metadata,
    },
    tensors: toTensors(measures, { headLength, type, tied, experts }),
  };
}

function toTensors(
  { layers, embedding, feedForward, heads, kvHeads, vocabulary, headNorms, postNorms }: Measures,
  { headLength, type, tied, experts }: { headLength: number; type: number; tied: boolean; experts: number },
): TensorSpec[] {
  const norm = (name: string, length = embedding): TensorSpec => ({ name, dimensions: [length], type: 0 });
  const matrix = (name: string, ...dimensions: number[]): TensorSpec => ({ name, dimensions, type });
  const suffix = experts > 0 ? "_exps" : "";
  const each = experts > 0 ? [experts] : [];
  const block = (at: string): TensorSpec[] => [
    norm(`${at}.attn_norm.weight`),
    matrix(`${at}.attn_q.weight`, embedding, headLength * heads),
    matrix(`${at}.attn_k.weight`, embedding, headLength * kvHeads),
    matrix(`${at}.attn_v.weight`, embedding, headLength * kvHeads),
    matrix(`${at}.attn_output.weight`, headLength * heads, embedding),
    ...(headNorms === true
      ? [norm(`${at}.attn_q_norm.weight`, headLength), norm(`${at}.attn_k_norm.weight`, headLength)]
      : []),
    ...(postNorms === true
      ? [norm(`${at}.post_attention_norm.weight`), norm(`${at}.post_ffw_norm.weight`)]
      : []),
    norm(`${at}.ffn_norm.weight`),
    ...(experts > 0 ? [{ ...norm(`${at}.ffn_gate_inp.weight`), dimensions: [embedding, experts] }] : []),
    matrix(`${at}.ffn_gate${suffix}.weight`, embedding, feedForward, ...each),
    matrix(`${at}.ffn_down${suffix}.weight`, feedForward, embedding, ...each),
    matrix(`${at}.ffn_up${suffix}.weight`, embedding, feedForward, ...each),
  ];
  return [
    matrix("token_embd.weight", embedding, vocabulary),
    norm("output_norm.weight"),
    ...(tied ? [] : [matrix("output.weight", embedding, vocabulary)]),
    ...Array.from({ length: layers }, (_, index) => block(`blk.${index}`)).flat(),
  ];
}
