/** What this machine can hold: memory as far as this process may have it, cores, and GPUs as their own tools tell them. */
import { freemem, totalmem } from "node:os";
import { gpusFromNvidia, gpusFromRocm, freeFromVmStat } from "./machine-tools.ts";
import { createToolRunner } from "./run-tool.ts";
import type { ToolRunner } from "./run-tool.ts";
import { readMemoryLimit } from "./memory-limit.ts";
import { usableCores } from "./threads.ts";

/** Bytes. */
export interface GpuFacts {
  vendor: "nvidia" | "amd" | "apple";
  name: string;
  totalBytes: number;
  freeBytes: number;
}

/** Bytes. */
export interface MachineFacts {
  totalBytes: number;
  /** What can be had without taking it from others. */
  availableBytes: number;
  cores: number;
  gpus: readonly GpuFacts[];
  /** The GPU has no memory of its own: what lies on it is taken from RAM. */
  unified: boolean;
}

export interface MachineOptions {
  run?: ToolRunner;
  platform?: NodeJS.Platform;
  architecture?: string;
  /** Where cgroups are mounted, and the file that says which one this process is in. */
  cgroup?: { root: string; self: string };
  /** Memory as the system tells it. */
  memory?: () => { totalBytes: number; freeBytes: number };
}

/** What macOS lets a GPU have of the memory at most, unless it was told otherwise. */
const UNIFIED_SHARE = 0.75;

export async function readMachine(options: MachineOptions = {}): Promise<MachineFacts> {
  const { run = createToolRunner(), platform = process.platform, architecture = process.arch } = options;
  const { cgroup, memory = systemMemory } = options;
  const { totalBytes, freeBytes } = memory();
  const unified = platform === "darwin" && architecture === "arm64";
  const limit = platform === "linux" ? readMemoryLimit(cgroup) : undefined;
  const free = platform === "darwin" ? ((await readMacFree(run)) ?? freeBytes) : freeBytes;
  const total = Math.min(totalBytes, limit?.totalBytes ?? Number.POSITIVE_INFINITY);
  const available = Math.min(free, limit?.freeBytes ?? Number.POSITIVE_INFINITY, total);
  const gpus = unified ? [toAppleGpu(total, available)] : await readGpus(run);
  return { totalBytes: total, availableBytes: available, cores: usableCores(), gpus, unified };
}

function systemMemory(): { totalBytes: number; freeBytes: number } {
  // On Linux this is `MemAvailable`, with the cache that can be given back.
  return { totalBytes: totalmem(), freeBytes: freemem() };
}

async function readMacFree(run: ToolRunner): Promise<number | undefined> {
  const text = await run("vm_stat", []);
  return text === undefined ? undefined : freeFromVmStat(text);
}

function toAppleGpu(totalBytes: number, availableBytes: number): GpuFacts {
  const share = Math.floor(totalBytes * UNIFIED_SHARE);
  return {
    vendor: "apple",
    name: "Apple GPU",
    totalBytes: share,
    freeBytes: Math.min(share, availableBytes),
  };
}

/** One vendor's: llama.cpp's builds are for one of them. */
async function readGpus(run: ToolRunner): Promise<readonly GpuFacts[]> {
  const nvidia = await run("nvidia-smi", [
    "--query-gpu=name,memory.total,memory.free",
    "--format=csv,noheader,nounits",
  ]);
  const found = nvidia === undefined ? [] : gpusFromNvidia(nvidia);
  if (found.length > 0) return found;
  const rocm = await run("rocm-smi", ["--showmeminfo", "vram", "--csv"]);
  return rocm === undefined ? [] : gpusFromRocm(rocm);
}
