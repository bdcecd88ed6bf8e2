import { randomBytes } from "node:crypto";

/** Sorts by time. */
export function newCheckpointId(): string {
  return `${Date.now().toString(36)}-${randomBytes(6).toString("hex")}`;
}

export function isCheckpointId(id: string): boolean {
  return /^[a-z0-9][a-z0-9-]{5,63}$/.test(id);
}
