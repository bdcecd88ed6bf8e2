/** What the processes that compute take now. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const PATIENCE_MS = 2_000;

/** Resident memory in bytes; `undefined` where it cannot be told. */
export async function readResidentBytes(pid: number | undefined): Promise<number | undefined> {
  if (pid === undefined) return undefined;
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => undefined);
  if (status === undefined) return readByPs(pid);
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

async function readByPs(pid: number): Promise<number | undefined> {
  try {
    const { stdout } = await run("ps", ["-o", "rss=", "-p", String(pid)], { timeout: PATIENCE_MS });
    const kilobytes = Number(stdout.trim());
    return kilobytes > 0 ? kilobytes * 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** Memory on NVIDIA's GPUs by process id, in bytes; empty without such a GPU. */
export async function readGpuBytes(): Promise<ReadonlyMap<number, number>> {
  try {
    const { stdout } = await run(
      "nvidia-smi",
      ["--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"],
      { timeout: PATIENCE_MS },
    );
    const bytes = new Map<number, number>();
    for (const line of stdout.split("\n")) {
      const [pid, megabytes] = line.split(",").map((field) => Number(field.trim()));
      if (pid !== undefined && megabytes !== undefined && pid > 0 && Number.isFinite(megabytes))
        bytes.set(pid, (bytes.get(pid) ?? 0) + megabytes * 1024 * 1024);
    }
    return bytes;
  } catch {
    return new Map();
  }
}
