/** Who may ask the server, what it takes, and what it says to everything else. */
import { connect } from "node:net";
import { request } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { createFixedCatalog } from "../../src/engine/catalog/catalog.ts";
import { createModelManager } from "../../src/engine/manager/model-manager.ts";
import { createApp } from "../../src/server/app.ts";
import type { AppOptions } from "../../src/server/app.ts";
import { listen } from "../../src/server/http/http-listener.ts";
import type { Listener } from "../../src/server/http/http-listener.ts";
import { ask } from "./_agent.ts";
import type { Answer, AskOptions, Json } from "./_agent.ts";

let listener: Listener | undefined;

afterEach(() => listener?.close());

/** A server without models, and a way to ask it. */
async function start(
  options: Omit<AppOptions, "services"> = {},
): Promise<(path: string, more?: AskOptions) => Promise<Answer>> {
  const models = createModelManager({
    catalog: createFixedCatalog([]),
    createEngine: () => {
      throw new Error("there is no model");
    },
    log: () => {},
  });
  const services = {
    models,
    version: "1.2.3",
    now: () => new Date(0),
    log: () => {},
    settings: { jit: true, reasoningField: "content" as const },
  };
  listener = await listen(createApp({ services, ...options }), { host: "127.0.0.1", port: 0 });
  const { port } = listener;
  return (path, more = {}) => ask(`http://127.0.0.1:${port}${path}`, more);
}

const errorOf = ({ json }: Answer): Json => json["error"] as Json;

describe("a key", () => {
  test("is asked for where there is one, and nowhere else", async () => {
    const open = await start();
    expect((await open("/v1/models")).status).toBe(200);
    await listener?.close();
    const closed = await start({ keys: { accepts: (key) => key === "right" } });
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: "right" },
      { "x-api-key": "" },
    ]) {
      const answer = await closed("/v1/models", { headers });
      expect([answer.status, errorOf(answer)["code"]]).toEqual([401, "invalid_api_key"]);
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
    }
    for (const headers of [{ authorization: "bearer right" }, { "x-api-key": "right" }])
      expect((await closed("/v1/models", { headers })).status).toBe(200);
    for (const path of ["/health", "/", "/lmstudio-greeting"]) expect((await closed(path)).status).toBe(200);
    for (const path of ["/nothing", "/metrics", "/props"]) expect((await closed(path)).status).toBe(401);
  });
});

describe("a host", () => {
  test("is one of the known names, so that no page can take a name of its own for this server", async () => {
    const local = await start();
    for (const host of ["localhost", "LOCALHOST:1234", "127.0.0.1:1", "[::1]:80", "localhost."])
      expect([host, (await local("/health", { headers: { host } })).status]).toEqual([host, 200]);
    for (const host of ["evil.example", "192.168.0.9", "127.0.0.1.evil.example", "localhost.evil.example:80"])
      expect([host, (await local("/health", { headers: { host } })).status]).toEqual([host, 403]);
    await listener?.close();
    const reachable = await start({ bind: "0.0.0.0", hosts: ["Box.Lan"] });
    for (const host of ["192.168.0.9:1234", "[fe80::1]:1234", "box.lan"])
      expect([host, (await reachable("/health", { headers: { host } })).status]).toEqual([host, 200]);
    expect((await reachable("/health", { headers: { host: "evil.example" } })).status).toBe(403);
  });
});

