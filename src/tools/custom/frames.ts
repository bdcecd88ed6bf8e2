/** Takes the host's answers out of what its process writes. Anything may stand between them, and nothing of it is kept for long. */

export interface FramesOptions {
  /** What a line of the host begins with. */
  nonce: string;
  /** Most bytes of a line; a longer one is dropped. */
  maxLineBytes: number;
  /** JSON that came after the nonce. It may say anything. */
  onFrame: (value: unknown) => void;
  /** What the tool itself wrote. */
  onNoise: (bytes: Uint8Array) => void;
}

const LINE_FEED = 0x0a;
/** A line may come byte by byte, and each piece costs more than its byte. */
const MAX_PARTS = 1_000;

export function createFrames({ nonce, maxLineBytes, onFrame, onNoise }: FramesOptions): {
  push(bytes: Uint8Array): void;
} {
  let parts: Uint8Array[] = [];
  let size = 0;
  let dropping = false;

  const endLine = (): void => {
    const line = Buffer.concat(parts, size);
    parts = [];
    size = 0;
    const frame = dropping ? undefined : parseFrame(line, nonce);
    dropping = false;
    if (frame !== undefined) onFrame(frame.value);
    else if (line.length > 1) onNoise(line);
  };
  const take = (piece: Uint8Array): void => {
    if (size + piece.length > maxLineBytes) {
      dropping = true;
      parts = [];
      size = 0;
    }
    if (dropping) return;
    // Copied: a chunk may be a view of a buffer that is used again.
    parts.push(Uint8Array.from(piece));
    size += piece.length;
    if (parts.length > MAX_PARTS) parts = [Buffer.concat(parts, size)];
  };
  return {
    push(bytes) {
      let rest = bytes;
      for (;;) {
        const end = rest.indexOf(LINE_FEED) + 1;
        take(end === 0 ? rest : rest.subarray(0, end));
        if (end === 0) return;
        endLine();
        rest = rest.subarray(end);
      }
    },
  };
}

/** `undefined` for a line that is none of the host's. */
function parseFrame(line: Buffer, nonce: string): { value: unknown } | undefined {
  if (line.subarray(0, nonce.length).toString("latin1") !== nonce) return undefined;
  try {
    return { value: JSON.parse(line.subarray(nonce.length).toString()) as unknown };
  } catch {
    return undefined;
  }
}
