import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { fingerprint } from "../../src/core/fingerprint.ts";
import { Inbox } from "../../src/core/inbox.ts";
import type { ModelReply, ModelRequest } from "../../src/core/model.ts";
import { createRedactor } from "../../src/core/redact.ts";
import type { ToolResult } from "../../src/core/tool.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { collect, echo, last, textTool } from "./_run.ts";

/** A model that never ends by itself. */
function endless(reply: (turn: number) => Partial<ModelReply>) {
  const replies = Array.from({ length: 300 }, (_, index) => reply(index + 1));
  return createScriptedModel(replies);
}

function warnings(events: readonly AgentEvent[], code: string): string[] {
  return events.flatMap((event) => (event.type === "warning" && event.code === code ? [event.message] : []));
}

function results(events: readonly AgentEvent[]): string[] {
  return events.flatMap((event) =>
    event.type === "tool_finished" ? [event.result.ok ? event.result.output : event.result.error] : [],
  );
}

const look = (text: string) => ({ calls: [scriptedCall("look", { text })] });

describe("a model that makes the same read-only call again and again", () => {
  it("is answered from memory, told, asked in another way, and stopped", async () => {
    let runs = 0;
    const tool = textTool("look", () => {
      runs += 1;
      return { ok: true, output: "the file" };
    });
    const model = endless(() => look("a.ts"));
    const { events } = await collect({ model, tools: [tool], temperature: 0 });
    expect(last(events)).toMatchObject({ reason: "loop", turns: 8 });
    expect(last(events).message).toContain("`look` (a.ts) 8 times in a row with the same result");
    expect(last(events).message).toContain("--continue");
    expect(results(events)[2]).toBe(
      "You made this call already in turn 2, and nothing has changed since. Its result is above. Do not make it again.",
    );
    expect(runs).toBe(5);
    expect(warnings(events, "loop_suspected")[0]).toContain("It is told so.");
    expect(model.requests.map(({ temperature }) => temperature)).toEqual([0, 0, 0, 0, 0, 0.7, 0.7, 0.7]);
    expect(model.requests.at(-1)?.messages.filter((message) => message.role === "user")).toHaveLength(2);
    expect(events.some(({ type }) => type === "prefix_broken")).toBe(false);
  });

  it("gets its own sampling back once it takes a step", async () => {
    const model = createScriptedModel([
      ...Array.from({ length: 5 }, () => look("a.ts")),
      look("b.ts"),
      { text: "Done." },
    ]);
    const tool = textTool("look", (text) => ({ ok: true, output: `content of ${text.toUpperCase()}` }));
    const { events } = await collect({ model, tools: [tool], temperature: 0.2 });
    expect(last(events).reason).toBe("done");
    expect(model.requests.map(({ temperature }) => temperature)).toEqual([0.2, 0.2, 0.2, 0.2, 0.2, 0.7, 0.2]);
  });

  it("is not asked colder than its profile says", async () => {
    const model = createScriptedModel(
      Array.from({ length: 8 }, () => look("a")),
      { profile: { name: "hot", temperature: 1 } },
    );
    await collect({ model, tools: [textTool("look", () => ({ ok: true, output: "x" }))] });
    expect(model.requests.at(-1)?.temperature).toBe(1.2);
  });

  it("sees what changes by itself one turn later at the latest", async () => {
    let log = "starting";
    const tool = textTool("look", () => ({ ok: true, output: log }));
    const replies = Array.from({ length: 4 }, (_, index) => () => {
      if (index === 2) log = "ready";
      return oneReply(look("log"));
    });
    const { events } = await collect({
      model: createScriptedModel([...replies, { text: "ok" }]),
      tools: [tool],
    });
    expect(results(events)).toEqual([
      "starting",
      "starting",
      expect.stringContaining("already in turn 2"),
      "ready",
    ]);
  });

  it("is given the file again after anything was changed in between, also in the same reply", async () => {
    const tools = [
      textTool("look", () => ({ ok: true, output: "same" })),
      textTool("store", () => ({ ok: true, output: "stored" }), { access: "write" }),
      textTool("shell", () => ({ ok: false, error: "exit code 1" }), { access: "execute" }),
    ];
    const store = scriptedCall("store", { text: "new" });
    const model = createScriptedModel([
      look("a"),
      look("a"),
      { calls: [store, scriptedCall("look", { text: "a" })] },
      look("a"),
      { calls: [scriptedCall("shell", { text: "make" })] },
      look("a"),
      { text: "ok" },
    ]);
    const { events } = await collect({ model, tools });
    expect(results(events).filter((text) => text === "same")).toHaveLength(5);
  });

  it("is given it again after the user has spoken", async () => {
    const inbox = new Inbox();
    let looks = 0;
    const tool = textTool("look", () => {
      if ((looks += 1) === 2) inbox.steer("I have changed it, look again");
      return { ok: true, output: "same" };
    });
    const model = createScriptedModel([look("a"), look("a"), look("a"), { text: "ok" }]);
    await collect({ model, tools: [tool], inbox });
    expect(looks).toBe(3);
  });

  it("is never answered from memory when the result was another one before", async () => {
    const outputs = ["1 of 9", "2 of 9", "2 of 9", "2 of 9", "3 of 9"];
    const tool = textTool("look", () => ({ ok: true, output: outputs.shift() ?? "" }));
    const model = createScriptedModel([...Array.from({ length: 5 }, () => look("progress")), { text: "ok" }]);
    const { events } = await collect({ model, tools: [tool] });
    expect(results(events)).toEqual(["1 of 9", "2 of 9", "2 of 9", "2 of 9", "3 of 9"]);
  });
});

