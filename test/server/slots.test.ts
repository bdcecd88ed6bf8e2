/** The slots of a real server with a real model: its own counters say whose prompt was kept. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Message } from "../../src/core/message.ts";
import type { Model, ModelReply, ModelRequest, ToolSchema, Usage } from "../../src/core/model.ts";
import type { AcquiredEngine } from "../../src/engine/index.ts";
import { createChatModel } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import { PRACTICE } from "../engine/_practice.ts";
import { ask, createTestHome, TOOLS } from "./_agent.ts";
import type { TestHome } from "./_agent.ts";

let home: TestHome;
let engine: AcquiredEngine;

beforeAll(async () => {
  home = await createTestHome();
  engine = await home.acquire();
});

afterAll(() => home.close());

/** As another process has it: nothing is shared but the server. */
const connect = (): Model =>
  createChatModel({
    id: engine.modelId,
    baseUrl: engine.baseUrl,
    apiKey: engine.apiKey,
    transport: createHttpTransport(),
  });

async function take(model: Model, request: ModelRequest): Promise<{ reply: ModelReply; usage: Usage }> {
  let usage: Usage = {};
  for await (const event of model.stream(request, { signal: AbortSignal.timeout(20_000) })) {
    if (event.type === "usage") usage = event.usage;
    if (event.type === "finished") return { reply: event.reply, usage };
  }
  throw new Error("the reply has no end");
}

const tools = TOOLS as unknown as ToolSchema[];
const talk = (topic: string): Message[] => [
  { role: "system", content: "You are a careful assistant." },
  { role: "user", content: `create a file ${topic}.txt with the text ${`${topic} `.repeat(60)}` },
];
const SHORT = { maxTokens: 8, tools };

const slots = async (): Promise<unknown> => {
  const root = engine.baseUrl.replace(/\/v1$/, "");
  const { text } = await ask(`${root}/slots`, { headers: { authorization: `Bearer ${engine.apiKey}` } });
  return JSON.parse(text);
};

describe("the slots of our server", () => {
  test("are shown with what they hold, and two agents take different ones that keep their prompts", async () => {
    const one = connect();
    const first = await one.acquireSlot?.("main");
    expect([0, 1]).toContain(first);
    const begun = await take(one, { ...SHORT, messages: talk("apple"), slot: first ?? -1 });
    expect(begun.usage.cachedTokens).toBe(0);

    const other = connect();
    const second = await other.acquireSlot?.("main");
    expect(second).toBe(1 - (first ?? 0));
    await take(other, { ...SHORT, messages: talk("melon"), slot: second ?? -1 });
    const [older, newer] = [first, second];
    const held = {
      n_ctx: PRACTICE.contextTokens,
      is_processing: false,
      n_prompt_tokens: expect.any(Number) as number,
    };
    expect(await slots()).toEqual([0, 1].map((id) => ({ id, id_task: id === older ? 0 : 1, ...held })));
    // A third agent takes the one that rested longest.
    expect(newer).not.toBe(await connect().acquireSlot?.("main"));

    // Whatever the other one asked in between: the first one's prompt is still there.
    const next = await take(one, {
      ...SHORT,
      messages: [
        ...talk("apple"),
        { role: "assistant", content: "Done." },
        { role: "user", content: "read apple.txt" },
      ],
      slot: first ?? -1,
    });
    const { promptTokens = 0 } = begun.usage;
    expect(promptTokens).toBeGreaterThan(60);
    expect(next.usage.cachedTokens).toBeGreaterThan(promptTokens - 10);
  });

  test("keep the prompt through requests that force a call or want none", async () => {
    const model = connect();
    const slot = 0;
    await model.describe({});
    const messages = talk("pear");
    const plain = await take(model, { ...SHORT, messages, slot });
    const { promptTokens = 0 } = plain.usage;
    const none = await take(model, { ...SHORT, messages, slot, toolChoice: "none" });
    const forced = await take(model, { tools, maxTokens: 300, messages, slot, toolChoice: "required" });
    expect(forced.reply.calls.map(({ name }) => name)).toContain("write");
    expect(forced.reply.calls[0]).not.toHaveProperty("rescued");
    for (const { usage } of [none, forced]) {
      expect(usage.promptTokens).toBe(promptTokens);
      expect(usage.cachedTokens).toBeGreaterThan(promptTokens - 10);
    }
  });

  test("are asked for by a number that there is, or not at all", async () => {
    const model = connect();
    await model.describe({});
    const { reply } = await take(model, { ...SHORT, messages: talk("fig"), slot: 7 });
    expect(reply.finish).not.toBe("cut");
  });
});
