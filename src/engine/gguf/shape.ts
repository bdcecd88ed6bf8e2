/** What a GGUF file is and how large its parts are: all that lists, estimates and plans need of it. */
import { stat } from "node:fs/promises";
import { endianness } from "node:os";
import { AgentError } from "../../core/errors.ts";
import { ggufError } from "./gguf-error.ts";
import { readGgufHeader } from "./header.ts";
import type { GgufHeader, GgufTensor } from "./header.ts";
import { layerOf, toLayers } from "./layers.ts";
import type { LayerShape } from "./layers.ts";
import { createLookup } from "./lookup.ts";
import type { Lookup } from "./lookup.ts";
import { toQuantization } from "./quantization.ts";
import { parsePartName, partPaths } from "./split.ts";

/** `projector`: turns images into tokens for another model; `adapter`: changes another model. */
export type GgufKind = "model" | "projector" | "adapter" | "other";
export type Pooling = "none" | "mean" | "cls" | "last" | "rank";

export interface ModelShape {
  kind: GgufKind;
  architecture: string;
  /** As the file calls itself. */
  name?: string;
  /** Of all parts. */
  fileBytes: number;
  parameters: number;
  /** All weights together. */
  weightBytes: number;
  quantization?: string;
  bitsPerWeight?: number;
  /** Most tokens of context that it was trained for. */
  maxContextTokens?: number;
  embeddingLength: number;
  feedForwardLength: number;
  heads: number;
  vocabulary: number;
  /** Experts in a layer, how many of them a token uses, and how wide they are; 0 without. */
  experts: number;
  expertsUsed: number;
  expertLength: number;
  layers: readonly LayerShape[];
  /** The matrices that tokens are looked up in, which stay in RAM, and those of the output. */
  inputBytes: number;
  outputBytes: number;
  /** The matrix that is input and output at once; 0: they are two. */
  tiedBytes: number;
  /** Largest single tensor. */
  largestBytes: number;
  /** How an embedding model makes one vector of many. */
  pooling?: Pooling;
  /** It reads a whole text at once and writes none. */
  encoder: boolean;
  tokenizer?: string;
  chatTemplate?: string;
  /** The template knows tools. */
  toolUse: boolean;
}

const HOST_ORDER = endianness() === "LE" ? "little" : "big";
const LIMIT_LAYERS = 4_096;
const POOLINGS: readonly Pooling[] = ["none", "mean", "cls", "last", "rank"];
const ENCODERS =
  /^(?:.*bert.*|t5encoder|gemma-embedding|llama-embed|dream|llada(?:-moe)?|neo-bert|wavtokenizer-dec)$/;

/** Of the files that were read last: a model is planned for more than once before it is loaded. */
const newest = new Map<string, { stamp: string; shape: ModelShape }>();
const LIMIT_NEWEST = 16;

/** All parts of a model; read again when one of them is another file. Throws `AgentError` `engine_failed` when one is missing or broken. */
export async function readModelShape(path: string): Promise<ModelShape> {
  const stamp = await toStamp(path);
  const before = newest.get(path);
  newest.delete(path);
  const shape =
    before !== undefined && before.stamp === stamp ? before.shape : toModelShape(await readParts(path));
  if (newest.size >= LIMIT_NEWEST) newest.delete(newest.keys().next().value ?? "");
  newest.set(path, { stamp, shape });
  return shape;
}

async function toStamp(path: string): Promise<string> {
  const parts = partPaths(path).map((part) =>
    stat(part).then(
      ({ dev, ino, size, mtimeMs }) => `${dev}:${ino}:${size}:${mtimeMs}`,
      () => "missing",
    ),
  );
  return (await Promise.all(parts)).join(" ");
}

/** Headers of all parts, the first one first. */
export async function readParts(path: string): Promise<readonly GgufHeader[]> {
  const headers: GgufHeader[] = [];
  for (const part of partPaths(path)) headers.push(await readPart(part, path));
  return headers;
}

async function readPart(part: string, whole: string): Promise<GgufHeader> {
  try {
    return await readGgufHeader(part);
  } catch (thrown) {
    const name = parsePartName(part);
    const missing =
      name !== undefined &&
      AgentError.is(thrown) &&
      (thrown.cause as { code?: unknown } | undefined)?.code === "ENOENT";
    if (!missing) throw thrown;
    const what = `part ${name.part} of ${name.parts} is missing, it should be \`${part}\``;
    throw ggufError(whole, { offset: 0, what, wayOut: "Download that part." });
  }
}