async function* oneReply(reply: Partial<ModelReply>) {
  const whole: ModelReply = { text: "", thinking: "", calls: [], finish: "tool_calls", ...reply };
  yield { type: "finished" as const, reply: whole };
}

describe("what is said of a circle", () => {
  const tool = textTool("look", () => ({ ok: true, output: "nothing" }));

  it("holds no secret and nothing that ends a message", async () => {
    const model = endless(() => look("sk-secret-123456 <|im_end|>"));
    const { events } = await collect({
      model,
      tools: [tool],
      redactor: createRedactor(["sk-secret-123456"]),
    });
    const said = events.filter(
      (event) =>
        event.type === "warning" ||
        event.type === "run_finished" ||
        (event.type === "message_added" && event.note === "nudge"),
    );
    expect(said).toHaveLength(5);
    expect(JSON.stringify(said)).not.toContain("sk-secret-123456");
    const nudge = said.find(({ type }) => type === "message_added");
    expect(JSON.stringify(nudge)).toContain("`look`");
    expect(JSON.stringify(nudge)).not.toContain("<|im_end|>");
  });

  it("is kept from a model that takes every word for its request: there all calls run", async () => {
    let runs = 0;
    const counted = textTool("look", () => {
      runs += 1;
      return { ok: true, output: "nothing" };
    });
    const replies = Array.from({ length: 9 }, () => look("a"));
    const model = createScriptedModel(replies, {
      profile: { name: "small", recentRequests: 1, temperature: 0 },
    });
    const { events, result } = await collect({ model, tools: [counted] });
    expect(last(events)).toMatchObject({ reason: "loop", turns: 8 });
    expect(runs).toBe(8);
    expect(result.messages.filter(({ role }) => role === "user")).toHaveLength(1);
    expect(model.requests.at(-1)?.temperature).toBe(0.7);
  });
});

describe("a model whose calls cannot be used now and then", () => {
  it("is not given up while others can", async () => {
    const replies = Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0
        ? { calls: [scriptedCall("fly", {})] }
        : { calls: [scriptedCall("echo", { text: `${index}` })] },
    );
    const { events } = await collect({
      model: createScriptedModel([...replies, { text: "ok" }]),
      tools: [echo],
    });
    expect(last(events).reason).toBe("done");
  });
});

describe("what a compaction leaves out", () => {
  it("is read again and not answered from memory", async () => {
    const reads: string[] = [];
    const read = textTool("look", (text) => {
      reads.push(text);
      return { ok: true, output: `${text} ${"some words of it ".repeat(180)}` };
    });
    const steps = ["a", "a", ...Array.from({ length: 8 }, (_, index) => `file ${index}`), "a"];
    let step = 0;
    const answer = (request: ModelRequest) => {
      if (request.toolChoice === "none")
        return oneReply({ text: "Goal: read. State: reading. Next: go on.", finish: "stop" });
      const next = steps[step];
      step += 1;
      return oneReply(next === undefined ? { text: "Done.", finish: "stop" } : look(next));
    };
    const model = createScriptedModel(
      Array.from({ length: 60 }, () => answer),
      { contextTokens: 8_192 },
    );
    const { events } = await collect({ model, tools: [read] });
    expect(last(events).reason).toBe("done");
    expect(events.some(({ type }) => type === "context_compacted")).toBe(true);
    expect(reads).toEqual(steps);
  });
});

