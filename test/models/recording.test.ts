import { describe, expect, it } from "vitest";
import { denyUnattended } from "../../src/core/approval.ts";
import { run } from "../../src/core/loop.ts";
import type { Message } from "../../src/core/message.ts";
import type { Transport } from "../../src/models/index.ts";
import { createReplayTransport, parseRecording } from "../../src/models/index.ts";
import type { ScriptedReply } from "../../src/testing/index.ts";
import {
  brokenReply,
  callReply,
  errorReply,
  hangingReply,
  jsonReply,
  textReply,
} from "../../src/testing/index.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";
import { serve } from "./serve.ts";
import { errorOf, record, replay } from "./tape.ts";
import { TOOLS } from "./tools.ts";

const CALL = { name: "ls", arguments: { path: "." } };
const AGAIN: Message[] = [
  ...REQUEST.messages,
  { role: "assistant", content: "Grüße 🙂" },
  { role: "user", content: "more" },
];

describe("a recording", () => {
  it("holds requests, headers, pieces and their times", async () => {
    const { url } = await serve([textReply("Hello there", { pieceChars: 5 })]);
    const { transport, entries } = record();
    await runModel(createModel(url, { transport }));
    expect(entries.map(({ type }) => type)).toEqual([
      "recording",
      "request",
      "response",
      ...entries.slice(3, -1).map(() => "chunk"),
      "end",
    ]);
    expect(entries.slice(1, 3)).toMatchObject([
      {
        exchange: 0,
        method: "POST",
        url: `${url}/v1/chat/completions`,
        headers: { "content-type": "application/json" },
        body: expect.stringMatching(/"messages":/) as string,
      },
      { status: 200, headers: { "content-type": "text/event-stream" } },
    ]);
    const times = entries.flatMap((entry) => ("atMs" in entry ? [entry.atMs] : []));
    expect(times).toEqual(times.toSorted((one, other) => one - other));
  });

  it("holds the very text of a reply", async () => {
    const reply = callReply([CALL, CALL], { thinking: "Grüße 🙂", pieceChars: 1 });
    const { url } = await serve([reply]);
    const tape = record(["ghp_0123456789abcdef"]);
    await runModel(createModel(url, { apiKey: "sk-1234567890", transport: tape.transport }));
    const text = tape.entries.map((entry) => (entry.type === "chunk" ? entry.text : "")).join("");
    expect(text).toBe(reply.parts.map(String).join(""));
  });

  it("plays again without the server, with the same events", async () => {
    const replies = [callReply([CALL], { thinking: "Look." }), textReply("Grüße 🙂", { pieceChars: 1 })];
    const server = await serve(replies, { routes: { "GET /props": jsonReply({ total_slots: 2 }) } });
    const tape = record();
    const converse = async (transport: Transport) => {
      const model = createModel(server.url, { transport });
      const info = await model.describe({});
      const first = await runModel(model);
      const second = await runModel(model, { request: { messages: AGAIN, tools: TOOLS } });
      return { info, first, second };
    };
    const recorded = await converse(tape.transport);
    await server.close();
    const transport = replay(tape);
    expect(await converse(transport)).toEqual(recorded);
    expect(transport.left).toEqual([]);
  });

  it("of a whole run plays again, with ids of calls that were made up anew", async () => {
    const server = await serve([callReply([CALL], { style: "no_id" }), textReply("Done.")]);
    const tape = record();
    const work = async (transport: Transport) => {
      const events = [];
      const model = createModel(server.url, { transport });
      const messages: Message[] = [{ role: "system", content: "Be brief." }];
      const approver = denyUnattended;
      for await (const event of run({
        model,
        tools: [],
        messages,
        input: "go",
        mode: () => "auto",
        approver,
      }))
        events.push(event);
      return events.at(-1);
    };
    const recorded = await work(tape.transport);
    expect(recorded).toMatchObject({ type: "run_finished" });
    await server.close();
    const transport = replay(tape);
    expect(await work(transport)).toMatchObject({ ...recorded, durationMs: expect.any(Number) as number });
    expect(transport.left).toEqual([]);
  });

  it.each<[string, ScriptedReply]>([
    ["an error", errorReply(400, "no such thing")],
    ["an overflow", errorReply(400, "the request exceeds the available context size (4096 tokens)")],
    ["a page", { status: 404, headers: { "content-type": "text/html" }, parts: ["<h1>Not found</h1>"] }],
    ["a closed connection", { parts: [{ do: "close" }] }],
  ])("plays %s again", async (_name, reply) => {
    const { url } = await serve(() => reply);
    const tape = record();
    const ask = (transport: Transport) =>
      errorOf(runModel(createModel(url, { transport, maxRetries: 0 }))) as Promise<Error & { code: string }>;
    const recorded = await ask(tape.transport);
    const played = await ask(replay(tape));
    expect([played.code, played.message]).toEqual([recorded.code, recorded.message]);
    expect(recorded.code).toMatch(/^(?:model|context)_/);
  });

  it("plays a reply that breaks off again", async () => {
    const { url } = await serve([brokenReply(textReply("one two three"), 3)]);
    const tape = record();
    const { reply } = await runModel(createModel(url, { transport: tape.transport }));
    expect(reply.finish).toBe("cut");
    expect((await runModel(createModel(url, { transport: replay(tape) }))).reply).toEqual(reply);
  });

  it("plays a server that is not there again", async () => {
    const { url, close } = await serve([]);
    await close();
    const tape = record();
    const ask = (transport: Transport) => errorOf(createModel(url, { transport }).describe({}));
    expect(await ask(tape.transport)).toMatchObject({ code: "model_unavailable" });
    expect(tape.file()).toMatch(/"kind":"refused"/);
    expect(await ask(replay(tape))).toMatchObject({ code: "model_unavailable" });
  });

  it("tells an interrupted reply, which ends there when it is played", async () => {
    const { url } = await serve([hangingReply(textReply("one two three"), 3)]);
    const tape = record();
    const abort = new AbortController();
    const model = createModel(url, { transport: tape.transport });
    const interrupted = (async () => {
      for await (const event of model.stream(REQUEST, { signal: abort.signal }))
        if (event.type === "text_delta") abort.abort(new Error("enough"));
    })();
    await expect(interrupted).rejects.toThrow("enough");
    await expect.poll(() => tape.entries.at(-1)).toMatchObject({ type: "failure", kind: "aborted" });
    const played = await runModel(createModel(url, { transport: replay(tape) }));
    expect(played.reply.finish).toBe("cut");
  });

  it("ends where its program was killed, and counts no torn line", async () => {
    const { url } = await serve([textReply("one two three", { pieceChars: 4 })]);
    const tape = record();
    await runModel(createModel(url, { transport: tape.transport }));
    const file = tape.file();
    const entries = parseRecording(file.slice(0, file.lastIndexOf('"end"') + 3));
    expect(entries.at(-1)).toMatchObject({ type: "chunk" });
    const { reply } = await runModel(createModel(url, { transport: createReplayTransport(entries) }));
    expect(reply.text).toBe("one two three");
    // Without the chunks as well.
    const killed = createReplayTransport(entries.slice(0, 3));
    const model = createModel(url, { transport: killed, maxRetries: 0 });
    await expect(runModel(model)).rejects.toMatchObject({ code: "model_unavailable" });
  });

  it("goes on in the same file, with numbers from 0 again", async () => {
    const { url } = await serve([textReply("first"), textReply("second")]);
    const [one, two] = [record(), record()];
    await runModel(createModel(url, { transport: one.transport }));
    await runModel(createModel(url, { transport: two.transport }), {
      request: { messages: AGAIN, tools: TOOLS },
    });
    const transport = createReplayTransport(parseRecording(one.file() + two.file()));
    const model = createModel(url, { transport });
    expect((await runModel(model)).reply.text).toBe("first");
    expect((await runModel(model, { request: { messages: AGAIN, tools: TOOLS } })).reply.text).toBe("second");
  });
});
