/** Models whose layers keep something else than keys and values: a state, a short history, compressed keys. */
import type { GgufSpec, MetaValue, TensorSpec } from "./_gguf.ts";

const norm = (name: string, ...dimensions: number[]): TensorSpec => ({ name, dimensions, type: 0 });
const matrix = (name: string, ...dimensions: number[]): TensorSpec => ({ name, dimensions, type: 8 });

function toMetadata(architecture: string, values: Record<string, MetaValue>): Record<string, MetaValue> {
  const own = Object.entries(values).map(([key, value]) => [`${architecture}.${key}`, value] as const);
  return {
    "general.architecture": architecture,
    [`${architecture}.attention.layer_norm_rms_epsilon`]: 0.00001,
    ...Object.fromEntries(own),
    "tokenizer.ggml.model": "no_vocab",
  };
}

/** All layers recurrent. */
export function mambaSpec(): GgufSpec {
  const [width, inner, state, rank, layers, vocabulary] = [1024, 2048, 16, 64, 24, 50_280];
  const block = (at: string): TensorSpec[] => [
    norm(`${at}.attn_norm.weight`, width),
    matrix(`${at}.ssm_in.weight`, width, 2 * inner),
    norm(`${at}.ssm_conv1d.weight`, 4, inner),
    norm(`${at}.ssm_conv1d.bias`, inner),
    matrix(`${at}.ssm_x.weight`, inner, rank + 2 * state),
    matrix(`${at}.ssm_dt.weight`, rank, inner),
    norm(`${at}.ssm_dt.bias`, inner),
    norm(`${at}.ssm_a`, state, inner),
    norm(`${at}.ssm_d`, inner),
    matrix(`${at}.ssm_out.weight`, inner, width),
  ];
  return {
    metadata: toMetadata("mamba", {
      context_length: 1_048_576,
      embedding_length: width,
      feed_forward_length: 0,
      "attention.head_count": 0,
      block_count: layers,
      "ssm.conv_kernel": 4,
      "ssm.inner_size": inner,
      "ssm.state_size": state,
      "ssm.time_step_rank": rank,
      vocab_size: vocabulary,
    }),
    tensors: [
      matrix("token_embd.weight", width, vocabulary),
      norm("output_norm.weight", width),
      ...Array.from({ length: layers }, (_, layer) => block(`blk.${layer}`)).flat(),
    ],
  };
}

/** Some layers with attention, the others with a short history. */
export function hybridSpec(): GgufSpec {
  const [width, feedForward, vocabulary] = [1024, 4608, 65_536];
  const kvHeads = [0, 0, 8, 0, 0, 8, 0, 0, 8, 0, 8, 0, 8, 0, 8, 0];
  const attention = (at: string): TensorSpec[] => [
    matrix(`${at}.attn_q.weight`, width, width),
    matrix(`${at}.attn_k.weight`, width, 512),
    matrix(`${at}.attn_v.weight`, width, 512),
    matrix(`${at}.attn_output.weight`, width, width),
    norm(`${at}.attn_q_norm.weight`, 64),
    norm(`${at}.attn_k_norm.weight`, 64),
  ];
  const history = (at: string): TensorSpec[] => [
    norm(`${at}.shortconv.conv.weight`, 3, width),
    matrix(`${at}.shortconv.in_proj.weight`, width, 3 * width),
    matrix(`${at}.shortconv.out_proj.weight`, width, width),
  ];
  const block = (at: string): TensorSpec[] => [
    norm(`${at}.attn_norm.weight`, width),
    norm(`${at}.ffn_norm.weight`, width),
    matrix(`${at}.ffn_gate.weight`, width, feedForward),
    matrix(`${at}.ffn_up.weight`, width, feedForward),
    matrix(`${at}.ffn_down.weight`, feedForward, width),
  ];
  return {
    metadata: toMetadata("lfm2", {
      context_length: 128_000,
      embedding_length: width,
      feed_forward_length: feedForward,
      "attention.head_count": 16,
      "attention.head_count_kv": kvHeads,
      block_count: kvHeads.length,
      "shortconv.l_cache": 3,
      "rope.freq_base": 1_000_000.5,
      vocab_size: vocabulary,
    }),
    tensors: [
      matrix("token_embd.weight", width, vocabulary),
      norm("token_embd_norm.weight", width),
      ...kvHeads.flatMap((heads, layer) => [
        ...block(`blk.${layer}`),
        ...(heads > 0 ? attention(`blk.${layer}`) : history(`blk.${layer}`)),
      ]),
    ],
  };
}

/** Keys and values compressed into one, as in DeepSeek's models. */
export function compressedSpec(): GgufSpec {
  const [width, layers, heads, feedForward, vocabulary] = [2048, 27, 16, 10_944, 102_400];
  const [rank, rope, plain, value] = [512, 64, 128, 128];
  const block = (at: string): TensorSpec[] => [
    norm(`${at}.attn_norm.weight`, width),
    matrix(`${at}.attn_q.weight`, width, heads * (plain + rope)),
    matrix(`${at}.attn_kv_a_mqa.weight`, width, rank + rope),
    norm(`${at}.attn_kv_a_norm.weight`, rank),
    matrix(`${at}.attn_k_b.weight`, plain, rank, heads),
    matrix(`${at}.attn_v_b.weight`, rank, value, heads),
    matrix(`${at}.attn_output.weight`, heads * value, width),
    norm(`${at}.ffn_norm.weight`, width),
    matrix(`${at}.ffn_gate.weight`, width, feedForward),
    matrix(`${at}.ffn_up.weight`, width, feedForward),
    matrix(`${at}.ffn_down.weight`, feedForward, width),
  ];
  return {
    metadata: toMetadata("deepseek2", {
      context_length: 163_840,
      embedding_length: width,
      feed_forward_length: feedForward,
      "attention.head_count": heads,
      "attention.head_count_kv": 1,
      block_count: layers,
      leading_dense_block_count: layers,
      "attention.kv_lora_rank": rank,
      "attention.key_length": rank + rope,
      "attention.value_length": rank,
      "attention.key_length_mla": plain + rope,
      "attention.value_length_mla": value,
      "rope.dimension_count": rope,
      expert_feed_forward_length: 1408,
      expert_count: 64,
      expert_used_count: 6,
      expert_shared_count: 2,
      expert_weights_scale: 1.5,
      expert_gating_func: 1,
      vocab_size: vocabulary,
    }),
    tensors: [
      matrix("token_embd.weight", width, vocabulary),
      norm("output_norm.weight", width),
      matrix("output.weight", width, vocabulary),
      ...Array.from({ length: layers }, (_, layer) => block(`blk.${layer}`)).flat(),
    ],
  };
}
