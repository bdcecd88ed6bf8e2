/** Longer lines are none that the runner writes. */
const MAX_LINE_BYTES = 200;
const NEWLINE = 0x0a;

export interface MarkerScanner {
  push(bytes: Uint8Array): void;
  /** Passes on what was still held back. */
  end(): void;
}

/**
 * Finds the runner's own lines in a stream of a command's output: each starts with a secret that the command does not know. All other
 * bytes are passed on as they come, but for the few that could be the beginning of the secret. What follows a line is looked at again.
 */
export function createMarkerScanner(
  secret: string,
  { onBytes, onLine }: { onBytes: (bytes: Uint8Array) => void; onLine: (line: string) => void },
): MarkerScanner {
  const mark = Buffer.from(secret);
  let held = Buffer.alloc(0);
  const pass = (bytes: Buffer): void => {
    if (bytes.length > 0) onBytes(bytes);
  };
  /** Returns what has to wait for more; `undefined` when there may be more to find in `rest`. */
  const step = (buffer: Buffer): { held: Buffer; rest?: Buffer } => {
    const at = buffer.indexOf(mark);
    if (at === -1) {
      const keep = overlap(buffer, mark);
      pass(buffer.subarray(0, buffer.length - keep));
      return { held: buffer.subarray(buffer.length - keep) };
    }
    pass(buffer.subarray(0, at));
    const line = buffer.subarray(at + mark.length);
    const end = line.indexOf(NEWLINE);
    if (end === -1 && line.length <= MAX_LINE_BYTES) return { held: buffer.subarray(at) };
    onLine(line.subarray(0, end === -1 ? MAX_LINE_BYTES : end).toString("latin1"));
    return { held: Buffer.alloc(0), rest: end === -1 ? Buffer.alloc(0) : line.subarray(end + 1) };
  };
  return {
    push(bytes) {
      let rest: Buffer | undefined = held.length === 0 ? view(bytes) : Buffer.concat([held, bytes]);
      while (rest !== undefined && rest.length > 0) {
        const stepped = step(rest);
        // A copy: a slice would keep the whole chunk.
        held = Buffer.from(stepped.held);
        rest = stepped.rest;
      }
    },
    end() {
      pass(held);
      held = Buffer.alloc(0);
    },
  };
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Length of the longest end of `buffer` that `mark` begins with. */
function overlap(buffer: Buffer, mark: Buffer): number {
  for (let length = Math.min(mark.length - 1, buffer.length); length > 0; length -= 1) {
    if (buffer.subarray(buffer.length - length).equals(mark.subarray(0, length))) return length;
  }
  return 0;
}
