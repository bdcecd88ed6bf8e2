/** Names of quantizations, from a file's header and from its name. */
import { tensorTypeName } from "./tensor-types.ts";
import type { GgufTensor } from "./header.ts";

/** `general.file_type`: `llama_ftype` of `llama.h`. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  7: "Q8_0",
  8: "Q5_0",
  9: "Q5_1",
  10: "Q2_K",
  11: "Q3_K_S",
  12: "Q3_K_M",
  13: "Q3_K_L",
  14: "Q4_K_S",
  15: "Q4_K_M",
  16: "Q5_K_S",
  17: "Q5_K_M",
  18: "Q6_K",
  19: "IQ2_XXS",
  20: "IQ2_XS",
  21: "Q2_K_S",
  22: "IQ3_XS",
  23: "IQ3_XXS",
  24: "IQ1_S",
  25: "IQ4_NL",
  26: "IQ3_S",
  27: "IQ3_M",
  28: "IQ2_S",
  29: "IQ2_M",
  30: "IQ4_XS",
  31: "IQ1_M",
  32: "BF16",
  36: "TQ1_0",
  37: "TQ2_0",
  38: "MXFP4",
  39: "NVFP4",
  40: "Q1_0",
  41: "Q2_0",
};

const IN_NAME =
  /(?<![a-z0-9])((?:UD-)?I?Q[1-8](?:_(?:[0-9]|K|P|NL|XXS|XS|S|M|L|XL|XXL))+|TQ[12]_0|(?:MX|NV)FP4(?:_MOE)?|BF16|FP?16|FP?32)(?![a-z0-9])/gi;

/** What the header says, else the type that most weights have; `undefined` without tensors. */
export function toQuantization(
  fileType: number | undefined,
  tensors: readonly GgufTensor[],
): string | undefined {
  const named = fileType === undefined ? undefined : FILE_TYPES[fileType];
  if (named !== undefined) return named;
  const weights = new Map<number, number>();
  for (const { type, weights: count } of tensors) weights.set(type, (weights.get(type) ?? 0) + count);
  const [most] = [...weights].sort(([, one], [, other]) => other - one);
  return most === undefined ? undefined : tensorTypeName(most[0]);
}

/** From a file name such as `Qwen3-8B-UD-Q4_K_XL.gguf`, in capitals. */
export function quantizationOfName(name: string): string | undefined {
  return [...name.matchAll(IN_NAME)].at(-1)?.[1]?.toUpperCase();
}
