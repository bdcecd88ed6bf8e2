import * as net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { Transport } from "../../src/models/index.ts";
import { createFetchTransport } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import type { Script, ScriptedServer } from "../../src/testing/index.ts";
import { errorReply, hangingReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import { createModel, runModel } from "./run-model.ts";

let server: ScriptedServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});
const start = async (script: Script) => {
  server = await startScriptedServer(script);
  return server.url;
};

describe("a server that is silent", () => {
  it("before its answer is given up after the silence", async () => {
    const url = await start(() => hangingReply());
    await expect(runModel(createModel(url, { silenceMs: 150 }))).rejects.toMatchObject({
      code: "model_unavailable",
      message: expect.stringMatching(/sent nothing for 0.15 s/),
    });
    await expect.poll(() => server?.chats[0]?.abandoned).toBe(true);
  });

  it("after its headers is given up too", async () => {
    const url = await start(() => hangingReply(textReply("hi"), 1));
    await expect(runModel(createModel(url, { silenceMs: 150 }))).rejects.toMatchObject({
      code: "model_unavailable",
    });
  });

  it("in the middle of a reply makes a cut reply", async () => {
    const url = await start(() => hangingReply(textReply("one two three"), 3));
    expect((await runModel(createModel(url, { silenceMs: 150 }))).reply).toMatchObject({
      text: "one two",
      finish: "cut",
    });
  });

  it("is not silent while it pings or reports progress", async () => {
    const pings = Array.from({ length: 8 }, () => [{ do: "wait" as const, ms: 60 }, ": ping\n\n"]).flat();
    const reply = textReply("there");
    const url = await start([{ ...reply, parts: [...pings, ...reply.parts] }]);
    expect((await runModel(createModel(url, { silenceMs: 300 }))).reply.text).toBe("there");
  });
});

describe("an abort", () => {
  it.each([
    ["before the answer", () => hangingReply()],
    ["in the middle of the reply", () => hangingReply(textReply("one two three"), 3)],
    ["while waiting to send again", () => errorReply(429, "later", { headers: { "retry-after": "30" } })],
  ])("stops at once %s, closes the connection and throws its reason", async (_name, reply) => {
    const url = await start(reply);
    const controller = new AbortController();
    const reason = new Error("enough");
    const run = runModel(createModel(url), { signal: controller.signal });
    await expect.poll(() => server?.chats.length).toBe(1);
    setTimeout(() => controller.abort(reason), 30);
    await expect(run).rejects.toBe(reason);
    // The reply to be sent again for was whole; the others are broken off.
    await expect.poll(() => server?.chats[0]?.abandoned).toBe(!_name.startsWith("while"));
  });

  it("beforehand sends nothing", async () => {
    const url = await start(() => textReply("hi"));
    await expect(runModel(createModel(url), { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow(
      "no",
    );
    expect(server?.requests).toHaveLength(0);
  });
});

describe("a server that is not there", () => {
  const closedPort = async () => {
    const listener = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => listener.once("listening", resolve));
    const { port } = listener.address() as net.AddressInfo;
    await new Promise((resolve) => listener.close(resolve));
    return `http://127.0.0.1:${port}`;
  };

  it.each([
    ["node:http", createHttpTransport()],
    ["fetch", createFetchTransport()],
  ])("is reported with its address and asked each thing once (%s)", async (_name, transport) => {
    const url = await closedPort();
    const asked: string[] = [];
    const counting: Transport = {
      send: (request) => {
        if (request.url.startsWith(url)) asked.push(request.url);
        return transport.send(request);
      },
    };
    const model = createModel(url, { transport: counting });
    const expected = {
      code: "model_unavailable",
      message: expect.stringContaining(`\`${url}/v1\`: the connection was refused`),
    };
    await expect(runModel(model)).rejects.toMatchObject(expected);
    expect(asked).toEqual([`${url}/v1/chat/completions`]);
    await expect(model.describe({})).rejects.toMatchObject(expected);
    expect(asked).toHaveLength(new Set(asked).size);
  });

  it.each([
    ["node:http", createHttpTransport()],
    ["fetch", createFetchTransport()],
  ])("at an https address but speaks plain HTTP is named as such (%s)", async (_name, transport) => {
    const url = (await start(() => textReply("ok"))).replace("http:", "https:");
    const expected = {
      code: "model_unavailable",
      message: expect.stringContaining(`does not speak TLS; try \`${url.replace("https:", "http:")}/v1\`.`),
    };
    const model = createModel(url, { transport });
    await expect(runModel(model)).rejects.toMatchObject(expected);
    await expect(model.describe({})).rejects.toMatchObject(expected);
  });

  it("with a name that does not resolve is reported as unreachable", async () => {
    await expect(runModel(createModel("http://no-such-host.invalid:1234"))).rejects.toMatchObject({
      code: "model_unavailable",
      message: expect.stringMatching(/cannot be reached/),
    });
  });
});

describe("a key that is none", () => {
  it.each(["two\nlines", "schlüssel", "a b"])("is refused without being shown: `%s`", (apiKey) => {
    const made = () => createModel("http://127.0.0.1:1", { apiKey });
    expect(made).toThrow(expect.objectContaining({ code: "config_invalid" }));
    expect(made).not.toThrow(apiKey);
  });

  it("is sent without the space around it", async () => {
    const url = await start([textReply("ok")]);
    await runModel(createModel(url, { apiKey: " sk-1\n" }));
    expect(server?.chats[0]?.headers.authorization).toBe("Bearer sk-1");
  });
});

describe("a base URL that is none", () => {
  it.each([
    "",
    "localhost:1234",
    "ftp://host",
    "127.0.0.1",
    "http://",
    "http://me:secret@host/v1",
    "http://host/v1?x=1",
    "http://host/v1?api_key=secret",
    "http://host/#secret",
    "http://me:secret@host:port/v1",
    "me:secret@host",
  ])("is refused: `%s`", (url) => {
    const made = () => createModel(url);
    expect(made).toThrow(expect.objectContaining({ code: "config_invalid" }));
    expect(made).not.toThrow(/secret/);
  });

  it.each([
    ["", "/v1"],
    ["/", "/v1"],
    ["/v1", "/v1"],
    ["/v1/", "/v1"],
    ["/v1/chat/completions", "/v1"],
    ["/proxy/v1/", "/proxy/v1"],
  ])("is understood with `%s` at its end", async (end, expected) => {
    const url = await start(() => textReply("ok"));
    await runModel(createModel(url + end)).catch(() => undefined);
    expect(server?.requests[0]?.path).toBe(`${expected}/chat/completions`);
  });
});
