/**
 * Small models that llama.cpp really loads, made on the spot: with random weights, or with weights that write a given text. Their
 * vocabulary has a token for every byte, so that every text can be read.
 */
import { writeGguf } from "./gguf-writer.ts";
import type { GgufTensor, GgufTensorType, GgufValue } from "./gguf-writer.ts";
import { constantData, oneHotData, randomData } from "./tensor-data.ts";

export interface TinyModelOptions {
  /** Default 1. The same seed gives the same file. */
  seed?: number;
  /** Default `llama`, or `bert` for `embedding`; one that llama.cpp does not know makes a file that cannot be loaded. */
  architecture?: string;
  name?: string;
  /** Default 2. */
  layers?: number;
  /** Default 64; a multiple of 32. */
  width?: number;
  /** Default 4 of width 16, and as many for keys and values. */
  heads?: number;
  keyValueHeads?: number;
  /** Default twice the width. */
  feedForward?: number;
  /** Tokens of context that the file claims; default 2048. */
  contextTokens?: number;
  /** Fills the vocabulary up to this size with tokens that stand for nothing in particular. */
  vocabularySize?: number;
  /** Jinja; default ChatML. `false`: none, a base model. */
  chatTemplate?: string | false;
  /** Type of the matrices; default `F32`. */
  type?: GgufTensorType;
  /** A model of texts' meaning (BERT, mean of its tokens, not causal) that writes no text. */
  embedding?: boolean;
  /** What the model says: each of these is one token and follows the one before, whatever the prompt was; all different. Then it ends. */
  script?: readonly string[];
}

interface Plan extends Required<Omit<TinyModelOptions, "chatTemplate" | "vocabularySize" | "script">> {
  tokens: readonly VocabularyToken[];
  chatTemplate: string | false;
  script: readonly string[];
}

interface VocabularyToken {
  text: string;
  /** 1 normal, 2 unknown, 3 control, 6 byte. */
  kind: number;
  score: number;
}

const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** Tokens with a meaning: unknown, begin, end, and ChatML's two. */
const CONTROLS = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"];
const BERT_CONTROLS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/** About 0.5 MB with the default options. */
export async function writeTinyModel(path: string, options: TinyModelOptions = {}): Promise<void> {
  const plan = toPlan(options);
  await writeGguf(path, {
    metadata: plan.embedding ? toBertMetadata(plan) : toLlamaMetadata(plan),
    tensors: plan.embedding ? toBertTensors(plan) : toLlamaTensors(plan),
  });
}

function toPlan(options: TinyModelOptions): Plan {
  const { script = [], embedding = false, vocabularySize = 0, chatTemplate = CHATML } = options;
  const tokens = embedding ? toBertVocabulary() : toVocabulary(script, vocabularySize);
  // One place for each token, so that the tokens can be told apart by it.
  const width = script.length > 0 ? Math.ceil(tokens.length / 64) * 64 : (options.width ?? 64);
  const heads = options.heads ?? Math.max(1, width / 16);
  return {
    seed: options.seed ?? 1,
    architecture: options.architecture ?? (embedding ? "bert" : "llama"),
    name: options.name ?? "tiny",
    layers: options.layers ?? (script.length > 0 ? 1 : 2),
    width,
    heads,
    keyValueHeads: options.keyValueHeads ?? heads,
    feedForward: options.feedForward ?? (script.length > 0 ? 64 : width * 2),
    contextTokens: options.contextTokens ?? 2048,
    type: options.type ?? "F32",
    chatTemplate,
    embedding,
    tokens,
    script,
  };
}

