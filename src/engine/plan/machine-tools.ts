/** What the vendors' tools print about memory. Lines that are not as expected are left out: a driver that fails must not end a load. */
import type { GpuFacts } from "./machine.ts";

const MIB = 2 ** 20;
const LIMIT_GPUS = 64;
const LIMIT_BYTES = 2 ** 46;
const NAME_CHARS = 100;

/** `nvidia-smi --query-gpu=name,memory.total,memory.free --format=csv,noheader,nounits`: sizes in MiB. */
export function gpusFromNvidia(text: string): readonly GpuFacts[] {
  const rows = text.split("\n").map((line) => /^(.+),\s*(\d+),\s*(\d+)\s*$/.exec(line.trim()));
  return rows.slice(0, LIMIT_GPUS).flatMap((row) => {
    if (row === null) return [];
    return toGpu("nvidia", {
      name: row[1],
      totalBytes: Number(row[2]) * MIB,
      freeBytes: Number(row[3]) * MIB,
    });
  });
}

/** `rocm-smi --showmeminfo vram --csv`: `device,VRAM Total Memory (B),VRAM Total Used Memory (B)`. */
export function gpusFromRocm(text: string): readonly GpuFacts[] {
  const rows = text.split("\n").map((line) => /^(card\d+),(\d+),(\d+)/.exec(line.trim()));
  return rows.slice(0, LIMIT_GPUS).flatMap((row) => {
    if (row === null) return [];
    const totalBytes = Number(row[2]);
    return toGpu("amd", { name: `AMD ${row[1]}`, totalBytes, freeBytes: totalBytes - Number(row[3]) });
  });
}

/** `vm_stat` of macOS: free pages and those that can be had at once. */
export function freeFromVmStat(text: string): number | undefined {
  const pageBytes = Number(/page size of (\d+) bytes/.exec(text)?.[1]);
  const pages = ["free", "inactive", "speculative", "purgeable"].map((name) =>
    Number(new RegExp(`^Pages ${name}:\\s+(\\d+)\\.`, "m").exec(text)?.[1] ?? 0),
  );
  const bytes = pageBytes * pages.reduce((sum, one) => sum + one, 0);
  return isSize(bytes) ? bytes : undefined;
}

function toGpu(
  vendor: GpuFacts["vendor"],
  {
    name = "GPU",
    totalBytes,
    freeBytes,
  }: { name?: string | undefined; totalBytes: number; freeBytes: number },
): readonly GpuFacts[] {
  if (!isSize(totalBytes) || freeBytes < 0 || freeBytes > totalBytes) return [];
  return [{ vendor, name: name.trim().slice(0, NAME_CHARS), totalBytes, freeBytes }];
}

function isSize(bytes: number): boolean {
  return Number.isSafeInteger(bytes) && bytes > 0 && bytes <= LIMIT_BYTES;
}
