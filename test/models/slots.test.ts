import * as fc from "../_property.ts";
import { afterEach, describe, expect, it } from "vitest";
import { chooseSlot, createSlotOwner, readSlots } from "../../src/models/slots.ts";
import type { SlotState } from "../../src/models/slots.ts";
import type { ScriptedReply, ScriptedServer } from "../../src/testing/index.ts";
import {
  errorReply,
  hangingReply,
  jsonReply,
  startScriptedServer,
  textReply,
} from "../../src/testing/index.ts";
import { createModel, REQUEST, runModel } from "./run-model.ts";

const free = (id: number): SlotState => ({ id, busy: false, used: false });
const holding = (id: number, tokens: number): SlotState => ({ id, busy: false, used: true, tokens });
const busy = (id: number): SlotState => ({ id, busy: true, used: true });
const first = () => 0;

describe("the slots of a server", () => {
  it("are read as llama-server shows them, with the fields of each version", () => {
    const answer = [
      { id: 0, n_ctx: 4096, speculative: false, is_processing: false },
      { id: 1, id_task: 12, is_processing: false, n_prompt_tokens: 900, n_prompt_tokens_cache: 880 },
      { id: 2, id_task: 13, is_processing: true, prompt: "…" },
      { id: 3, id_task: -1, is_processing: false, prompt: "" },
      { id: 4, id_task: 3, state: 0 },
      { id: 5, state: 1 },
    ];
    expect(readSlots(answer)).toEqual([
      free(0),
      { id: 1, busy: false, used: true, lastTask: 12, tokens: 900 },
      { ...busy(2), lastTask: 13 },
      free(3),
      { id: 4, busy: false, used: true, lastTask: 3 },
      busy(5),
    ]);
  });

  it.each([
    ["nothing", undefined],
    ["an error", { error: { message: "This server does not support slots endpoint." } }],
    ["an empty list", []],
    ["numbers", [1, 2]],
    ["no ids", [{ is_processing: false }, { is_processing: false }]],
    [
      "one id twice",
      [
        { id: 0, is_processing: false },
        { id: 0, is_processing: false },
      ],
    ],
    [
      "ids that are none",
      [
        { id: -1, is_processing: false },
        { id: "1", is_processing: false },
      ],
    ],
    ["no word on whether they are busy", [{ id: 0 }, { id: 1 }]],
    ["far too many", Array.from({ length: 2_000 }, (_, id) => ({ id, is_processing: false }))],
  ])("are unknown in %s", (_name, answer) => {
    expect(readSlots(answer)).toBeUndefined();
  });
});

describe("the slot for a conversation", () => {
  it.each<[string, readonly SlotState[], object, number | undefined]>([
    ["is one that nobody has used", [holding(0, 10), free(1), busy(2)], {}, 1],
    ["is the one that holds least, where all were used", [holding(0, 900), holding(1, 20), busy(2)], {}, 1],
    [
      "is the one that rested longest, where that is told: a conversation that just began holds little",
      [
        { ...holding(0, 900), lastTask: 3 },
        { ...holding(1, 20), lastTask: 8 },
      ],
      {},
      0,
    ],
    [
      "is the one that holds least, where it is told of some only",
      [{ ...holding(0, 900), lastTask: 3 }, holding(1, 20)],
      {},
      1,
    ],
    ["is rather one whose size is known", [{ id: 0, busy: false, used: true }, holding(1, 20)], {}, 1],
    ["is the one it had before, when that is free", [free(0), holding(1, 900)], { prefer: 1 }, 1],
    ["is another one when the one it had is busy", [free(0), busy(1)], { prefer: 1 }, 0],
    ["is none of those that belong to somebody", [free(0), holding(1, 9)], { avoid: [0] }, 1],
    ["is left to the server when all are busy", [busy(0), busy(1)], { prefer: 0 }, undefined],
    ["is left to the server when there is only one", [free(0)], { prefer: 0 }, undefined],
    ["is left to the server when nothing is known", [], {}, undefined],
  ])("%s", (_name, slots, wish, chosen) => {
    expect(chooseSlot(slots, wish, first)).toBe(chosen);
  });

  it("is any of the equal ones, so that two agents that start together seldom meet", () => {
    const slots = [0, 1, 2, 3].map(free);
    const chosen = [0, 0.3, 0.6, 0.999, 1].map((number) => chooseSlot(slots, {}, () => number));
    expect(chosen).toEqual([0, 1, 2, 3, 3]);
  });

  it("is never one that is busy or belongs to somebody", () => {
    const slot = fc.record({
      busy: fc.boolean(),
      used: fc.boolean(),
      tokens: fc.option(fc.nat(), { nil: undefined }),
    });
    const slots = fc
      .array(slot, { maxLength: 8 })
      .map((all) =>
        all.map(({ tokens, ...rest }, id) => ({ id, ...rest, ...(tokens === undefined ? {} : { tokens }) })),
      );
    const wish = fc.record({ prefer: fc.nat(9), avoid: fc.array(fc.nat(9)) });
    fc.assert(
      fc.property(slots, wish, fc.double({ min: 0, max: 1, noNaN: true }), (all, wanted, number) => {
        const open = all.filter((one) => !one.busy && !wanted.avoid.includes(one.id));
        const chosen = chooseSlot(all, wanted, () => number);
        expect(chosen === undefined).toBe(all.length < 2 || open.length === 0);
        if (chosen !== undefined) expect(open.map(({ id }) => id)).toContain(chosen);
      }),
    );
  });
});