/** Throws `AgentError` `engine_failed` for what says nothing about itself that a model needs. */
export function toModelShape(headers: readonly GgufHeader[]): ModelShape {
  const first = headers[0];
  if (first === undefined) throw new TypeError("a model has at least one part");
  if (first.byteOrder !== HOST_ORDER)
    throw broken(
      first,
      `it was made for ${first.byteOrder}-endian machines, of the other byte order than this one`,
    );
  const lookup = createLookup(first);
  const tensors = headers.flatMap((header) => header.tensors);
  const at = lookup.text("general.architecture") ?? "";
  const kind = toKind(lookup, at);
  if (at === "" && kind === "model") throw broken(first, "its metadata does not name an architecture");
  const template = lookup.text("tokenizer.chat_template");
  const tokenizer = lookup.text("tokenizer.ggml.model");
  const name = lookup.text("general.name");
  return {
    kind,
    architecture: at,
    ...(name === undefined ? {} : { name }),
    fileBytes: headers.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
    ...measure(lookup, tensors),
    ...toDimensions(first, lookup, { at, tensors }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(template === undefined ? {} : { chatTemplate: template }),
    toolUse:
      (template !== undefined && /\btools?\b/.test(template)) ||
      lookup.text("tokenizer.chat_template.tool_use") !== undefined,
  };
}

function toKind(lookup: Lookup, architecture: string): GgufKind {
  const type = lookup.text("general.type");
  if (architecture === "clip" || type === "mmproj") return "projector";
  if (type === "adapter") return "adapter";
  return type === undefined || type === "model" ? "model" : "other";
}

type Measures = Pick<
  ModelShape,
  "parameters" | "weightBytes" | "quantization" | "bitsPerWeight" | "largestBytes"
>;

function measure(lookup: Lookup, tensors: readonly GgufTensor[]): Measures {
  const parameters = tensors.reduce((sum, { weights }) => sum + weights, 0);
  const weightBytes = sumBytes(tensors);
  const quantization = toQuantization(lookup.count("general.file_type"), tensors);
  return {
    parameters,
    weightBytes,
    largestBytes: tensors.reduce((most, { bytes }) => Math.max(most, bytes), 0),
    ...(quantization === undefined ? {} : { quantization }),
    ...(parameters === 0 ? {} : { bitsPerWeight: Math.round((weightBytes * 800) / parameters) / 100 }),
  };
}

function toDimensions(
  header: GgufHeader,
  lookup: Lookup,
  { at, tensors }: { at: string; tensors: readonly GgufTensor[] },
): Omit<
  ModelShape,
  keyof Measures | "fileBytes" | "kind" | "architecture" | "name" | "tokenizer" | "chatTemplate" | "toolUse"
> {
  const layers = toLayerCount(header, lookup, { at, tensors });
  const heads = lookup.counts(`${at}.attention.head_count`, Math.max(1, layers));
  const facts = {
    architecture: at,
    embedding: lookup.count(`${at}.embedding_length`) ?? 0,
    heads: Math.max(0, ...heads.map((one) => one ?? 0)),
    layers,
    encoder: isEncoder(header, at),
  };
  const feedForward = lookup.counts(`${at}.feed_forward_length`, Math.max(1, layers));
  const context = lookup.count(`${at}.context_length`);
  const pooling = POOLINGS[lookup.count(`${at}.pooling_type`) ?? -1];
  return {
    ...(context === undefined || context === 0 ? {} : { maxContextTokens: context }),
    embeddingLength: facts.embedding,
    feedForwardLength: Math.max(0, ...feedForward.map((one) => one ?? 0)),
    heads: facts.heads,
    vocabulary: toVocabulary(lookup, { at, tensors }),
    experts: lookup.count(`${at}.expert_count`) ?? 0,
    expertsUsed: lookup.count(`${at}.expert_used_count`) ?? 0,
    expertLength: lookup.count(`${at}.expert_feed_forward_length`) ?? 0,
    layers: toLayers(lookup, facts, tensors),
    inputBytes: sumBytes(
      tensors.filter(({ name }) => /^(?:token_|position_embd|per_layer_token)/.test(name)),
    ),
    outputBytes: sumBytes(tensors.filter(({ name }) => /^(?:output|output_norm|cls)\./.test(name))),
    tiedBytes: toTiedBytes(tensors, facts.encoder),
    ...(pooling === undefined ? {} : { pooling }),
    encoder: facts.encoder,
  };
}

function toLayerCount(
  header: GgufHeader,
  lookup: Lookup,
  { at, tensors }: { at: string; tensors: readonly GgufTensor[] },
): number {
  const counted = tensors.reduce((most, { name }) => Math.max(most, (layerOf(name) ?? -1) + 1), 0);
  const layers = lookup.count(`${at}.block_count`) ?? counted;
  if (layers > LIMIT_LAYERS) throw broken(header, `it claims to have ${layers} layers`);
  return layers;
}

function isEncoder({ metadata }: GgufHeader, architecture: string): boolean {
  return metadata.get(`${architecture}.attention.causal`) === false || ENCODERS.test(architecture);
}

function toVocabulary(
  lookup: Lookup,
  { at, tensors }: { at: string; tensors: readonly GgufTensor[] },
): number {
  const rows = tensors.find(({ name }) => name === "token_embd.weight")?.dimensions[1];
  return rows ?? lookup.count(`${at}.vocab_size`) ?? lookup.length("tokenizer.ggml.tokens") ?? 0;
}

function toTiedBytes(tensors: readonly GgufTensor[], encoder: boolean): number {
  if (encoder || tensors.some(({ name }) => name === "output.weight")) return 0;
  return sumBytes(tensors.filter(({ name }) => name === "token_embd.weight"));
}

function sumBytes(tensors: readonly GgufTensor[]): number {
  return tensors.reduce((sum, { bytes }) => sum + bytes, 0);
}

function broken({ path, dataOffset }: GgufHeader, what: string): AgentError {
  return ggufError(path, { offset: dataOffset, what });
}