function toVocabulary(script: readonly string[], size: number): VocabularyToken[] {
  const tokens = CONTROLS.map((text, at) => ({ text, kind: at === 0 ? 2 : 3, score: 0 }));
  for (let byte = 0; byte < 256; byte += 1)
    tokens.push({ text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`, kind: 6, score: 0 });
  const known = new Set<string>();
  const add = (text: string): void => {
    if (known.has(text)) throw new Error(`The token \`${text}\` is there twice.`);
    known.add(text);
    tokens.push({ text, kind: 1, score: -tokens.length });
  };
  for (let code = 0x21; code < 0x7f; code += 1) add(String.fromCharCode(code));
  add("\u2581");
  for (const piece of script) {
    const text = piece.replaceAll(" ", "\u2581");
    if (!known.has(text)) add(text);
  }
  while (tokens.length < size) add(`\u2581w${tokens.length}`);
  return tokens;
}

function toBertVocabulary(): VocabularyToken[] {
  const tokens = BERT_CONTROLS.map((text, at) => ({ text, kind: at === 1 ? 2 : 3, score: 0 }));
  for (let code = 0x21; code < 0x7f; code += 1) {
    const letter = String.fromCharCode(code);
    tokens.push({ text: `\u2581${letter}`, kind: 1, score: 0 }, { text: letter, kind: 1, score: 0 });
  }
  return tokens;
}

function toCommonMetadata(plan: Plan): Record<string, GgufValue> {
  const { architecture: key, tokens } = plan;
  return {
    "general.architecture": key,
    "general.name": plan.name,
    "general.file_type": { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7 }[plan.type],
    [`${key}.context_length`]: plan.contextTokens,
    [`${key}.embedding_length`]: plan.width,
    [`${key}.block_count`]: plan.layers,
    [`${key}.feed_forward_length`]: plan.feedForward,
    [`${key}.attention.head_count`]: plan.heads,
    "tokenizer.ggml.tokens": tokens.map(({ text }) => text),
    "tokenizer.ggml.token_type": { type: "int32", value: tokens.map(({ kind }) => kind) },
    "tokenizer.ggml.scores": { type: "float32", value: tokens.map(({ score }) => score) },
  };
}

function toLlamaMetadata(plan: Plan): Record<string, GgufValue> {
  const { architecture: key, chatTemplate } = plan;
  return {
    ...toCommonMetadata(plan),
    [`${key}.attention.head_count_kv`]: plan.keyValueHeads,
    [`${key}.attention.layer_norm_rms_epsilon`]: { type: "float32", value: 1e-5 },
    [`${key}.rope.dimension_count`]: plan.width / plan.heads,
    [`${key}.vocab_size`]: plan.tokens.length,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.add_bos_token": true,
    "tokenizer.ggml.add_space_prefix": false,
    ...(chatTemplate === false ? {} : { "tokenizer.chat_template": chatTemplate }),
  };
}

function toBertMetadata(plan: Plan): Record<string, GgufValue> {
  const { architecture: key } = plan;
  return {
    ...toCommonMetadata(plan),
    [`${key}.attention.layer_norm_epsilon`]: { type: "float32", value: 1e-5 },
    [`${key}.attention.causal`]: false,
    [`${key}.pooling_type`]: 1,
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.token_type_count": 2,
    "tokenizer.ggml.padding_token_id": 0,
    "tokenizer.ggml.unknown_token_id": 1,
    "tokenizer.ggml.cls_token_id": 2,
    "tokenizer.ggml.bos_token_id": 2,
    "tokenizer.ggml.seperator_token_id": 3,
    "tokenizer.ggml.eos_token_id": 3,
    "tokenizer.ggml.mask_token_id": 4,
  };
}

/** Gives each tensor a seed of its own, so that the weights do not depend on the order. */
function createShapes(plan: Plan) {
  let seed = plan.seed * 1000;
  const matrix = (name: string, columns: number, rows: number): GgufTensor => {
    seed += 1;
    const shape = { name, type: plan.type, dimensions: [columns, rows] };
    const silent = plan.script.length > 0;
    const own = seed;
    return {
      ...shape,
      data: () =>
        silent ? constantData(shape, 0) : randomData(shape, { seed: own, size: 1 / Math.sqrt(columns) }),
    };
  };
  const vector = (name: string, length: number, value: number): GgufTensor => {
    const shape = { name, type: "F32" as const, dimensions: [length] };
    return { ...shape, data: () => constantData(shape, value) };
  };
  return { matrix, vector };
}

