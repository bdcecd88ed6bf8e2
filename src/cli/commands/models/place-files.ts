/** Puts files into our own folder: all of them or none, each whole or not at all. */
import { createReadStream, createWriteStream } from "node:fs";
import { link, lstat, mkdir, realpath, rename, rm, stat, statfs, symlink } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { AgentError, errnoOf, errorMessage } from "../../../core/errors.ts";
import { formatBytes } from "../../../tui/format.ts";

export type PlaceHow = "move" | "copy" | "hardLink" | "symbolicLink";

export interface PlacedFile {
  from: string;
  to: string;
}

interface PlaceOptions {
  how: PlaceHow;
  /** Of all files. */
  bytes: number;
  folder: string;
  signal: AbortSignal;
}

const SPARE_BYTES = 64 * 2 ** 20;
const PIECE_BYTES = 2 ** 22;

/** Throws `AgentError` `storage_failed`, and the signal's reason; then everything is as before. */
export async function placeFiles(files: readonly PlacedFile[], options: PlaceOptions): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  const leave: string[] = [];
  try {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    for (const file of files) undo.push(await placeFile(file, options, leave));
  } catch (thrown) {
    for (const back of undo.reverse()) await back().catch(() => undefined);
    options.signal.throwIfAborted();
    if (AgentError.is(thrown)) throw thrown;
    throw new AgentError(
      "storage_failed",
      `The model could not be put into \`${options.folder}\`: ${errorMessage(thrown)}`,
      {
        cause: thrown,
        data: { path: options.folder, errno: errnoOf(thrown) },
      },
    );
  }
  // Only now, that all have arrived.
  for (const path of leave) await rm(path, { force: true });
}

/** Returns what takes it back. Sources that were copied and have to go are added to `leave`. */
async function placeFile(
  { from, to }: PlacedFile,
  options: PlaceOptions,
  leave: string[],
): Promise<() => Promise<void>> {
  options.signal.throwIfAborted();
  const remove = (): Promise<void> => rm(to, { force: true });
  const { how } = options;
  if (how === "symbolicLink") await symlink(await realpath(from), to);
  else if (how === "hardLink") await hardLink(from, to);
  else if (how === "move" && (await moveWithinDisk(from, to))) return () => rename(to, from);
  else await copy({ from, to }, options);
  if (how === "move") leave.push(from);
  return remove;
}

async function hardLink(from: string, to: string): Promise<void> {
  try {
    await link(await realpath(from), to);
  } catch (cause) {
    if (errnoOf(cause) !== "EXDEV") throw cause;
    const message = `\`${from}\` lies on another disk than \`${to}\`, and a hard link cannot lead there. Use \`--copy\` or \`--symbolic-link\`.`;
    throw new AgentError("storage_failed", message, { cause, data: { path: to, errno: "EXDEV" } });
  }
}

/** False: it lies on another disk. */
async function moveWithinDisk(from: string, to: string): Promise<boolean> {
  if ((await lstat(from)).isSymbolicLink()) {
    const message = `\`${from}\` is a link, and what it leads to may be in use elsewhere. Use \`--copy\` or \`--symbolic-link\`.`;
    throw new AgentError("file_failed", message, { data: { path: from } });
  }
  try {
    await rename(from, to);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === "EXDEV") return false;
    throw thrown;
  }
}

/** Under another name until it is whole, so that nobody takes a part for the model. */
async function copy({ from, to }: PlacedFile, { folder, signal }: PlaceOptions): Promise<void> {
  await requireSpace(folder, (await stat(from)).size);
  const temporary = `${to}.${process.pid}.part`;
  try {
    const pieces = { highWaterMark: PIECE_BYTES };
    await pipeline(
      createReadStream(from, pieces),
      createWriteStream(temporary, { ...pieces, flags: "wx", flush: true }),
      {
        signal,
      },
    );
    await rename(temporary, to);
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw thrown;
  }
}

async function requireSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes + SPARE_BYTES) return;
  const message = `\`${folder}\` has ${formatBytes(free)} free, and the model takes ${formatBytes(bytes)}. Free some space, or use \`--symbolic-link\`.`;
  throw new AgentError("storage_failed", message, { data: { path: folder, errno: "ENOSPC" } });
}
