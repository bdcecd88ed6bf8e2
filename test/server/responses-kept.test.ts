import OpenAI from "openai";
import type { Response, ResponseInput } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBoundedStore } from "../../src/server/bounded-store.ts";
import { createResponseStore } from "../../src/server/responses/response-store.ts";
import { KEY, startDialects } from "./_dialects.ts";
import type { Dialects } from "./_dialects.ts";

let server: Dialects;
let client: OpenAI;

beforeAll(async () => {
  server = await startDialects();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: KEY, maxRetries: 0 });
});

afterAll(() => server[Symbol.asyncDispose]());

const BASE = { model: "practice", temperature: 0 } as const;

describe("what is kept", () => {
  let kept: Response;

  beforeAll(async () => {
    kept = await client.responses.create({
      ...BASE,
      input: [{ role: "user", content: [{ type: "input_text", text: "hello" }] }],
    });
  });

  test("can be read again, with what it answered", async () => {
    const { output_text: _, ...again } = await client.responses.retrieve(kept.id);
    const { output_text: __, ...first } = kept;
    expect(again).toEqual({ ...first });
    const items = await client.responses.inputItems.list(kept.id);
    expect(items.data).toEqual([
      {
        id: expect.stringMatching(/^msg_/) as string,
        type: "message",
        status: "completed",
        role: "user",
        content: [{ type: "input_text", text: "hello" }],
      },
    ]);
  });

  test("gives its items in pages", async () => {
    const input = ["a", "b", "c"].flatMap((content) => [
      { role: "user" as const, content },
      { role: "assistant" as const, content },
    ]);
    const { id } = await client.responses.create({
      ...BASE,
      input: [...input, { role: "user", content: "hello" }],
    });
    const texts: unknown[] = [];
    for await (const item of client.responses.inputItems.list(id, { limit: 2, order: "asc" })) {
      if (item.type === "message") texts.push(item.content[0]);
    }
    expect(texts).toMatchObject(["a", "a", "b", "b", "c", "c", "hello"].map((text) => ({ text })));
    await expect(client.responses.inputItems.list(id, { limit: 1000 })).rejects.toMatchObject({
      status: 400,
    });
  });

  test("can be named instead of sent", async () => {
    const [message] = kept.output;
    const reference = { type: "item_reference" as const, id: message?.id ?? "" };
    const sent = [{ role: "user" as const, content: "hello" }, message as ResponseInput[number]];
    const more = { role: "user" as const, content: "hello" };
    const count = async (input: ResponseInput): Promise<number> =>
      (await client.responses.inputTokens.count({ model: "practice", input })).input_tokens;
    expect(await count([sent[0] as ResponseInput[number], reference, more])).toBe(
      await count([...sent, more]),
    );
    await expect(count([{ type: "item_reference", id: "msg_gone" }])).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining("Item with id 'msg_gone' not found") as string,
    });
  });

  test("is gone when it was deleted", async () => {
    const { id } = await client.responses.create({ ...BASE, input: "hello" });
    await client.responses.delete(id);
    await expect(client.responses.retrieve(id)).rejects.toMatchObject({ status: 404 });
    await expect(
      client.responses.create({ ...BASE, input: "hello", previous_response_id: id }),
    ).rejects.toMatchObject({
      status: 400,
      code: "previous_response_not_found",
      param: "previous_response_id",
      message: expect.stringContaining(`Previous response with id '${id}' not found`) as string,
    });
  });

  test("cannot be cancelled, and the answer says why", async () => {
    await expect(client.responses.cancel(kept.id)).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("background") as string,
    });
    await expect(client.responses.cancel("resp_gone")).rejects.toMatchObject({ status: 404 });
  });
});

describe("the store", () => {
  const bounds = { maxEntries: 3, maxBytes: 1_000, ttlMs: 60_000 };

  test("lets go what was used longest ago", () => {
    const store = createBoundedStore<string>({ ...bounds, now: () => new Date(0) });
    for (const id of ["a", "b", "c"]) store.put(id, id);
    store.get("a");
    store.put("d", "d");
    expect(["a", "b", "c", "d"].map((id) => store.get(id))).toEqual(["a", undefined, "c", "d"]);
  });

  test("holds no more than so many bytes, and nothing that alone is larger", () => {
    const store = createBoundedStore<string>({ ...bounds, now: () => new Date(0) });
    store.put("a", "x".repeat(600));
    store.put("b", "x".repeat(600));
    expect([store.get("a"), store.get("b")?.length]).toEqual([undefined, 600]);
    store.put("c", "x".repeat(2_000));
    expect(store.get("c")).toBeUndefined();
    store.put("d", "x".repeat(600));
    expect(store.get("d")?.length).toBe(600);
  });

  test("forgets after a while without use", () => {
    let now = 0;
    const store = createBoundedStore<string>({ ...bounds, now: () => new Date(now) });
    store.put("a", "a");
    now = 59_000;
    expect(store.get("a")).toBe("a");
    now = 118_000;
    expect(store.get("a")).toBe("a");
    now = 179_000;
    expect(store.get("a")).toBeUndefined();
    expect(store.delete("a")).toBe(false);
  });

  test("finds an item as long as any response has it", () => {
    const store = createResponseStore({ ...bounds, now: () => new Date(0) });
    const item = { id: "msg_1", type: "message" };
    store.put("resp_1", { response: {}, input: [], output: [item] });
    store.put("resp_2", { response: {}, input: [item], output: [] });
    store.delete("resp_1");
    expect(store.findItem("msg_1")).toBe(item);
    store.delete("resp_2");
    expect(store.findItem("msg_1")).toBeUndefined();
  });
});
