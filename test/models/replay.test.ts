import { describe, expect, it } from "vitest";
import type { Message } from "../../src/core/message.ts";
import { findDifference } from "../../src/models/json-difference.ts";
import type { Transport } from "../../src/models/index.ts";
import { createReplayTransport, parseRecording } from "../../src/models/index.ts";
import { jsonReply, textReply } from "../../src/testing/index.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";
import { serve } from "./serve.ts";
import { errorOf, record, replay } from "./tape.ts";
import { TOOLS } from "./tools.ts";

const AGAIN: Message[] = [
  ...REQUEST.messages,
  { role: "assistant", content: "Grüße 🙂" },
  { role: "user", content: "more" },
];

describe("a replay", () => {
  async function recordTwo() {
    const { url } = await serve([textReply("first"), textReply("second")], {
      routes: { "GET /v1/models": jsonReply({ data: [{ id: "scripted" }] }) },
    });
    const tape = record();
    const model = createModel(url, { transport: tape.transport });
    await runModel(model);
    await runModel(model, { request: { messages: AGAIN, tools: TOOLS } });
    return { url, tape };
  }

  it.each<[string, object, RegExp, string]>([
    [
      "a message",
      { messages: [{ role: "user", content: "create ran_b" }] },
      /`messages\.0\.content`: it was `"create ran_a"` and is `"create ran_b"`/,
      "messages.0.content",
    ],
    [
      "one message more",
      { messages: AGAIN },
      /`messages\.1`: it was `nothing` and is `\{"role"/,
      "messages.1",
    ],
    ["a field", { temperature: 0.7 }, /`temperature`: it was `nothing` and is `0\.7`/, "temperature"],
    ["the tools", { tools: TOOLS.slice(1) }, /`tools\.0\.function\.name`/, "tools.0.function.name"],
  ])("names the first difference: %s", async (_name, change, message, at) => {
    const { url, tape } = await recordTwo();
    const model = createModel(url, { transport: replay(tape) });
    const error = await errorOf(runModel(model, { request: { ...REQUEST, ...change } }));
    expect(error).toMatchObject({
      code: "model_rejected",
      data: { at },
      message: expect.stringMatching(message) as string,
    });
    expect((error as Error).message).toMatch(/Request 1 to `http.*record again\.$/);
  });

  it("says when there is nothing more, or never was", async () => {
    const { url, tape } = await recordTwo();
    const transport = replay(tape);
    expect(transport.left).toEqual(Array.from({ length: 2 }, () => `POST ${url}/v1/chat/completions`));
    const model = createModel(url, { transport });
    await runModel(model);
    await runModel(model, { request: { messages: AGAIN, tools: TOOLS } });
    await expect(runModel(model)).rejects.toThrow(/has 2, and all were made/);
    const elsewhere = createModel("http://127.0.0.1:9", { transport });
    await expect(runModel(elsewhere)).rejects.toThrow(/`POST http:\/\/127\.0\.0\.1:9.*has none/);
  });

  it("goes on with the request that was recorded after one that differed", async () => {
    const { url, tape } = await recordTwo();
    const model = createModel(url, { transport: replay(tape) });
    await errorOf(runModel(model, { request: { ...REQUEST, messages: [] } }));
    expect((await runModel(model)).reply.text).toBe("first");
  });

  it("answers the same question again", async () => {
    const { url } = await serve([], { routes: { "GET /v1/models": jsonReply({ data: [{ id: "known" }] }) } });
    const tape = record();
    await createModel(url, { id: undefined, transport: tape.transport }).describe({});
    const transport = replay(tape);
    for (let round = 0; round < 3; round += 1) {
      expect(await createModel(url, { id: undefined, transport }).describe({})).toMatchObject({
        id: "known",
      });
    }
  });

  it("does not mind another slot", async () => {
    const { url } = await serve(() => textReply("ok"), {
      routes: { "GET /props": jsonReply({ total_slots: 4 }) },
    });
    const tape = record();
    const ask = async (transport: Transport, slot: number) => {
      const model = createModel(url, { transport });
      await model.describe({});
      return (await runModel(model, { request: { ...REQUEST, slot } })).reply.text;
    };
    expect(await ask(tape.transport, 1)).toBe("ok");
    expect(tape.file()).toMatch(/id_slot\\":1/);
    expect(await ask(replay(tape), 3)).toBe("ok");
  });

  it("ends at once with the signal's reason", async () => {
    const { url, tape } = await recordTwo();
    const abort = new AbortController();
    abort.abort(new Error("enough"));
    const model = createModel(url, { transport: replay(tape) });
    await expect(runModel(model, { signal: abort.signal })).rejects.toThrow("enough");
  });
});

describe("the file of a recording", () => {
  const HEAD = '{"type":"recording","version":1}\n';
  it.each([
    ["nothing", "", 1],
    ["no head", '{"type":"end","exchange":0,"atMs":1}\n', 1],
    ["a newer version", '{"type":"recording","version":2}\n', 1],
    ["no JSON", `${HEAD}oops\n`, 2],
    ["a list", `${HEAD}[]\n`, 2],
    ["an unknown entry", `${HEAD}{"type":"toString","exchange":0,"atMs":1}\n`, 2],
    ["an entry without its fields", `${HEAD}\n{"type":"chunk","exchange":0,"atMs":1}\n`, 3],
    [
      "headers that are none",
      `${HEAD}{"type":"response","exchange":0,"atMs":1,"status":200,"headers":{"a":1}}\n`,
      2,
    ],
    ["a failure of no kind", `${HEAD}{"type":"failure","exchange":0,"atMs":1,"kind":"x","message":""}\n`, 2],
    [
      "a method that is not sent",
      `${HEAD}{"type":"request","exchange":0,"atMs":1,"method":"PUT","url":"","headers":{}}\n`,
      2,
    ],
  ])("is refused with its line: %s", (_name, text, line) => {
    expect(() => parseRecording(text)).toThrow(
      expect.objectContaining({ code: "session_corrupt", data: { line } }) as Error,
    );
  });

  it("may hold entries of exchanges that are not there", () => {
    const text = `${HEAD}{"type":"end","exchange":7,"atMs":1}\n`;
    expect(createReplayTransport(parseRecording(text)).left).toEqual([]);
  });
});

describe("the difference of two documents", () => {
  it.each<[unknown, unknown, string | undefined]>([
    [{ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }, undefined],
    [{ a: [1, 2] }, { a: [1, 3] }, "a.1"],
    [{ a: [1] }, { a: { 0: 1 } }, "a"],
    ["x", "y", "body"],
    [null, {}, "body"],
    [{ a: undefined }, {}, undefined],
  ])("between %j and %j is at %s", (before, now, at) => {
    expect(findDifference(before, now)?.at).toBe(at);
  });

  it("is shown around its first character", () => {
    const long = "x".repeat(5_000);
    const found = findDifference({ a: `${long}1${long}` }, { a: `${long}2${long}` });
    expect(found?.before).toMatch(/^…x+1x+…$/);
    expect(found?.now).toMatch(/^…x+2x+…$/);
    expect(found?.before.length).toBeLessThan(100);
  });

  it("is found in documents that go deep", () => {
    const nest = (value: unknown, depth: number): unknown =>
      depth === 0 ? value : { a: nest(value, depth - 1) };
    expect(findDifference(nest(1, 500), nest(2, 500))?.at).toMatch(/^a\.a/);
  });
});
