export type OutputStream = "stdout" | "stderr";

const HEADER_BYTES = 8;
const STREAMS: readonly (OutputStream | undefined)[] = [undefined, "stdout", "stderr"];

/**
 * Takes the two streams of an attached process apart: Docker sends frames of a stream's number, three zeros, and a size (Engine API,
 * "Stream format" of `ContainerAttach`). Keeps nothing but an unfinished header. The function it returns throws what `toError` makes for
 * what is no such frame.
 */
export function createDemultiplexer(
  onBytes: (bytes: Uint8Array, stream: OutputStream) => void,
  toError: () => Error,
): (chunk: Uint8Array) => void {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let left = 0;
  let stream: OutputStream = "stdout";
  const takeHeader = (chunk: Uint8Array): number => {
    const taken = Math.min(HEADER_BYTES - headerBytes, chunk.length);
    header.set(chunk.subarray(0, taken), headerBytes);
    headerBytes += taken;
    if (headerBytes < HEADER_BYTES) return taken;
    headerBytes = 0;
    left = header.readUInt32BE(4);
    stream = toStream(header, toError);
    return taken;
  };
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (left === 0) {
        at += takeHeader(chunk.subarray(at));
        continue;
      }
      const bytes = chunk.subarray(at, at + left);
      at += bytes.length;
      left -= bytes.length;
      onBytes(bytes, stream);
    }
  };
}

function toStream(header: Buffer, toError: () => Error): OutputStream {
  const stream = STREAMS[header[0]!];
  if (stream !== undefined && header.readUIntBE(1, 3) === 0) return stream;
  throw toError();
}
