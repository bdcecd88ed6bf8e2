import { once } from "node:events";
import { createServer, get } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createStreamWriter } from "../../src/server/http/sse.ts";

let server: Server;

beforeEach(async () => {
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** A response that nothing was written to yet, and the client's side of it, once there is one. */
async function openResponse(): Promise<{
  outgoing: ServerResponse;
  incoming: Promise<IncomingMessage>;
  leave: () => void;
}> {
  const asked = get({ port: (server.address() as AddressInfo).port, agent: false });
  asked.on("error", () => undefined);
  const incoming = once(asked, "response").then(([response]) => response as IncomingMessage);
  incoming.catch(() => undefined);
  const [, outgoing] = (await once(server, "request")) as [IncomingMessage, ServerResponse];
  return { outgoing, incoming, leave: () => asked.destroy() };
}

const countTimers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

describe("a stream of events", () => {
  test("leaves no listener behind when it waited for a slow client", async () => {
    const { outgoing, incoming } = await openResponse();
    const stream = createStreamWriter(outgoing, "sse");
    const before = outgoing.listenerCount("close");
    let drains = 0;
    outgoing.on("drain", () => (drains += 1));
    (await incoming).resume();
    const text = "x".repeat(200_000);
    for (let count = 0; count < 20; count += 1) await stream.write({ data: { text } });
    expect(drains).toBeGreaterThan(5);
    expect(outgoing.listenerCount("close")).toBe(before);
    expect(outgoing.listenerCount("drain")).toBe(1);
    stream.end();
  });

  test("stops waiting for a client that is gone", async () => {
    const { outgoing, incoming, leave } = await openResponse();
    const stream = createStreamWriter(outgoing, "sse");
    (await incoming).on("error", () => undefined).pause();
    const written = (async () => {
      for (let count = 0; count < 100; count += 1) await stream.write({ data: "x".repeat(200_000) });
    })();
    leave();
    await written;
    expect(outgoing.destroyed).toBe(true);
  });

  test("keeps no timer for a client that left before it began", async () => {
    const { outgoing, leave } = await openResponse();
    leave();
    await once(outgoing, "close");
    const before = countTimers();
    createStreamWriter(outgoing, "sse");
    expect(countTimers()).toBe(before);
  });
});
