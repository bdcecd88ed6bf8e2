/** What is at a path of the workspace, as far as it can be put back. */

export type FileState =
  | RecordedFile
  | UnrecordedFile
  /** `target` as `decodeName` gives it. */
  | { kind: "link"; target: string }
  | { kind: "folder"; mode: number }
  /** A pipe, socket or device. */
  | { kind: "other" };

/** A file whose bytes are kept under their hash. */
export interface RecordedFile {
  kind: "file";
  /** Permission bits only. */
  mode: number;
  size: number;
  /** SHA-256 of the bytes, in lower-case hex. */
  hash: string;
}

/** A file whose bytes are not kept. `stamp` tells whether it was changed, and nothing more. */
export interface UnrecordedFile {
  kind: "file";
  mode: number;
  size: number;
  stamp: string;
}

/** `null`: nothing is there, or not by a way without links. */
export type PathState = FileState | null;

/** One change of one path: by a call of the agent, as far as is known. */
export interface Step {
  path: string;
  before: PathState;
  after: PathState;
  /** The call never said that it ended: somebody else may have made a part of the change. */
  uncertain?: true;
}

export function isSame(one: PathState, other: PathState): boolean {
  if (one === null || other === null) return one === other;
  if (one.kind === "file") return other.kind === "file" && isSameFile(one, other);
  if (one.kind === "link") return other.kind === "link" && one.target === other.target;
  if (one.kind === "folder") return other.kind === "folder" && one.mode === other.mode;
  return other.kind === "other";
}

type File = RecordedFile | UnrecordedFile;

function isSameFile(one: File, other: File): boolean {
  if (one.mode !== other.mode || one.size !== other.size) return false;
  if ("hash" in one) return "hash" in other && one.hash === other.hash;
  return "stamp" in other && one.stamp === other.stamp;
}

export function isRecorded(state: PathState): state is RecordedFile {
  return state?.kind === "file" && "hash" in state;
}

export function isUnrecorded(state: PathState): state is UnrecordedFile {
  return state?.kind === "file" && !("hash" in state);
}

const MAX_TARGET_CHARACTERS = 8_192;

/** What was written down, checked; `undefined` for anything else. */
export function parseState(input: unknown): PathState | undefined {
  if (input === null) return null;
  if (typeof input !== "object") return undefined;
  const { kind, mode, size, hash, stamp, target } = input as Record<string, unknown>;
  if (kind === "other") return { kind };
  if (kind === "link")
    return isTarget(target) && target.length <= MAX_TARGET_CHARACTERS ? { kind, target } : undefined;
  if (!isCount(mode) || mode > 0o777) return undefined;
  if (kind === "folder") return { kind, mode };
  if (kind !== "file" || !isCount(size)) return undefined;
  if (isHash(hash)) return { kind, mode, size, hash };
  return typeof stamp === "string" ? { kind, mode, size, stamp } : undefined;
}

export function isHash(input: unknown): input is string {
  return typeof input === "string" && /^[0-9a-f]{64}$/.test(input);
}

export function isCount(input: unknown): input is number {
  return Number.isSafeInteger(input) && (input as number) >= 0;
}

function isTarget(input: unknown): input is string {
  return typeof input === "string" && input !== "" && !input.includes("\0");
}

/** A path that was written down: relative, and only names in it. */
export function isPath(input: unknown): input is string {
  if (typeof input !== "string" || input.length > 16_384 || input.includes("\0")) return false;
  return input.split("/").every((name) => name !== "" && name !== "." && name !== "..");
}
