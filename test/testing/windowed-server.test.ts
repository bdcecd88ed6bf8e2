import { afterEach, describe, expect, it } from "vitest";
import type { ModelReply } from "../../src/core/model.ts";
import { toSummaryMessages } from "../../src/core/summary.ts";
import {
  startWindowedServer,
  WINDOWED_KINDS,
  type WindowedScript,
  type WindowedServer,
  type WindowedServerOptions,
} from "../../src/testing/index.ts";
import { createModel, REQUEST, runModel } from "../models/run-model.ts";

const open: WindowedServer[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
});
async function start(
  script: WindowedScript,
  options: Partial<WindowedServerOptions> = {},
): Promise<WindowedServer> {
  const server = await startWindowedServer(script, { contextTokens: 1_000, ...options });
  open.push(server);
  return server;
}

const user = (content: string) => ({ role: "user", content });
const ask = (url: string, body: object) =>
  fetch(`${url}/v1/chat/completions`, { method: "POST", body: JSON.stringify(body) });

describe("the server with a window", () => {
  it("reads only what its slot does not hold yet, its own reply included", async () => {
    const server = await start(() => ({ text: "one two three four" }));
    const first = [user("a".repeat(400))];
    await (await ask(server.url, { messages: first })).text();
    const grown = [...first, { role: "assistant", content: "one two three four" }, user("b".repeat(40))];
    await (await ask(server.url, { messages: grown })).text();
    const [one, two] = server.counted;
    expect(one).toMatchObject({ cachedTokens: 0, evaluatedTokens: one?.promptTokens });
    expect(two?.cachedTokens).toBeGreaterThanOrEqual((one?.promptTokens ?? 0) + 4);
    expect(two?.evaluatedTokens).toBeLessThan(30);
  });

  it("reads everything behind the first change again", async () => {
    const server = await start(() => ({ text: "yes" }));
    const tail = user("c".repeat(400));
    for (const word of ["x", "y"])
      await (await ask(server.url, { messages: [user("a".repeat(400)), user(word), tail] })).text();
    expect(server.counted[1]?.evaluatedTokens).toBeGreaterThan(100);
    expect(server.counted[1]?.cachedTokens).toBeGreaterThan(100);
  });

  it("keeps conversations apart in slots", async () => {
    const server = await start(() => ({ text: "yes" }), { slots: 2 });
    for (const round of [1, 2, 3])
      for (const word of ["a", "b"])
        await (await ask(server.url, { messages: [user(word.repeat(100 * round))] })).text();
    const later = server.counted.slice(2);
    expect(later.every(({ cachedTokens }) => cachedTokens >= 25)).toBe(true);
  });

  it("shows what its slots hold", async () => {
    const server = await start(() => ({ text: "yes" }), { slots: 2 });
    const slots = async () =>
      (await (await fetch(`${server.url}/slots`)).json()) as { n_prompt_tokens: number }[];
    expect((await slots()).map(({ n_prompt_tokens: tokens }) => tokens)).toEqual([0, 0]);
    await (await ask(server.url, { messages: [user("a".repeat(400))], id_slot: 1 })).text();
    const [first, second] = (await slots()).map(({ n_prompt_tokens: tokens }) => tokens);
    expect(first).toBe(0);
    expect(second).toBeGreaterThan(100);
  });

  it("counts steps without refused requests and summaries", async () => {
    const steps: [number, boolean][] = [];
    const server = await start(({ step, isSummary }) => {
      steps.push([step, isSummary]);
      return { text: "yes" };
    });
    await (await ask(server.url, { messages: [user("a")] })).text();
    await (await ask(server.url, { messages: [user("a".repeat(9_000))] })).text();
    await (await ask(server.url, { messages: [user("a")], tool_choice: "none" })).text();
    await (await ask(server.url, { messages: toSummaryMessages([], { maxTokens: 100 }) })).text();
    await (await ask(server.url, { messages: [user("b")] })).text();
    expect(steps).toEqual([
      [1, false],
      [1, true],
      [1, true],
      [2, false],
    ]);
    expect(server.counted.map(({ refused }) => refused)).toEqual([false, true, false, false, false]);
  });

  it("ends a reply that runs out of room, calls too, like a model at the end of its window", async () => {
    const server = await start(() => ({
      text: "ok",
      calls: [{ name: "write", arguments: { path: "a", content: "x".repeat(9_000) } }],
    }));
    const { reply } = await runModel(createModel(server.url));
    expect(reply).toMatchObject<Partial<ModelReply>>({ finish: "length", text: "ok" });
    expect(reply.calls.every(({ problem }) => problem !== undefined)).toBe(true);
    expect(
      (server.counted[0]?.completionTokens ?? 0) + (server.counted[0]?.promptTokens ?? 0),
    ).toBeLessThanOrEqual(1_001);
  });

  it.each(WINDOWED_KINDS)(
    "refuses a prompt that is too long in words that are understood: %s",
    async (kind) => {
      const server = await start(() => ({ text: "yes" }), { kind });
      const request = { ...REQUEST, messages: [user("a".repeat(8_000))] as typeof REQUEST.messages };
      await expect(runModel(createModel(server.url, { maxRetries: 0 }), { request })).rejects.toMatchObject({
        code: "context_overflow",
      });
      expect(server.counted).toMatchObject([{ refused: true, cachedTokens: 0, evaluatedTokens: 0 }]);
    },
  );

  it.each(WINDOWED_KINDS)("says what it is and how much fits, as far as its kind does: %s", async (kind) => {
    const server = await start(() => ({ text: "yes" }), { kind });
    const info = await createModel(server.url, { id: undefined }).describe({});
    expect(info.server).toBe(kind === "openai" ? "openai-compatible" : kind);
    expect(info.contextTokens).toBe(kind === "openai" ? undefined : 1_000);
    expect(info.id).toBe("scripted");
  });

  it("reports counts that a client can read", async () => {
    const server = await start(() => ({ text: "yes" }));
    const model = createModel(server.url);
    await model.describe({});
    await runModel(model);
    const { events } = await runModel(model);
    const [, { promptTokens, cachedTokens, completionTokens } = expect.fail()] = server.counted;
    const usage = { promptTokens, cachedTokens, completionTokens };
    expect(events).toContainEqual({ type: "usage", usage: expect.objectContaining(usage) });
    expect(events.some(({ type }) => type === "prefill_progress")).toBe(true);
  });
});