describe("a model that repeats what changes something", () => {
  it("has every call run, is told in words, and is stopped", async () => {
    let runs = 0;
    const count = (): ToolResult => {
      runs += 1;
      return { ok: true, output: "stored" };
    };
    const store = textTool("store", count, { access: "write" });
    const model = endless(() => ({ calls: [scriptedCall("store", { text: "same" })] }));
    const { events } = await collect({ model, tools: [store] });
    expect(last(events)).toMatchObject({ reason: "loop", turns: 8 });
    expect(runs).toBe(8);
    const nudges = events.filter((event) => event.type === "message_added" && event.note === "nudge");
    expect(nudges).toHaveLength(2);
    expect(JSON.stringify(nudges[0])).toContain("You repeat yourself: `store` (same) 3 times in a row");
  });

  it.each([2, 3, 4, 5])("is stopped in a cycle of %d steps", async (period) => {
    const store = textTool("store", () => ({ ok: true, output: "stored" }), { access: "write" });
    const model = endless((turn) => ({ calls: [scriptedCall("store", { text: `file ${turn % period}` })] }));
    const { events } = await collect({ model, tools: [store] });
    expect(last(events).reason).toBe("loop");
    expect(last(events).turns).toBeLessThanOrEqual(period * 5);
  });

  it("is stopped when it goes round and round in no order at all", async () => {
    const order = [1, 2, 3, 4, 5, 6, 2, 5, 1, 6, 3, 4, 1, 3, 5, 2, 4, 6, 6, 1, 5, 4, 3, 2];
    const tool = textTool("look", (text) => ({ ok: true, output: `content ${text}` }));
    const model = endless((turn) => look(`file ${order[turn % order.length]}`));
    const { events } = await collect({ model, tools: [tool] });
    expect(last(events).reason).toBe("loop");
    expect(last(events).turns).toBeLessThanOrEqual(24);
  });
});

describe("a model whose calls fail again and again", () => {
  it.each<[string, (turn: number) => string, number]>([
    ["with the same error", (turn) => `There is no file \`src/x${turn}.ts\`.`, 10],
    ["with ever other errors", (turn) => `Reason ${"abcdefghijklmnopqrst"[turn] ?? "z"} of many.`, 12],
  ])("is stopped %s", async (_name, error, turns) => {
    let count = 0;
    const tool = textTool("look", () => ({ ok: false, error: error((count += 1)) }));
    const { events } = await collect({ model: endless((turn) => look(`try ${turn}`)), tools: [tool] });
    expect(last(events)).toMatchObject({ reason: "loop", turns });
    expect(last(events).message).toContain("`look` has failed");
    expect(warnings(events, "loop_suspected")).toHaveLength(2);
  });

  it("is asked as before while other calls bring something new", async () => {
    const tools = [
      textTool("edit", () => ({ ok: false, error: "The old text is not there." }), { access: "write" }),
      textTool("look", (text) => ({ ok: true, output: `content ${fingerprint(text)}` })),
    ];
    const edit = (index: number) => ({ calls: [scriptedCall("edit", { text: `guess ${index}` })] });
    const replies = [1, 2, 3, 4, 5, 6].map(edit);
    const model = createScriptedModel([...replies, look("a"), edit(7), { text: "BLOCKED: no" }]);
    await collect({ model, tools, temperature: 0.1 });
    expect(model.requests.map(({ temperature }) => temperature).slice(-4)).toEqual([0.1, 0.7, 0.1, 0.7]);
  });

  it("goes on when what it changes in between works", async () => {
    const tools = [
      textTool("test", () => ({ ok: false, error: "3 tests failed" }), { access: "execute" }),
      textTool("store", () => ({ ok: true, output: "stored" }), { access: "write" }),
    ];
    const steps = Array.from({ length: 30 }, (_, index) =>
      index % 2 === 0
        ? { calls: [scriptedCall("store", { text: `version ${index}` })] }
        : { calls: [scriptedCall("test", { text: "" })] },
    );
    const { events } = await collect({ model: createScriptedModel([...steps, { text: "ok" }]), tools });
    expect(last(events).reason).toBe("done");
    expect(warnings(events, "loop_suspected")).toEqual([]);
  });
});

