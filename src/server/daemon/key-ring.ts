import { timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { KeyRing } from "../http/guard.ts";
import { hashKey, keyStorePath, parseKeys } from "./key-store.ts";

/**
 * Keys of which only the SHA-256, in hex, is known: the stored ones as they are now, so that a revoked key opens nothing any more, and
 * `more` of this start. A store that cannot be read holds none.
 */
export function createKeyRing(home: string, more: readonly string[]): KeyRing {
  const path = keyStorePath(home);
  let known: Buffer[] = [];
  let readAt = -1;
  const refresh = (): void => {
    const changedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (changedAt === readAt) return;
    readAt = changedAt;
    known = [...more, ...readHashes(path)].map((hash) => Buffer.from(hash, "hex"));
  };
  return {
    accepts: (key) => {
      refresh();
      const given = Buffer.from(hashKey(key), "hex");
      // Always all of them, so that the time tells nothing.
      return known.map((one) => timingSafeEqual(one, given)).includes(true);
    },
  };
}

function readHashes(path: string): string[] {
  try {
    return parseKeys(readFileSync(path, "utf8"), path).map(({ sha256 }) => sha256);
  } catch {
    return [];
  }
}
