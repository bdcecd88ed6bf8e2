/** What suits a GPU of a size, as advice: quantization, length of a reply and requests at once. */
import type { MachineFacts } from "../../../engine/plan/machine.ts";

export interface GpuAdvice {
  /** GPU memory from which on it holds, in GB. */
  fromGb: number;
  quantization: string;
  maxTokens: readonly [number, number];
  batch: string;
}

const TABLE: readonly GpuAdvice[] = [
  { fromGb: 12, quantization: "Q8_0 or F16", maxTokens: [4096, 8192], batch: "4 or more" },
  { fromGb: 8, quantization: "Q5_K_M or Q8_0", maxTokens: [3072, 4096], batch: "2 to 4" },
  { fromGb: 6, quantization: "Q5_K_M", maxTokens: [2048, 3072], batch: "1 or 2" },
  { fromGb: 4, quantization: "Q4_K_M", maxTokens: [1024, 2048], batch: "1" },
];

/** For the largest GPU; `undefined` below 4 GB and without one. */
export function adviseForGpu({ gpus }: MachineFacts): GpuAdvice | undefined {
  const largest = Math.max(0, ...gpus.map(({ totalBytes }) => totalBytes));
  return TABLE.find(({ fromGb }) => largest >= fromGb * 1e9);
}
