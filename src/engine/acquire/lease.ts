import { request } from "node:http";

/** A local server that does not answer within this time is taken for hung. */
const ANSWER_TIMEOUT_MS = 2_000;

/** An open connection that tells the server that somebody uses it; the kernel closes it even when we are killed. */
export interface Lease {
  close(): void;
}

/** `undefined` when no server answers there, or another one than the key belongs to. */
export function openLease({ port, apiKey }: { port: number; apiKey: string }): Promise<Lease | undefined> {
  return new Promise((resolve) => {
    const asked = request({
      host: "127.0.0.1",
      port,
      path: "/lease",
      agent: false,
      headers: { authorization: `Bearer ${apiKey}` },
    });
    const timer = setTimeout(() => asked.destroy(new Error("no answer")), ANSWER_TIMEOUT_MS);
    // Nothing waits for the lease, so it must not keep the process alive.
    asked.on("socket", (socket) => socket.unref());
    asked.on("error", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
    asked.on("response", (response) => {
      clearTimeout(timer);
      response.on("error", () => undefined);
      if (response.statusCode !== 200) {
        asked.destroy();
        resolve(undefined);
        return;
      }
      response.resume();
      resolve({ close: () => asked.destroy() });
    });
    asked.end();
  });
}