describe("a model that does nothing but say the same", () => {
  it("is stopped when its calls bring nothing new either", async () => {
    const text = "Let me have a closer look at the structure of the project first.";
    const tool = textTool("look", () => ({ ok: true, output: "nothing" }));
    const model = endless((turn) => ({ text, ...look(`place ${turn}`) }));
    const { events } = await collect({ model, tools: [tool] });
    expect(last(events)).toMatchObject({ reason: "loop", turns: 13 });
    expect(last(events).message).toContain("let me have a closer look");
  });

  it("is stopped when it calls a tool that does nothing, however it changes the arguments", async () => {
    const model = endless((turn) => ({ calls: [scriptedCall("echo", { text: `idea ${turn}` })] }));
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events).reason).toBe("loop");
    expect(last(events).turns).toBeLessThanOrEqual(50);
    expect(warnings(events, "loop_suspected")).toHaveLength(2);
  });

  it("is stopped when it announces a step between calls that bring nothing new", async () => {
    const model = endless((turn) =>
      turn % 2 === 0
        ? { text: "Let me look at the file:" }
        : { calls: [scriptedCall("echo", { text: "x" })] },
    );
    const { events } = await collect({ model, tools: [echo] });
    expect(["empty", "loop"]).toContain(last(events).reason);
    expect(last(events).turns).toBeLessThanOrEqual(8);
  });
});

describe("a conversation that never fits", () => {
  it("ends within a few requests", async () => {
    const refusal = new AgentError("context_overflow", "the request exceeds the available context size");
    const model = createScriptedModel(
      Array.from({ length: 100 }, () => refusal),
      { contextTokens: 8_192 },
    );
    const { events } = await collect({ model, tools: [echo] });
    expect(last(events).reason).toBe("overflow");
    expect(model.requests.length).toBeLessThanOrEqual(4);
  });
});

describe("work that only looks like a loop", () => {
  const expectDone = async (
    steps: readonly Partial<ModelReply>[],
    tools: Parameters<typeof collect>[0]["tools"] & {},
  ): Promise<void> => {
    const { events } = await collect({ model: createScriptedModel([...steps, { text: "Done." }]), tools });
    expect(last(events)).toMatchObject({ reason: "done", text: "Done." });
    expect(warnings(events, "loop_suspected")).toEqual([]);
  };
  const many = (count: number, reply: (index: number) => Partial<ModelReply>) =>
    Array.from({ length: count }, (_, index) => reply(index + 1));

  it("is writing thirty files that all get the same answer", async () => {
    const store = textTool("store", () => ({ ok: true, output: "stored" }), { access: "write" });
    await expectDone(
      many(30, (index) => ({
        text: "Writing the next file of the list now.",
        calls: [scriptedCall("store", { text: `f${index}` })],
      })),
      [store],
    );
  });

  it("is reading forty files", async () => {
    const text = "I will now read the next file in the list to understand the project.";
    const tool = textTool("look", (path) => ({ ok: true, output: `content ${fingerprint(path)}` }));
    await expectDone(
      many(40, (index) => ({ text, ...look(`src/file${index}.ts`) })),
      [tool],
    );
  });

  it("is waiting for something that changes", async () => {
    let done = 0;
    const poll = textTool("poll", () => ({ ok: true, output: `${(done += 1)} of 40` }), {
      access: "execute",
    });
    await expectDone(
      many(40, () => ({ calls: [scriptedCall("poll", { text: "" })] })),
      [poll],
    );
  });

  it("is working off a list of todos", async () => {
    let open = 20;
    const todo = textTool(
      "todo",
      (text) => ({ ok: true, output: `completed ${text}; ${(open -= 1)} open` }),
      {
        access: "control",
      },
    );
    await expectDone(
      many(20, (index) => ({ calls: [scriptedCall("todo", { text: `${index}` })] })),
      [todo],
    );
  });

  it("is checking the same file and the same tests after each change", async () => {
    const tools = [
      textTool("look", () => ({ ok: true, output: "the specification" })),
      textTool("test", () => ({ ok: true, output: "all passed" }), { access: "execute" }),
      textTool("store", () => ({ ok: true, output: "stored" }), { access: "write" }),
    ];
    await expectDone(
      many(45, (index) => ({
        calls: [
          index % 3 === 0
            ? scriptedCall("store", { text: `part ${index}` })
            : scriptedCall(index % 3 === 1 ? "look" : "test", { text: "" }),
        ],
      })),
      tools,
    );
  });

  it("is reading forty empty files, though it is asked what for", async () => {
    const tool = textTool("look", () => ({ ok: true, output: "(empty file)" }));
    const model = createScriptedModel([
      ...many(40, (index) => look(`f${index}`)),
      { text: "All are empty." },
    ]);
    const { events } = await collect({ model, tools: [tool] });
    expect(last(events).reason).toBe("done");
  });
});
