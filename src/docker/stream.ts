import { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";

/** A stream that an engine answered with does not keep this process alive. Where the engine hands no connection over, it is one of dockerode's own. */
export function unrefStream(stream: Duplex | Readable): void {
  const socket = stream instanceof Socket ? stream : (stream as { req?: { socket?: Socket } }).req?.socket;
  socket?.unref();
}
