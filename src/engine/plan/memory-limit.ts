/** Memory limits of the control groups that this process is in (`memory.max` of cgroup v2, `memory.limit_in_bytes` of v1). */
import { readFileSync } from "node:fs";
import { join } from "node:path";

interface MemoryLimit {
  totalBytes: number;
  /** What may still be taken; cached files do not count, since they give way. */
  freeBytes: number;
}

interface Version {
  folder: string;
  max: string;
  current: string;
  cache: readonly string[];
}

const V2: Version = {
  folder: "",
  max: "memory.max",
  current: "memory.current",
  cache: ["inactive_file", "active_file"],
};
const V1: Version = {
  folder: "memory",
  max: "memory.limit_in_bytes",
  current: "memory.usage_in_bytes",
  cache: ["total_inactive_file", "total_active_file"],
};
/** Version 1 has a number near 2^63 where there is no limit. */
const NO_LIMIT = 2 ** 50;
const LIMIT_DEPTH = 32;

/** The tightest of the group and those around it; `undefined` without any. */
export function readMemoryLimit({
  root = "/sys/fs/cgroup",
  self = "/proc/self/cgroup",
}: { root?: string; self?: string } = {}): MemoryLimit | undefined {
  const lines = (readText(self) ?? "").split("\n").map((line) => line.split(":"));
  const found = [V2, V1].flatMap((version) => {
    const line = lines.find(([id, kinds = ""]) =>
      version === V2 ? id === "0" && kinds === "" : kinds.split(",").includes("memory"),
    );
    return line === undefined ? [] : readGroups(root, version, line.slice(2).join(":"));
  });
  if (found.length === 0) return undefined;
  return {
    totalBytes: Math.min(...found.map(({ totalBytes }) => totalBytes)),
    freeBytes: Math.min(...found.map(({ freeBytes }) => freeBytes)),
  };
}

/** In a container the path may be the one outside; then only the root is there, and that is this container's. */
function readGroups(root: string, version: Version, path: string): readonly MemoryLimit[] {
  const names = path.split("/").filter((name) => name !== "" && name !== "..");
  const depth = Math.min(names.length, LIMIT_DEPTH);
  return Array.from({ length: depth + 1 }, (_, level) =>
    readGroup(join(root, version.folder, ...names.slice(0, level)), version),
  ).filter((limit) => limit !== undefined);
}

function readGroup(folder: string, { max, current, cache }: Version): MemoryLimit | undefined {
  const totalBytes = Number.parseInt(readText(join(folder, max)) ?? "", 10);
  if (!(totalBytes > 0 && totalBytes < NO_LIMIT)) return undefined;
  const used = Number.parseInt(readText(join(folder, current)) ?? "0", 10);
  const stat = readText(join(folder, "memory.stat")) ?? "";
  const cached = cache.reduce(
    (sum, name) => sum + Number(new RegExp(`^${name} (\\d+)$`, "m").exec(stat)?.[1] ?? 0),
    0,
  );
  return { totalBytes, freeBytes: Math.max(0, totalBytes - Math.max(0, used - cached)) };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
