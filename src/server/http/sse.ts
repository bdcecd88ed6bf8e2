import type { ServerResponse } from "node:http";

/** Proxies and clients drop streams that stay silent for long, as they do while a long prompt is read. */
const PING_MS = 15_000;

/** One message of a stream. */
export interface Frame {
  /** The `event:` line of server-sent events. */
  event?: string;
  /** Written as JSON; a string, such as `[DONE]`, as it is. */
  data: unknown;
}

/**
 * `sse`: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), with comments as pings. `ndjson`: a JSON
 * text a line, which has no place for pings.
 */
export type StreamFormat = "sse" | "ndjson";

export interface StreamWriter {
  /** Waits while the client reads slower than the model writes. */
  write(frame: Frame): Promise<void>;
  end(): void;
}

/** Sends the headers at once. */
export function createStreamWriter(outgoing: ServerResponse, format: StreamFormat): StreamWriter {
  outgoing.writeHead(200, {
    "content-type": format === "sse" ? "text/event-stream; charset=utf-8" : "application/x-ndjson",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  outgoing.flushHeaders();
  // A client that is gone already closes nothing any more.
  const ping =
    format === "ndjson" || outgoing.destroyed
      ? undefined
      : setInterval(() => outgoing.write(": ping\n\n"), PING_MS);
  outgoing.once("close", () => clearInterval(ping));
  return {
    write: async (frame) => {
      if (outgoing.destroyed || outgoing.write(toText(frame, format))) return;
      await waitForRoom(outgoing);
    },
    end: () => {
      clearInterval(ping);
      outgoing.end();
    },
  };
}

function toText({ event, data }: Frame, format: StreamFormat): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  if (format === "ndjson") return `${text}\n`;
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
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
