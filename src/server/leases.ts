/** Counts who uses the server by their open connections, and says when nobody does any more. */
import type { ServerResponse } from "node:http";

export interface Leases {
  /** Holds the response open until the other side closes it. False: the server is about to end and leases nothing any more. */
  add(outgoing: ServerResponse): boolean;
  close(): void;
}

export interface LeasesOptions {
  /** How long the server may stay without a lease, at the start and after the last one. */
  graceMs: number;
  startGraceMs: number;
  onIdle: () => void;
}

export function createLeases({ graceMs, startGraceMs, onIdle }: LeasesOptions): Leases {
  let open = 0;
  let closed = false;
  let timer = setTimeout(onIdle, startGraceMs);
  return {
    add: (outgoing) => {
      if (closed) return false;
      open += 1;
      clearTimeout(timer);
      outgoing.once("close", () => {
        open -= 1;
        if (open === 0 && !closed) timer = setTimeout(onIdle, graceMs);
      });
      outgoing.writeHead(200, { "content-type": "text/plain" });
      outgoing.write("leased\n");
      return true;
    },
    close: () => {
      closed = true;
      clearTimeout(timer);
    },
  };
}
