import { afterEach, describe, expect, it } from "vitest";
import type { Model } from "../../src/core/index.ts";
import { createChatModel, keepSlot } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import { jsonReply, startScriptedServer, textReply, type ScriptedServer } from "../../src/testing/index.ts";

let server: ScriptedServer | undefined;

afterEach(async () => {
  await server?.close();
});

async function startModel(slots: number): Promise<Model> {
  server = await startScriptedServer(() => textReply("Yes."), {
    routes: {
      "GET /props": jsonReply({ default_generation_settings: { n_ctx: 8192 }, total_slots: slots }),
      "GET /slots": jsonReply(
        Array.from({ length: slots }, (_, id) => ({ id, is_processing: id === 0, n_ctx: 8192 })),
      ),
    },
  });
  return keepSlot(createChatModel({ baseUrl: server.url, transport: createHttpTransport() }), "main");
}

async function ask(model: Model, slot?: number): Promise<unknown> {
  const request = {
    messages: [{ role: "user" as const, content: "Hi" }],
    tools: [],
    ...(slot === undefined ? {} : { slot }),
  };
  for await (const _ of model.stream(request, { signal: new AbortController().signal })) continue;
  return (server?.chats.at(-1)?.json as { id_slot?: unknown } | undefined)?.id_slot;
}

describe("a model that keeps its slot", () => {
  it("stays on a free slot of a server with several", async () => {
    const model = await startModel(2);
    expect([await ask(model), await ask(model)]).toEqual([1, 1]);
  });

  it("uses the slot that a request names", async () => {
    expect(await ask(await startModel(2), 0)).toBe(0);
  });

  it("names none to a server with one", async () => {
    expect(await ask(await startModel(1))).toBeUndefined();
  });
});