function toLlamaTensors(plan: Plan): GgufTensor[] {
  const { width, heads, keyValueHeads, feedForward, layers, tokens, script } = plan;
  const { matrix, vector } = createShapes(plan);
  const keyValueWidth = (width / heads) * keyValueHeads;
  const blocks = Array.from({ length: layers }, (_, layer) => `blk.${layer}`).flatMap((block) => [
    vector(`${block}.attn_norm.weight`, width, 1),
    matrix(`${block}.attn_q.weight`, width, width),
    matrix(`${block}.attn_k.weight`, width, keyValueWidth),
    matrix(`${block}.attn_v.weight`, width, keyValueWidth),
    matrix(`${block}.attn_output.weight`, width, width),
    vector(`${block}.ffn_norm.weight`, width, 1),
    matrix(`${block}.ffn_gate.weight`, width, feedForward),
    matrix(`${block}.ffn_up.weight`, width, feedForward),
    matrix(`${block}.ffn_down.weight`, feedForward, width),
  ]);
  const ends = [
    matrix("token_embd.weight", width, tokens.length),
    vector("output_norm.weight", width, 1),
    matrix("output.weight", width, tokens.length),
  ];
  return [...(script.length === 0 ? ends : scripted(ends, plan)), ...blocks];
}

/** Each token is a place of its own, and the output at that place is the token that follows. */
function scripted(ends: readonly GgufTensor[], { tokens, script, width }: Plan): GgufTensor[] {
  const ids = script.map((piece) => tokens.findIndex(({ text }) => text === piece.replaceAll(" ", "\u2581")));
  const successors = tokens.map(() => ids[0] as number);
  for (const [at, id] of ids.entries()) successors[id] = ids[at + 1] ?? 2;
  const hot = (name: string, places: readonly (readonly number[])[]): GgufTensor => {
    const shape = { name, type: "F32" as const, dimensions: [width, tokens.length] };
    return { ...shape, data: () => oneHotData(width, places) };
  };
  const predecessors = tokens.map((): number[] => []);
  for (const [token, next] of successors.entries()) predecessors[next]?.push(token);
  return ends.map((tensor) => {
    if (tensor.name === "token_embd.weight")
      return hot(
        tensor.name,
        tokens.map((_, at) => [at]),
      );
    return tensor.name === "output.weight" ? hot(tensor.name, predecessors) : tensor;
  });
}

function toBertTensors(plan: Plan): GgufTensor[] {
  const { width, feedForward, layers, tokens, contextTokens } = plan;
  const { matrix, vector } = createShapes(plan);
  const norm = (name: string): GgufTensor[] => [
    vector(`${name}.weight`, width, 1),
    vector(`${name}.bias`, width, 0),
  ];
  const linear = (name: string, columns: number, rows: number): GgufTensor[] => [
    matrix(`${name}.weight`, columns, rows),
    vector(`${name}.bias`, rows, 0),
  ];
  const blocks = Array.from({ length: layers }, (_, layer) => `blk.${layer}`).flatMap((block) => [
    ...linear(`${block}.attn_q`, width, width),
    ...linear(`${block}.attn_k`, width, width),
    ...linear(`${block}.attn_v`, width, width),
    ...linear(`${block}.attn_output`, width, width),
    ...norm(`${block}.attn_output_norm`),
    ...linear(`${block}.ffn_up`, width, feedForward),
    ...linear(`${block}.ffn_down`, feedForward, width),
    ...norm(`${block}.layer_output_norm`),
  ]);
  return [
    matrix("token_embd.weight", width, tokens.length),
    matrix("position_embd.weight", width, contextTokens),
    matrix("token_types.weight", width, 2),
    ...norm("token_embd_norm"),
    ...blocks,
  ];
}