describe("the owner of slots", () => {
  it("gives each role its own, and the same one each time", async () => {
    let asked = 0;
    const owner = createSlotOwner(async () => {
      asked += 1;
      return [0, 1, 2].map(free);
    }, first);
    const roles = await Promise.all([owner.acquire("main"), owner.acquire("search"), owner.acquire("main")]);
    expect(roles).toEqual([0, 1, 0]);
    expect(await owner.acquire("review")).toBe(2);
    // All slots belong to roles; a further one goes without.
    expect(await owner.acquire("fourth")).toBeUndefined();
    expect(asked).toBe(4);
  });

  it.each([
    ["the server told nothing", undefined],
    ["all were busy", [busy(0), busy(1)]],
  ])("leaves a role without one when %s: to move it later would cost its prompt", async (_name, answer) => {
    const answers = [answer, [free(0), free(1)]];
    const owner = createSlotOwner(async () => answers.shift(), first);
    expect([await owner.acquire("main"), await owner.acquire("main")]).toEqual([undefined, undefined]);
    expect(await owner.acquire("search")).toBe(0);
  });

  it("goes on after a failed question", async () => {
    const answers = [Promise.reject(new Error("gone")), Promise.resolve([0, 1].map(free))];
    const owner = createSlotOwner(() => answers.shift() ?? Promise.resolve(undefined), first);
    await expect(owner.acquire("main")).rejects.toThrow("gone");
    expect(await owner.acquire("main")).toBe(0);
  });
});

describe("a model asked for a slot", () => {
  const open: ScriptedServer[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((server) => server.close()));
  });
  async function connect(routes: Record<string, ScriptedReply>) {
    const server = await startScriptedServer(() => textReply("ok"), { routes });
    open.push(server);
    return { server, model: createModel(server.url) };
  }
  const props = (total: number) => ({ "GET /props": jsonReply({ total_slots: total }) });
  const SLOTS = [
    { id: 0, is_processing: true },
    { id: 1, is_processing: false },
  ];

  it("asks llama-server, and sends it", async () => {
    const { model, server } = await connect({ ...props(2), "GET /slots": jsonReply(SLOTS) });
    const slot = await model.acquireSlot?.("main");
    expect(slot).toBe(1);
    await runModel(model, { request: { ...REQUEST, ...(slot === undefined ? {} : { slot }) } });
    expect(server.chats[0]?.json).toMatchObject({ id_slot: 1, cache_prompt: true });
  });

  it.each<[string, Record<string, ScriptedReply>]>([
    ["with one slot", { ...props(1), "GET /slots": jsonReply([SLOTS[1]]) }],
    [
      "that hides its slots",
      { ...props(2), "GET /slots": errorReply(501, "This server does not support slots") },
    ],
    ["that never answers", { ...props(2), "GET /slots": hangingReply() }],
    ["that says something else", { ...props(2), "GET /slots": jsonReply({ slots: 2 }) }],
    ["that does not say how many", { "GET /slots": jsonReply(SLOTS) }],
    [
      "that takes no `id_slot`",
      {
        "GET /api/v1/models": jsonReply({
          models: [{ key: "scripted", loaded_instances: [{ id: "scripted", config: { parallel: 4 } }] }],
        }),
        "GET /slots": jsonReply(SLOTS),
      },
    ],
  ])("leaves it to a server %s", async (_name, routes) => {
    const { model } = await connect(routes);
    expect(await model.acquireSlot?.("main")).toBeUndefined();
  });

  describe("and the server empties slots that rest, as llama-server does with one memory for all", () => {
    const rests = (id: number, tokens: number, task = 7) => ({
      id,
      is_processing: false,
      id_task: task,
      n_prompt_tokens: tokens,
    });
    const unused = (id: number) => ({ id, is_processing: false, id_task: null, n_prompt_tokens: 0 });
    const send = (model: ReturnType<typeof createModel>, slot: number) =>
      runModel(model, { request: { ...REQUEST, slot } });

    it("lets the server find the prompt again, which it does only where no slot is named", async () => {
      const routes = { ...props(2), "GET /slots": jsonReply([unused(0), unused(1)]) };
      const { model, server } = await connect(routes);
      const slot = (await model.acquireSlot?.("main")) ?? -1;
      await send(model, slot);
      routes["GET /slots"] = jsonReply([rests(slot, 900), unused(1 - slot)]);
      await send(model, slot);
      routes["GET /slots"] = jsonReply([rests(slot, 0), rests(1 - slot, 40, 8)]);
      await send(model, slot);
      // Its own slot is full again, and the next one to rest is emptied all the same.
      routes["GET /slots"] = jsonReply([rests(slot, 900, 9), rests(1 - slot, 0, 8)]);
      await send(model, slot);
      const sent = server.chats.map(({ json }) => (json as { id_slot?: number }).id_slot);
      expect(sent).toEqual([slot, slot, undefined, undefined]);
      expect(await model.acquireSlot?.("search")).toBeUndefined();
    });

    it("takes none where another conversation has lost its place already", async () => {
      const { model } = await connect({ ...props(2), "GET /slots": jsonReply([rests(0, 0), unused(1)]) });
      expect(await model.acquireSlot?.("main", { prefer: 0 })).toBeUndefined();
    });

    it("keeps to its slot while nothing is known", async () => {
      const routes = { ...props(2), "GET /slots": jsonReply([unused(0), unused(1)]) };
      const { model, server } = await connect(routes);
      const slot = (await model.acquireSlot?.("main")) ?? -1;
      routes["GET /slots"] = errorReply(500, "no");
      await send(model, slot);
      expect(server.chats[0]?.json).toMatchObject({ id_slot: slot });
    });
  });

  it("ends with the signal's reason", async () => {
    const { model } = await connect({ ...props(2), "GET /slots": jsonReply(SLOTS) });
    const abort = new AbortController();
    abort.abort(new Error("enough"));
    await expect(model.acquireSlot?.("main", { signal: abort.signal })).rejects.toThrow("enough");
  });
});
