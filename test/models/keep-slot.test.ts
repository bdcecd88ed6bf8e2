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

  it("is a free one of its own model where our server holds several", async () => {
    const listed = ["first", "second"].map((id) => ({ id, state: "loaded" }));
    const toSlots = (busy: number) => jsonReply([0, 1].map((id) => ({ id, is_processing: id === busy })));
    server = await startScriptedServer(() => textReply("Yes."), {
      routes: {
        "GET /v1/models": jsonReply({ data: listed }),
        "GET /health": jsonReply({ server: "lmagent" }),
        "GET /props": jsonReply({ total_slots: 2, model_alias: "first" }),
        "GET /props?model=second": jsonReply({ total_slots: 2, model_alias: "second" }),
        "GET /slots": toSlots(1),
        "GET /slots?model=second": toSlots(0),
      },
    });
    const options = { baseUrl: server.url, transport: createHttpTransport(), id: "second" };
    expect(await ask(keepSlot(createChatModel(options), "main"))).toBe(1);
  });

  it("names none to a server with one", async () => {
    expect(await ask(await startModel(1))).toBeUndefined();
  });
});
