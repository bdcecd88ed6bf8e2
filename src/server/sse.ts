import type { ServerResponse } from "node:http";

/** Proxies and clients drop streams that stay silent for long, as they do while a long prompt is read. */
const PING_MS = 15_000;

export interface SseWriter {
  /** Waits while the client reads slower than the model writes. */
  data(value: unknown): Promise<void>;
  /** `[DONE]`, and the end of the response. */
  end(): void;
}

/** Sends the headers at once. */
export function createSseWriter(outgoing: ServerResponse): SseWriter {
  outgoing.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  outgoing.flushHeaders();
  // A client that is gone already closes nothing any more.
  const ping = outgoing.destroyed ? undefined : setInterval(() => outgoing.write(": ping\n\n"), PING_MS);
  outgoing.once("close", () => clearInterval(ping));
  return {
    data: async (value) => {
      if (outgoing.destroyed || outgoing.write(`data: ${JSON.stringify(value)}\n\n`)) return;
      await waitForRoom(outgoing);
    },
    end: () => {
      clearInterval(ping);
      outgoing.end("data: [DONE]\n\n");
    },
  };
}

function waitForRoom(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      outgoing.off("drain", settle);
      outgoing.off("close", settle);
      resolve();
    };
    outgoing.on("drain", settle);
    outgoing.on("close", settle);
  });
}
