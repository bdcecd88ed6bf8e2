import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Models smaller than this are slower with more than one thread: the threads wait for each other longer than they compute. */
const SINGLE_THREAD_BELOW_BYTES = 50_000_000;

/**
 * Threads to compute with: never more than the cores this process may use, since llama.cpp's threads spin while they wait and
 * starve each other on a shared core.
 */
export function chooseThreads(modelBytes: number, cores: number = usableCores()): number {
  return modelBytes < SINGLE_THREAD_BELOW_BYTES ? 1 : Math.max(1, cores);
}

/** Cores by affinity and by the cgroup's quota (`cpu.max`, or `cfs_quota_us` of cgroup v1), whichever is less; at least 1. */
export function usableCores(root = "/sys/fs/cgroup"): number {
  const quota = readQuota(root);
  const cores = availableParallelism();
  return quota === undefined ? cores : Math.max(1, Math.min(cores, Math.floor(quota)));
}

function readQuota(root: string): number | undefined {
  const [quota, period] = (readText(`${root}/cpu.max`) ?? "").trim().split(/\s+/);
  if (quota !== undefined && period !== undefined) return toCores(quota, period);
  return toCores(
    readText(`${root}/cpu/cpu.cfs_quota_us`) ?? "",
    readText(`${root}/cpu/cpu.cfs_period_us`) ?? "",
  );
}

function toCores(quota: string, period: string): number | undefined {
  const cores = Number.parseInt(quota, 10) / Number.parseInt(period, 10);
  return Number.isFinite(cores) && cores > 0 ? cores : undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
