import { describe, expect, it } from "vitest";
import {
  callReply,
  hangingReply,
  jsonReply,
  startScriptedServer,
  textReply,
} from "../../src/testing/index.ts";
import { serve } from "../models/serve.ts";

const ask = (url: string, body: unknown, signal?: AbortSignal) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });

describe("the scripted server", () => {
  it("replies in the order of its script and records what it was asked", async () => {
    const server = await serve([textReply("one"), jsonReply({ two: 2 }, { status: 201 })]);
    const first = await ask(server.url, { turn: 1 });
    expect(await first.text()).toMatch(/^data: .*"content":"one".*data: \[DONE\]\n\n$/s);
    const second = await ask(server.url, { turn: 2 });
    expect([second.status, await second.json()]).toEqual([201, { two: 2 }]);
    expect(server.chats.map((chat) => chat.json)).toEqual([{ turn: 1 }, { turn: 2 }]);
    expect(server.chats[1]?.atMs).toBeGreaterThanOrEqual(server.chats[0]?.atMs ?? Number.POSITIVE_INFINITY);
    expect(server.chats[0]?.abandoned).toBe(false);
  });

  it("says so when its script is over or a route is not in it", async () => {
    const server = await serve([], { routes: { "GET /props": jsonReply({ a: 1 }) } });
    expect(await (await ask(server.url, {})).text()).toContain("no reply for request 1");
    expect(await (await fetch(`${server.url}/props`)).json()).toEqual({ a: 1 });
    expect((await fetch(`${server.url}/nothing`)).status).toBe(404);
    expect(await (await fetch(`${server.url}/v1/models`)).json()).toMatchObject({
      data: [{ id: "scripted" }],
    });
  });

  it("can make each reply from its request", async () => {
    const server = await serve((request, chats) => jsonReply({ chats, got: request.json }));
    await ask(server.url, "a");
    expect(await (await ask(server.url, "b")).json()).toEqual({ chats: 2, got: "b" });
  });

  it("writes calls in every style, each with all of the arguments", async () => {
    const args = { command: "ls" };
    for (const style of [
      "standard",
      "no_index",
      "no_id",
      "empty_id",
      "index_zero",
      "whole",
      "object",
    ] as const) {
      const server = await serve([callReply([{ name: "shell", arguments: args }], { style })]);
      const text = await (await ask(server.url, {})).text();
      const frames = text
        .split("\n\n")
        .flatMap((event) => (event.startsWith("data: {") ? [JSON.parse(event.slice(6)) as Chunk] : []));
      const pieces = frames
        .flatMap((frame) => frame.choices[0]?.delta.tool_calls ?? [])
        .map((call) => call.function.arguments);
      const whole = style === "object" ? pieces[0] : JSON.parse(pieces.join(""));
      expect(whole).toEqual(args);
    }
  });

  it("notices that a client has gone", async () => {
    const server = await serve([hangingReply(textReply("one two"), 2)]);
    const controller = new AbortController();
    const response = await ask(server.url, {}, controller.signal);
    controller.abort();
    await expect(response.text()).rejects.toThrow(/abort/);
    await expect.poll(() => server.chats[0]?.abandoned).toBe(true);
  });

  it("leaves nothing open when it is closed in the middle of everything", async () => {
    const server = await startScriptedServer(() => ({ parts: ["x", { do: "wait", ms: 60_000 }, "y"] }));
    const response = await ask(server.url, {});
    await server.close();
    await server.close();
    await expect(response.text()).rejects.toThrow(/terminated/);
    await expect(ask(server.url, {})).rejects.toThrow(/fetch failed/);
  });
});

interface Chunk {
  choices: { delta: { tool_calls?: { function: { arguments: string } }[] } }[];
}
