import { fileFailed } from "./failures.ts";

export interface WriteLimits {
  /** Most bytes of one file. */
  fileBytes: number;
  /** Most bytes of all writes together, while the workspace is open. */
  totalBytes: number;
  /** Most writes, while the workspace is open. */
  writes: number;
}

export const WRITE_LIMITS: WriteLimits = {
  fileBytes: 32 * 1024 * 1024,
  totalBytes: 1024 * 1024 * 1024,
  writes: 5_000,
};

/** Counts what tools write. Throws `file_failed` before the write that would go over. */
export function createQuota(limits: WriteLimits): { spend(path: string, bytes: number): void } {
  let total = 0;
  let writes = 0;
  return {
    spend(path, bytes) {
      if (bytes > limits.fileBytes) {
        throw fileFailed(
          path,
          `cannot write ${path}: ${bytes} bytes, but one file may have at most ${limits.fileBytes}; write it in parts`,
        );
      }
      if (writes >= limits.writes || total + bytes > limits.totalBytes) {
        throw fileFailed(
          path,
          `cannot write ${path}: this session has used up its ${limits.writes} writes or ${limits.totalBytes} bytes`,
        );
      }
      writes += 1;
      total += bytes;
    },
  };
}
