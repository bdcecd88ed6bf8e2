import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createFetchTransport } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import type { Transport } from "../../src/models/index.ts";

let server: http.Server;
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
async function serve(handler: http.RequestListener): Promise<string> {
  server = http.createServer(handler).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
}
async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
const get = (url: string, signal = new AbortController().signal) => ({
  method: "GET" as const,
  url,
  headers: {},
  signal,
});

const TRANSPORTS: [string, () => Transport][] = [
  ["node:http", () => createHttpTransport()],
  ["fetch", () => createFetchTransport()],
];

describe.each(TRANSPORTS)("a transport over %s", (_name, create) => {
  it("sends method, headers and body, and brings status, headers and body back", async () => {
    const url = await serve((incoming, outgoing) => {
      void text(incoming).then((body) => {
        outgoing.writeHead(418, { "X-Answer": "Yes" });
        outgoing.end(`${incoming.method} ${incoming.headers["x-question"] as string} ${body}`);
      });
    });
    const request = {
      ...get(url),
      method: "POST" as const,
      headers: { "x-question": "why" },
      body: "grüße 🙂",
    };
    const response = await create().send(request);
    expect(response).toMatchObject({ status: 418, headers: { "x-answer": "Yes" } });
    expect(await text(response.body)).toBe("POST why grüße 🙂");
  });

  it("brings bytes as they come", async () => {
    let end = () => {};
    const url = await serve((_incoming, outgoing) => {
      outgoing.write("one");
      end = () => outgoing.end("two");
    });
    const { body } = await create().send(get(url));
    const iterator = body[Symbol.asyncIterator]();
    expect(Buffer.from((await iterator.next()).value as Uint8Array).toString()).toBe("one");
    end();
    expect(Buffer.from((await iterator.next()).value as Uint8Array).toString()).toBe("two");
    expect((await iterator.next()).done).toBe(true);
  });

  it("does not follow redirects", async () => {
    const url = await serve((_incoming, outgoing) =>
      outgoing.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
    );
    expect((await create().send(get(url))).status).toBe(307);
  });

  it("throws a typed failure when the connection breaks, before and in the body", async () => {
    let requests = 0;
    const url = await serve((incoming, outgoing) => {
      requests += 1;
      if (requests > 1) outgoing.write("half");
      setTimeout(() => incoming.socket.destroy(), 20);
    });
    const transport = create();
    await expect(transport.send(get(url))).rejects.toMatchObject({
      name: "ConnectionFailure",
      kind: "dropped",
    });
    const { body } = await transport.send(get(url));
    await expect(text(body)).rejects.toMatchObject({ name: "ConnectionFailure", kind: "dropped" });
  });

  it("throws a typed failure when nothing listens", async () => {
    const url = await serve(() => {});
    await new Promise((resolve) => server.close(resolve));
    await expect(create().send(get(url))).rejects.toMatchObject({
      name: "ConnectionFailure",
      kind: "refused",
    });
  });

  it("closes the connection and throws the reason on abort", async () => {
    let closed = 0;
    const url = await serve((incoming, outgoing) => {
      incoming.socket.once("close", () => (closed += 1));
      if (incoming.url !== "/x") outgoing.write("some");
    });
    const transport = create();
    const early = new AbortController();
    const sent = transport.send(get(url, early.signal));
    setTimeout(() => early.abort(new Error("enough")), 30);
    await expect(sent).rejects.toThrow("enough");

    const late = new AbortController();
    const { body } = await transport.send(get(`${url}/body`, late.signal));
    setTimeout(() => late.abort(new Error("enough")), 30);
    await expect(text(body)).rejects.toThrow("enough");
    await expect.poll(() => closed).toBe(2);
    await expect(transport.send(get(url, late.signal))).rejects.toThrow("enough");
  });

  it("closes the connection when the body is left early", async () => {
    let closed = false;
    const url = await serve((incoming, outgoing) => {
      incoming.socket.once("close", () => (closed = true));
      outgoing.write("some");
    });
    const { body } = await create().send(get(url));
    for await (const chunk of body) {
      expect(chunk.length).toBe(4);
      break;
    }
    await expect.poll(() => closed).toBe(true);
  });
});

describe("the transport over node:http", () => {
  it("sends again when an idle connection was closed by the server", async () => {
    let requests = 0;
    const url = await serve((incoming, outgoing) => {
      requests += 1;
      // The second request on a connection meets a server that has just given it up.
      if (requests === 2) incoming.socket.destroy();
      else outgoing.end("fine");
    });
    const transport = createHttpTransport();
    for (let round = 0; round < 2; round += 1) {
      expect(await text((await transport.send(get(url))).body)).toBe("fine");
    }
    expect(requests).toBe(3);
  });

  it("gives up connecting after its limit", async () => {
    await serve(() => {});
    // Addresses of this block are never routed (RFC 5737); some networks refuse at once.
    const sent = createHttpTransport({ connectTimeoutMs: 200 }).send(get("http://192.0.2.1:9/"));
    await expect(sent).rejects.toMatchObject({ name: "ConnectionFailure" });
  });
});