describe("a page of another origin", () => {
  const origin = "https://page.example";
  const preflight = { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } };

  test("is refused unless it was let in", async () => {
    const closed = await start();
    for (const path of ["/health", "/v1/models", "/nothing"]) {
      const answer = await closed(path, { headers: { origin } });
      expect([answer.status, answer.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
    }
    expect((await closed("/v1/chat/completions", preflight)).status).toBe(403);
    expect((await closed("/health", { headers: { origin: "null" } })).status).toBe(403);
    const own = { origin: "http://localhost:1234", host: "localhost:1234" };
    expect((await closed("/health", { headers: own })).status).toBe(200);
  });

  test("gets what browsers want to see where it was", async () => {
    for (const cors of [true, [origin], ["*"]]) {
      const open = await start({ cors, keys: { accepts: (key) => key === "right" } });
      const asked = await open("/v1/chat/completions", preflight);
      expect(asked.status).toBe(204);
      expect(asked.headers).toMatchObject({
        "access-control-allow-origin": origin,
        "access-control-allow-methods": expect.stringContaining("POST") as string,
        "access-control-allow-headers": expect.stringContaining("authorization") as string,
      });
      const headers = { origin, authorization: "Bearer right" };
      expect((await open("/v1/models", { headers })).headers["access-control-allow-origin"]).toBe(origin);
      const wrong = await open("/v1/chat/completions", { method: "POST", headers, body: "{" });
      expect([wrong.status, wrong.headers["access-control-allow-origin"]]).toEqual([400, origin]);
      expect((await open("/v1/models", { headers: { origin } })).headers["access-control-allow-origin"]).toBe(
        origin,
      );
      await listener?.close();
    }
    const others = await start({ cors: ["https://other.example"] });
    expect((await others("/health", { headers: { origin } })).status).toBe(403);
  });
});

describe("a request that cannot be served", () => {
  test("has a route and a verb that there are", async () => {
    const server = await start();
    const missing = await server("/v1/nothing");
    expect([missing.status, errorOf(missing)["type"]]).toEqual([404, "invalid_request_error"]);
    for (const path of ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize"]) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        const wrong = await server(path, { method });
        expect([path, method, wrong.status, wrong.headers["allow"]]).toEqual([path, method, 405, "POST"]);
      }
      const options = await server(path, { method: "OPTIONS" });
      expect([options.status, options.headers["allow"]]).toEqual([204, "POST, OPTIONS"]);
      expect((await server(path, { method: "HEAD" })).status).toBe(405);
    }
    for (const path of ["/v1/models", "/health", "/props", "/metrics", "/"]) {
      expect((await server(path, { method: "POST", body: "{}" })).status).toBe(405);
      const head = await server(path, { method: "HEAD" });
      expect([head.status, head.text]).toEqual([200, ""]);
    }
  });

  test("has a body that is JSON of the right types", async () => {
    const server = await start();
    const post = (body: string | Buffer): Promise<Answer> =>
      server("/v1/chat/completions", { method: "POST", body: body as string });
    const deep = `{"messages": [], "tools": ${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`;
    for (const body of ["", "{", "[]", '"x"', "null", deep, Buffer.from([0x22, 0xff, 0x22])]) {
      const answer = await post(body);
      expect([answer.status, errorOf(answer)["type"]]).toEqual([400, "invalid_request_error"]);
    }
    const packed = await server("/v1/chat/completions", {
      method: "POST",
      headers: { "content-encoding": "gzip" },
      body: "x",
    });
    expect([packed.status, errorOf(packed)["code"]]).toEqual([400, "unsupported_encoding"]);
    expect(errorOf(await post('{"messages": 5}'))["param"]).toBe("messages");
    const nobody = await post('{"model": "x", "messages": [{"role": "user", "content": "hi"}]}');
    expect([nobody.status, errorOf(nobody)["code"]]).toEqual([404, "model_not_found"]);
    expect(nobody.headers["x-should-retry"]).toBe("false");
  });

  test("has a body of no more than 100 MB, announced or not", async () => {
    const server = await start();
    const announced = await server("/v1/chat/completions", {
      method: "POST",
      headers: { "content-length": "100000001" },
    });
    expect([announced.status, errorOf(announced)["code"]]).toEqual([413, "body_too_large"]);
    const status = await new Promise((resolve, reject) => {
      const sent = request({
        port: listener?.port,
        path: "/v1/chat/completions",
        method: "POST",
        agent: false,
      });
      sent.on("response", (response) => {
        resolve(response.statusCode);
        sent.destroy();
      });
      // The server may close while we still write, after it has answered.
      sent.on("error", (error) => (sent.destroyed ? undefined : reject(error)));
      const piece = Buffer.alloc(1_000_000, " ");
      let left = 120;
      const write = (): void => {
        while (left > 0 && !sent.destroyed) {
          left -= 1;
          if (!sent.write(piece)) {
            sent.once("drain", write);
            return;
          }
        }
        sent.end();
      };
      write();
    });
    expect(status).toBe(413);
    expect((await server("/health")).status).toBe(200);
  });

  test("has headers of a sound size", async () => {
    const server = await start();
    const text = await new Promise<string>((resolve) => {
      const socket = connect(listener?.port ?? 0, "127.0.0.1");
      let answer = "";
      socket.on("data", (piece) => (answer += piece.toString()));
      socket.on("close", () => resolve(answer));
      socket.on("error", () => undefined);
      socket.write(`GET /health HTTP/1.1\r\nhost: localhost\r\nx-long: ${"x".repeat(100_000)}\r\n\r\n`);
    });
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
    expect((await server("/health")).status).toBe(200);
  });
});

describe("a client that looks around", () => {
  test("finds what it knows a server by", async () => {
    const server = await start();
    expect((await server("/lmstudio-greeting")).json).toEqual({ lmstudio: true });
    expect((await server("/")).text).toBe("Ollama is running");
    expect((await server("/health")).json).toEqual({ status: "ok", server: "lmagent", version: "1.2.3" });
    expect((await server("/v1/models")).json).toEqual({ object: "list", data: [] });
    expect((await server("/props")).json).toMatchObject({ total_slots: 0 });
    expect((await server("/slots")).text).toBe("[]");
    const metrics = await server("/metrics");
    expect(metrics.headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(metrics.text).toContain("lmagent:models_loaded 0\n");
  });
});
