/**
 * Pipes for the output of commands. Node connects children by sockets, and a socket cannot be opened again by its name: a
 * script that writes to `/dev/stderr` would fail. So named pipes are made, opened and unlinked at once, and used again.
 */
import { execFile } from "node:child_process";
import { closeSync, constants, fchownSync, openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";

const READ = constants.O_RDONLY | constants.O_NONBLOCK;

interface OutputPair {
  /** Descriptors for the child: its output and its errors. */
  writers: readonly [number, number];
  readers: readonly [Readable, Readable];
  /** Closes our copies of the writers; call it once the child has its own. */
  handOver(): void;
  /** Gives the pipes back. Pipes that are not at their end are closed: what is left in them belongs to nobody. */
  release(atEnd: boolean): void;
}

export interface OutputPipes {
  /** `undefined` where the system gives no such pipes. `owner`: who may open them again, where we are root. */
  take(owner: { uid?: number; gid?: number }): Promise<OutputPair | undefined>;
  close(): void;
}

/** Each entry keeps two pipes open for reading, which keeps them alive. */
type Kept = readonly [number, number];

export function createOutputPipes(): OutputPipes {
  const free: Kept[] = [];
  let closed = false;
  return {
    async take(owner) {
      const release = (kept: Kept, atEnd: boolean): void => {
        if (atEnd && !closed) free.push(kept);
        else closeAll(kept);
      };
      // A command may have taken the rights to a pipe away from us; a new one is as good.
      for (let kept = free.pop(); kept !== undefined; kept = free.pop()) {
        const pair = openPair(kept, owner, release);
        if (pair !== undefined) return pair;
      }
      const [made, ...others] = await makePipes();
      for (const each of others) release(each, true);
      return made && openPair(made, owner, release);
    },
    close() {
      closed = true;
      for (const kept of free.splice(0)) closeAll(kept);
    },
  };
}

/** For a command and the sandbox that waits for the next one. Made at once, so that an agent that is killed later leaves no folder. */
const MADE_AT_ONCE = 2;

/** Empty where the system gives no such pipes. */
async function makePipes(): Promise<Kept[]> {
  if (process.platform !== "linux") return [];
  let folder: string | undefined;
  const made: Kept[] = [];
  try {
    folder = await mkdtemp(join(tmpdir(), "lmagent-pipes-"));
    const pairs: [string, string][] = [];
    for (let count = 0; count < MADE_AT_ONCE; count += 1) {
      const place = join(folder, String(count));
      pairs.push([`${place}-out`, `${place}-err`]);
    }
    await promisify(execFile)("/usr/bin/mkfifo", ["-m", "600", ...pairs.flat()], { env: {} });
    for (const [out, err] of pairs) made.push([openSync(out, READ), openSync(err, READ)]);
    return made;
  } catch {
    for (const each of made) closeAll(each);
    return [];
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

function openPair(
  kept: Kept,
  { uid, gid }: { uid?: number; gid?: number },
  release: (kept: Kept, atEnd: boolean) => void,
): OutputPair | undefined {
  const opened: number[] = [];
  try {
    if (uid !== undefined && gid !== undefined) for (const pipe of kept) fchownSync(pipe, uid, gid);
    for (const flags of [READ, constants.O_WRONLY])
      for (const pipe of kept) opened.push(openAgain(pipe, flags));
  } catch {
    closeAll([...opened, ...kept]);
    return undefined;
  }
  const [out, err, ...writers] = opened as [number, number, number, number];
  return {
    writers,
    readers: [toReader(out), toReader(err)],
    handOver: () => closeAll(writers),
    release: (atEnd) => release(kept, atEnd),
  };
}

function toReader(fd: number): Readable {
  return new Socket({ fd, readable: true, writable: false });
}

function openAgain(pipe: number, flags: number): number {
  return openSync(`/proc/self/fd/${pipe}`, flags);
}

function closeAll(descriptors: readonly number[]): void {
  for (const descriptor of descriptors) closeSync(descriptor);
}
