import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { AgentError } from "../../src/core/errors.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createLlamaServerEngine } from "../../src/engine/llama-server/index.ts";
import { waitUntilReady } from "../../src/engine/llama-server/ready.ts";
import type { GenerateEvent, GenerateRequest, LoadOptions } from "../../src/engine/protocol.ts";

const LOAD: LoadOptions = {
  modelPath: "/m.gguf",
  contextTokens: 100,
  shrinkToFit: false,
  slots: 1,
  threads: 1,
  gpu: false,
  sliceTokens: 64,
};

type Handler = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function serve(handler: Handler): Promise<string> {
  const server = createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers questions as it should; `complete` answers `/completion`. */
async function openEngine(
  complete: Handler,
  { silenceMs = 5_000, facts = {} }: { silenceMs?: number; facts?: Record<string, unknown> } = {},
): Promise<Engine> {
  const answers: Record<string, unknown> = {
    "/props": { default_generation_settings: { n_ctx: 100 }, total_slots: 1, bos_token: "", eos_token: "" },
    "/v1/models": { data: [{ meta: { n_params: 5, size: 6 } }] },
    "/tokenize": { tokens: [1, 2, 3] },
    "/slots": [{ id: 0, is_processing: false }],
    ...facts,
  };
  const baseUrl = await serve((incoming, outgoing) => {
    const answer = answers[incoming.url ?? ""];
    if (incoming.url === "/completion") complete(incoming, outgoing);
    else outgoing.end(JSON.stringify(answer));
  });
  const engine = createLlamaServerEngine({
    source: {
      backend: "host",
      start: async () => ({ baseUrl, loadMs: 1, ended: new Promise(() => {}), stop: async () => {} }),
    },
    load: LOAD,
    log: () => {},
    silenceMs,
  });
  closers.push(() => void engine[Symbol.asyncDispose]());
  return engine;
}

async function generate(engine: Engine, more: Partial<GenerateRequest> = {}): Promise<GenerateEvent[]> {
  const sampling = { temperature: 0, topP: 1, topK: 1, minP: 0 };
  const request = { prompt: "Hi", sampling, stop: [], ...more };
  const events: GenerateEvent[] = [];
  for await (const event of engine.generate(request, { signal: new AbortController().signal }))
    events.push(event);
  return events;
}

async function failureOf(work: Promise<unknown>): Promise<AgentError> {
  return (await work.then(
    () => expect.unreachable(),
    (thrown: unknown) => thrown,
  )) as AgentError;
}

const frame = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;
const stream = (outgoing: ServerResponse): ServerResponse =>
  outgoing.writeHead(200, { "content-type": "text/event-stream" });

const ODD: readonly [title: string, complete: Handler, failure: { reason: string; says: RegExp }][] = [
  [
    "closes the connection in the middle",
    (_, outgoing) => {
      stream(outgoing).write(frame({ content: "a" }), () => outgoing.destroy());
    },
    { reason: "crashed", says: /broke off|closed/ },
  ],
  [
    "ends its stream without a last frame",
    (_, outgoing) => void stream(outgoing).end(frame({ content: "a" })),
    { reason: "crashed", says: /before it was complete/ },
  ],
  [
    "says nothing for too long",
    (_, outgoing) => void stream(outgoing).write(frame({ content: "a" })),
    { reason: "crashed", says: /sent nothing for 0\.2 s/ },
  ],
  ["never answers at all", () => {}, { reason: "crashed", says: /sent nothing for 0\.2 s/ }],
  [
    "tells of an error in the middle",
    (_, outgoing) =>
      void stream(outgoing).end(frame({ error: { message: "out of memory", type: "server_error" } })),
    { reason: "generation_failed", says: /out of memory/ },
  ],
  [
    "tells of an error in a field of its own",
    (_, outgoing) => void stream(outgoing).end(`error: ${JSON.stringify({ message: "no" })}\n\n`),
    { reason: "generation_failed", says: /refused: no/ },
  ],
  [
    "wants another key",
    (_, outgoing) => {
      outgoing.writeHead(401).end(JSON.stringify({ error: { type: "authentication_error", message: "no" } }));
    },
    { reason: "generation_failed", says: /does not take this API key/ },
  ],
  [
    "answers with a page",
    (_, outgoing) => void outgoing.writeHead(502, { "content-type": "text/html" }).end("<html>Bad gateway"),
    { reason: "generation_failed", says: /status 502/ },
  ],
];

describe("a llama-server that", () => {
  it.each(ODD)("%s makes the request fail with its reason", async (_, complete, { reason, says }) => {
    const engine = await openEngine(complete, { silenceMs: 200 });
    const failure = await failureOf(generate(engine));
    expect([failure.code, failure.data["reason"]]).toEqual(["engine_failed", reason]);
    expect(failure.message).toMatch(says);
  });

  it("refuses as too long is told apart, with its counts", async () => {
    const error = { type: "exceed_context_size_error", message: "too long", n_prompt_tokens: 7, n_ctx: 5 };
    const engine = await openEngine(
      (_, outgoing) => void outgoing.writeHead(400).end(JSON.stringify({ error })),
    );
    const failure = await failureOf(generate(engine));
    expect([failure.code, failure.data]).toEqual(["context_overflow", { promptTokens: 7, contextTokens: 5 }]);
  });

  it("sends other things between the frames is understood", async () => {
    const engine = await openEngine((_, outgoing) => {
      stream(outgoing).write(": ping\n\nevent: x\r\ndata: not json\r\n\r\ndata: 7\n\ndata: [1]\n\n");
      outgoing.write(frame({ content: 5, completion_probabilities: "x", prompt_progress: [] }));
      const text = frame({ content: "Grüße" });
      const bytes = Buffer.from(text);
      const middle = bytes.indexOf("ü") + 1;
      outgoing.write(bytes.subarray(0, middle));
      setImmediate(() => {
        outgoing.write(bytes.subarray(middle));
        outgoing.end(frame({ content: "", stop: true, stop_type: "eos", timings: null, id_slot: "0" }));
      });
    });
    const events = await generate(engine);
    expect(events.filter(({ type }) => type === "text")).toEqual([{ type: "text", text: "Grüße" }]);
    expect(events.at(-1)).toMatchObject({ type: "done", reason: "end", slot: 0 });
  });

  it("can see is given images in their places, and counts them itself", async () => {
    let body: Record<string, unknown> = {};
    const complete: Handler = (incoming, outgoing) => {
      let text = "";
      incoming.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      incoming.on("end", () => {
        body = JSON.parse(text) as typeof body;
        stream(outgoing).write(frame({ prompt_progress: { total: 70, cache: 0, processed: 70 } }));
        outgoing.end(frame({ content: "A cat.", stop: true, stop_type: "limit", tokens_evaluated: 70 }));
      });
    };
    const props = {
      modalities: { vision: true },
      media_marker: "<here>",
      bos_token: "<s>",
      default_generation_settings: { n_ctx: 100 },
    };
    const engine = await openEngine(complete, { facts: { "/props": props } });
    expect(await engine.facts()).toMatchObject({ vision: true, mediaMarker: "<here>" });
    const images = [{ mediaType: "image/png", base64: "aGk=" }];
    const events = await generate(engine, { prompt: "<s>What is <here>?", images });
    expect(body["prompt"]).toEqual({ prompt_string: "What is <here>?", multimodal_data: ["aGk="] });
    // How much room they leave only the server knows.
    expect(body).not.toHaveProperty("n_predict");
    expect(events.map(({ type }) => type)).toEqual(["accepted", "progress", "text", "done"]);
    expect(events[0]).toEqual({ type: "accepted", promptTokens: 70 });
    expect(events.at(-1)).toMatchObject({ reason: "length", timings: { promptTokens: 70 } });
  });

  it("tells nothing useful of itself is taken as planned", async () => {
    const facts = {
      "/props": [],
      "/v1/models": { data: 5 },
      "/tokenize": { tokens: ["1", -1, 2] },
      "/slots": {},
    };
    const engine = await openEngine(() => {}, { facts });
    expect(await engine.facts()).toMatchObject({
      contextTokens: 100,
      slots: 1,
      vision: false,
      parameters: 0,
    });
    expect(await engine.slots()).toEqual([]);
    expect(await engine.tokenize("a", { special: true, begin: false })).toEqual([2]);
  });
});

describe("waiting for a llama-server", () => {
  const signal = new AbortController().signal;
  const tail = (): string => "the last line";

  it("lasts while the model loads", async () => {
    let asked = 0;
    const baseUrl = await serve(({ url }, outgoing) => {
      asked += url === "/health" ? 1 : 0;
      outgoing.writeHead(url === "/health" && asked < 3 ? 503 : 200).end("{}");
    });
    await waitUntilReady({ baseUrl, deadlineMs: 5_000, tail, signal });
    expect(asked).toBe(3);
  });

  it("ends at its deadline with the end of the log", async () => {
    const baseUrl = await serve((_, outgoing) => void outgoing.writeHead(503).end());
    const failure = await failureOf(waitUntilReady({ baseUrl, deadlineMs: 100, tail, signal }));
    expect(failure.data["reason"]).toBe("load_failed");
    expect(failure.message).toMatch(/still loads the model[^]*the last line/);
  });

  it("ends when the server has ended, and when it is called off", async () => {
    const baseUrl = "http://127.0.0.1:1";
    const ended = Promise.resolve("ended with code 3");
    await expect(waitUntilReady({ baseUrl, deadlineMs: 60_000, ended, tail, signal })).rejects.toThrow(
      "ended with code 3",
    );
    const abort = new AbortController();
    const waiting = waitUntilReady({ baseUrl, deadlineMs: 60_000, tail, signal: abort.signal });
    abort.abort(new Error("called off"));
    await expect(waiting).rejects.toThrow("called off");
  });

  it("does not take another server for the one that was started", async () => {
    const options = { apiKey: "mine", deadlineMs: 1_000, tail, signal };
    const open = await serve((_, outgoing) => void outgoing.end("{}"));
    await expect(waitUntilReady({ baseUrl: open, ...options })).rejects.toThrow("another server answers");
    const other = await serve(
      ({ url }, outgoing) => void outgoing.writeHead(url === "/health" ? 200 : 401).end("{}"),
    );
    await expect(waitUntilReady({ baseUrl: other, ...options })).rejects.toThrow(
      "does not take this API key",
    );
  });
});
