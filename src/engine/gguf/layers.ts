/** What each layer of a model holds and keeps for the tokens it has seen. The rules are those of llama.cpp's `llama-model.cpp`. */
import type { GgufTensor } from "./header.ts";
import type { Lookup } from "./lookup.ts";

export interface LayerShape {
  weightBytes: number;
  /** Elements that each token of the context adds to its keys and its values; 0 for a layer without attention. */
  keyLength: number;
  valueLength: number;
  /** It looks back so far only; absent: over the whole context. */
  windowTokens?: number;
  /** What a recurrent layer keeps for a sequence, however long. */
  stateBytes: number;
}

interface LayerFacts {
  architecture: string;
  embedding: number;
  heads: number;
  layers: number;
  /** No tokens come after those that were read at once, so nothing is kept. */
  encoder: boolean;
}

/** Layers in a row that look back a window only, and whether the one that does not comes first. Others have all the same unless they say so. */
const WINDOW_PATTERNS: Readonly<Record<string, readonly [every: number, fullFirst: boolean]>> = {
  afmoe: [4, false],
  cohere2: [4, false],
  exaone4: [4, false],
  "exaone-moe": [4, false],
  gemma2: [2, false],
  gemma3: [6, false],
  gemma3n: [5, false],
  "gemma-embedding": [6, false],
  "gpt-oss": [2, false],
  llama4: [4, false],
  "modern-bert": [3, true],
  olmo2: [4, false],
  plamo3: [8, false],
  smallthinker: [4, true],
};
const LLAMA4_WINDOW = 8_192;
const FLOAT_BYTES = 4;

export function toLayers(
  lookup: Lookup,
  facts: LayerFacts,
  tensors: readonly GgufTensor[],
): readonly LayerShape[] {
  const { architecture: at, layers } = facts;
  const kinds = groupByLayer(tensors, layers);
  const kvHeads = lookup.counts(`${at}.attention.head_count_kv`, layers);
  const queryHeads = lookup.counts(`${at}.attention.head_count`, layers);
  const isWindowed = toWindowRule(lookup, facts);
  const window = lookup.count(`${at}.attention.sliding_window`) ?? (at === "llama4" ? LLAMA4_WINDOW : 0);
  const headLength = facts.heads === 0 ? 0 : facts.embedding / facts.heads;
  // Compressed attention makes the values from what is kept of the keys.
  const compressed = (lookup.count(`${at}.attention.key_length_mla`) ?? 0) > 0;
  const withoutOwn = lookup.count(`${at}.attention.shared_kv_layers`) ?? 0;
  return kinds.map(({ weightBytes, attention, recurrent }, layer) => {
    const windowed = window > 0 && isWindowed(layer);
    const length = (name: "key" | "value"): number => {
      const own = lookup.count(`${at}.attention.${name}_length`) ?? headLength;
      const perHead = windowed ? (lookup.count(`${at}.attention.${name}_length_swa`) ?? own) : own;
      return perHead * (kvHeads[layer] ?? queryHeads[layer] ?? facts.heads);
    };
    const keeps = attention && !facts.encoder && layer < layers - withoutOwn;
    return {
      weightBytes,
      keyLength: keeps ? length("key") : 0,
      valueLength: keeps && !compressed ? length("value") : 0,
      ...(windowed ? { windowTokens: window } : {}),
      stateBytes: recurrent ? toStateBytes(lookup, facts) : 0,
    };
  });
}

/** A layer of a tensor's name; absent for tensors of the whole model. */
export function layerOf(name: string): number | undefined {
  const match = /^blk\.(\d{1,5})\./.exec(name);
  return match === null ? undefined : Number(match[1]);
}

interface LayerKind {
  weightBytes: number;
  attention: boolean;
  recurrent: boolean;
}

/** By the names of its tensors, which are more to be trusted than lists of architectures. */
function groupByLayer(tensors: readonly GgufTensor[], layers: number): readonly LayerKind[] {
  const found = Array.from({ length: layers }, () => ({ weightBytes: 0, names: "" }));
  for (const { name, bytes } of tensors) {
    const layer = found[layerOf(name) ?? layers];
    if (layer === undefined) continue;
    layer.weightBytes += bytes;
    layer.names += ` ${name.slice(name.indexOf(".", 4) + 1)}`;
  }
  return found.map(({ weightBytes, names }) => {
    const recurrent = / (?:ssm_|time_mix_|shortconv\.)/.test(names);
    // A joint matrix beside a recurrent part belongs to it.
    const attention = recurrent ? / attn_k\./.test(names) : names === "" || / attn_(?:k|qkv|kv_)/.test(names);
    return { weightBytes, attention, recurrent };
  });
}

function toWindowRule(lookup: Lookup, { architecture: at }: LayerFacts): (layer: number) => boolean {
  const key = `${at}.attention.sliding_window_pattern`;
  const flags = lookup.flags(key);
  if (flags !== undefined) return (layer) => flags[layer] ?? false;
  const [usual, fullFirst] = WINDOW_PATTERNS[at] ?? [1, false];
  const every = lookup.count(key) ?? usual;
  if (every === 0) return () => true;
  return fullFirst ? (layer) => layer % every !== 0 : (layer) => layer % every < every - 1;
}

/** `llama_hparams::n_embd_r` and `n_embd_s`. */
function toStateBytes(lookup: Lookup, { architecture: at, embedding, heads }: LayerFacts): number {
  const of = (key: string): number => lookup.count(`${at}.${key}`) ?? 0;
  const kernel = of("ssm.conv_kernel");
  const headSize = of("wkv.head_size");
  if (headSize > 0) return FLOAT_BYTES * embedding * (of("token_shift_count") + headSize);
  const history = of("shortconv.l_cache");
  if (history > 0) return FLOAT_BYTES * embedding * (history - 1);
  const kda = of("kda.head_dim");
  if (kda > 0) return FLOAT_BYTES * heads * kda * (3 * Math.max(0, (kernel || 4) - 1) + kda);
  const inner = of("ssm.inner_size");
  const state = of("ssm.state_size");
  const moved = Math.max(0, kernel - 1) * (inner + 2 * of("ssm.group_count") * state);
  return FLOAT_BYTES * (moved + state * inner);
}
