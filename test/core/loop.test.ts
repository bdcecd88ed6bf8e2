import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { Inbox } from "../../src/core/inbox.ts";
import type { Message } from "../../src/core/message.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { run } from "../../src/core/loop.ts";
import { allowAll, collect, echo, last, textTool, types } from "./_run.ts";

describe("a run", () => {
  it("is done when the model answers without calling a tool", async () => {
    const model = createScriptedModel([{ text: "All good." }]);
    const { events, result } = await collect({ model });
    expect(types(events)).toEqual([
      "run_started",
      "message_added:user",
      "model_ready",
      "turn_started",
      "text_delta",
      "turn_finished",
      "message_added:assistant",
      "run_finished",
    ]);
    expect(last(events)).toMatchObject({ reason: "done", text: "All good.", turns: 1, toolCalls: 0 });
    expect(result.messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
  });

  it("shows each step of a tool call in order", async () => {
    const model = createScriptedModel([
      { calls: [scriptedCall("echo", { text: "hi" }, "c1")] },
      { text: "It said hi." },
    ]);
    const { events } = await collect({ model, tools: [echo] });
    expect(types(events)).toEqual([
      "run_started",
      "message_added:user",
      "model_ready",
      "turn_started",
      "message_added:assistant",
      "tool_proposed",
      "tool_started",
      "tool_finished",
      "message_added:tool",
      "turn_finished",
      "turn_started",
      "text_delta",
      "turn_finished",
      "message_added:assistant",
      "run_finished",
    ]);
    expect(events.find(({ type }) => type === "tool_finished")).toMatchObject({
      callId: "c1",
      result: { ok: true, output: "hi" },
    });
  });

  it("only ever adds to the prompt", async () => {
    const model = createScriptedModel([
      { calls: [scriptedCall("echo", { text: "1" })] },
      { text: "", calls: [] },
      { calls: [scriptedCall("echo", { text: "2" }), scriptedCall("nothing", {})] },
      { text: "Let me check the file:" },
      { text: "Done." },
    ]);
    const { events } = await collect({ model, tools: [echo] });
    expect(events.some(({ type }) => type === "prefix_broken")).toBe(false);
    const bodies = model.requests.map(({ messages }) => JSON.stringify(messages).slice(0, -1));
    for (const [index, body] of bodies.slice(1).entries())
      expect(body.startsWith(bodies[index] as string)).toBe(true);
    expect(last(events).reason).toBe("done");
  });

  it("reads in parallel, writes in order, and answers in the order of the calls", async () => {
    const log: string[] = [];
    const step = (name: string, ms: number, access: "read" | "write") =>
      textTool(
        name,
        async () => {
          log.push(`${name} starts`);
          await new Promise((resolve) => setTimeout(resolve, ms));
          log.push(`${name} ends`);
          return { ok: true, output: name };
        },
        { access },
      );
    const tools = [step("slow", 40, "read"), step("quick", 1, "read"), step("store", 5, "write")];
    const calls = ["slow", "quick", "store", "slow"].map((name) => scriptedCall(name, { text: "" }));
    const { events } = await collect({ model: createScriptedModel([{ calls }, { text: "ok" }]), tools });
    expect(log).toEqual([
      "slow starts",
      "quick starts",
      "quick ends",
      "slow ends",
      "store starts",
      "store ends",
      "slow starts",
      "slow ends",
    ]);
    const answered = events.flatMap((event) =>
      event.type === "message_added" && event.message.role === "tool" ? [event.message.tool_call_id] : [],
    );
    expect(answered).toEqual(calls.map(({ id }) => id));
  });

  it("tells the model what was wrong with a call and never replays broken JSON", async () => {
    const broken = {
      id: "c1",
      name: "echo",
      arguments: undefined,
      raw: '{"text": "a',
      problem: "The arguments were cut off.",
    };
    const model = createScriptedModel([{ calls: [broken] }, { text: "Sorry." }]);
    await collect({ model, tools: [echo] });
    const [, , assistant, tool] = model.requests[1]?.messages ?? [];
    expect(assistant).toMatchObject({
      tool_calls: [{ id: "c1", function: { name: "echo", arguments: "{}" } }],
    });
    expect(tool).toMatchObject({
      role: "tool",
      tool_call_id: "c1",
      content: expect.stringContaining("cut off"),
    });
  });

  it("names the tools when the model calls one that does not exist", async () => {
    const model = createScriptedModel([{ calls: [scriptedCall("fly", {})] }, { text: "ok" }]);
    const { events } = await collect({ model, tools: [echo] });
    expect(events.find(({ type }) => type === "tool_finished")).toMatchObject({
      result: { ok: false, error: "There is no tool `fly`. The tools are: echo." },
    });
  });

  it("forces a call after two turns of unusable ones and gives up after five", async () => {
    const model = createScriptedModel(
      Array.from({ length: 5 }, () => ({ calls: [scriptedCall("fly", {})] })),
    );
    const { events } = await collect({ model, tools: [echo] });
    expect(model.requests.map(({ toolChoice }) => toolChoice)).toEqual([
      undefined,
      undefined,
      "required",
      "required",
      "required",
    ]);
    expect(last(events)).toMatchObject({
      reason: "error",
      message: expect.stringContaining("no usable tool call"),
    });
  });

  it("turns a tool that throws into an error for the model", async () => {
    const tools = [
      textTool("refuse", () => {
        throw new AgentError("path_refused", "`../x` is outside the workspace.");
      }),
      textTool("crash", () => {
        throw new TypeError("oops");
      }),
    ];
    const calls = [scriptedCall("refuse", { text: "" }), scriptedCall("crash", { text: "" })];
    const { events } = await collect({ model: createScriptedModel([{ calls }, { text: "ok" }]), tools });
    const errors = events.flatMap((event) =>
      event.type === "tool_finished" && !event.result.ok ? [event.result.error] : [],
    );
    expect(errors).toEqual(["`../x` is outside the workspace.", "internal error in the tool: oops"]);
  });
});

describe("the end of a run", () => {
  it.each([
    ["model_unavailable", new AgentError("model_unavailable", "No server at `http://x`.")],
    ["overflow", new AgentError("context_overflow", "too long")],
    ["error", new AgentError("model_rejected", "400: bad")],
    ["error", new TypeError("a bug")],
  ])("is %s when the model fails that way, and the request is kept", async (reason, error) => {
    const { events, result } = await collect({ model: createScriptedModel([error]) });
    expect(last(events).reason).toBe(reason);
    expect(last(events).message).toContain(error.message);
    expect(result.messages).toEqual([{ role: "user", content: "do it" }]);
  });

  it("is turn_limit when the turns are used up", async () => {
    const calls = () => ({ calls: [scriptedCall("echo", { text: String(Math.random()) })] });
    const { events } = await collect({
      model: createScriptedModel([calls(), calls(), calls()]),
      tools: [echo],
      limits: { turns: 2 },
    });
    expect(last(events)).toMatchObject({ reason: "turn_limit", turns: 2 });
  });

  it("is turn_limit when the tool calls are used up", async () => {
    const calls = [scriptedCall("echo", { text: "1" }), scriptedCall("echo", { text: "2" })];
    const { events } = await collect({
      model: createScriptedModel([{ calls }, { text: "never" }]),
      tools: [echo],
      limits: { toolCalls: 2 },
    });
    expect(last(events)).toMatchObject({ reason: "turn_limit", toolCalls: 2 });
  });

  it("is time_limit when the time is up, also in the middle of a tool", async () => {
    const wait = textTool(
      "wait",
      (_text, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as Error)),
        ),
    );
    const { events } = await collect({
      model: createScriptedModel([{ calls: [scriptedCall("wait", { text: "" })] }]),
      tools: [wait],
      limits: { timeMs: 50 },
    });
    expect(last(events).reason).toBe("time_limit");
  });

  it("is not a time limit that timers cannot hold, and a fraction of a millisecond is no error", async () => {
    for (const timeMs of [2 ** 40, 1_234.56]) {
      const { events } = await collect({ model: createScriptedModel([{ text: "ok" }]), limits: { timeMs } });
      expect(last(events).reason).toBe("done");
    }
  });

  it.each(["BLOCKED: ", "**BLOCKED:** "])("is blocked when the model says %sand why", async (word) => {
    const { events } = await collect({
      model: createScriptedModel([{ text: `${word}I need the password.` }]),
    });
    expect(last(events)).toMatchObject({ reason: "blocked", message: "I need the password." });
  });

  it("is loop when the same calls bring the same results again and again", async () => {
    const reply = () => ({ calls: [scriptedCall("echo", { text: "same" })] });
    const { events } = await collect({
      model: createScriptedModel(Array.from({ length: 9 }, reply)),
      tools: [echo],
    });
    expect(last(events)).toMatchObject({ reason: "loop", turns: 8 });
  });

  it("is not loop when the same call brings different results", async () => {
    let count = 0;
    const poll = textTool("poll", () => ({ ok: true, output: String(count++) }));
    const replies = Array.from({ length: 9 }, () => ({ calls: [scriptedCall("poll", { text: "" })] }));
    const { events } = await collect({
      model: createScriptedModel([...replies, { text: "ok" }]),
      tools: [poll],
    });
    expect(last(events).reason).toBe("done");
  });
});

describe("an interrupt", () => {
  it("stops a running tool at once and gives every call a result", async () => {
    const controller = new AbortController();
    const hang = textTool(
      "hang",
      (_text, { signal }) => {
        setTimeout(() => controller.abort(), 10);
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as Error)),
        );
      },
      { access: "write" },
    );
    const calls = [scriptedCall("hang", { text: "" }), scriptedCall("hang", { text: "" })];
    const { events } = await collect({
      model: createScriptedModel([{ calls }]),
      tools: [hang],
      signal: controller.signal,
    });
    expect(last(events).reason).toBe("aborted");
    const results = events.flatMap((event) =>
      event.type === "message_added" && event.message.role === "tool" ? [event.message.content] : [],
    );
    expect(results).toHaveLength(2);
    expect(results[0]).toContain("may have partly happened");
    expect(results[1]).toContain("did not run");
  });

  it("keeps half an answer marked as what it is", async () => {
    const controller = new AbortController();
    const model = createScriptedModel([
      async function* (_request, signal) {
        yield { type: "text_delta", text: "Half an" };
        controller.abort();
        signal.throwIfAborted();
      },
    ]);
    const { events, result } = await collect({ model, signal: controller.signal });
    expect(last(events).reason).toBe("aborted");
    expect(result.messages.at(-1)).toEqual({ role: "assistant", content: "Half an\n(interrupted)" });
  });

  it("keeps the roles alternating when the next request comes", async () => {
    const messages: Message[] = [
      { role: "system", content: "s" },
      { role: "user", content: "first" },
    ];
    const model = createScriptedModel([{ text: "ok" }]);
    await collect({ model, messages });
    expect(model.requests[0]?.messages.map(({ role }) => role)).toEqual([
      "system",
      "user",
      "assistant",
      "user",
    ]);
  });
});

describe("a consumer that stops listening", () => {
  it("ends the tool that is running", async () => {
    const stopped = new Promise<boolean>((done) => {
      const hang = textTool("hang", (_text, { signal, emit }) => {
        emit({ type: "output", text: "on" });
        return new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            done(true);
            reject(signal.reason as Error);
          });
        });
      });
      void (async () => {
        const model = createScriptedModel([{ calls: [scriptedCall("hang", { text: "" })] }]);
        const events = run({
          model,
          tools: [hang],
          messages: [],
          input: "x",
          mode: () => "auto",
          approver: allowAll,
        });
        for await (const event of events) if (event.type === "tool_output") break;
      })();
    });
    expect(await stopped).toBe(true);
  });
});

describe("what the user says during a run", () => {
  it("joins after the calls under way when it steers", async () => {
    const inbox = new Inbox();
    const speak = textTool("speak", () => {
      inbox.steer("use tabs");
      return { ok: true, output: "" };
    });
    const model = createScriptedModel([
      { calls: [scriptedCall("speak", { text: "" })] },
      { text: "With tabs." },
    ]);
    const { events } = await collect({ model, tools: [speak], inbox });
    expect(model.requests[1]?.messages.at(-1)).toEqual({ role: "user", content: "use tabs" });
    expect(events.find((event) => event.type === "message_added" && event.note === "steering")).toBeDefined();
  });

  it("takes turns with the model in any case, as strict templates want it", async () => {
    const inbox = new Inbox();
    const speak = textTool("speak", (text) => {
      inbox.steer(text);
      inbox.steer(`${text} again`);
      return { ok: true, output: "" };
    });
    const calls = (text: string) => ({ calls: [scriptedCall("speak", { text })] });
    const model = createScriptedModel([calls("one"), calls("two"), { text: "Done." }]);
    const { result } = await collect({ model, tools: [speak], inbox });
    const turns = result.messages
      .filter((message) => message.role !== "tool" && !(message.role === "assistant" && message.tool_calls))
      .map(({ role }) => role);
    expect(turns).toEqual(turns.map((_, index) => (index % 2 === 0 ? "user" : "assistant")));
    expect(turns).toHaveLength(10);
  });

  it("waits for the end when it is a follow-up, and several come one after another", async () => {
    const inbox = new Inbox();
    inbox.followUp("then this");
    inbox.followUp("and that");
    const model = createScriptedModel([{ text: "First." }, { text: "Second." }, { text: "Third." }]);
    const { events } = await collect({ model, inbox });
    expect(model.requests.map(({ messages }) => messages.at(-1)?.content)).toEqual([
      "do it",
      "then this",
      "and that",
    ]);
    expect(last(events)).toMatchObject({ reason: "done", text: "Third.", turns: 3 });
  });

  it("is not lost when several messages steer an answer that was about to end the run", async () => {
    const inbox = new Inbox();
    const model = createScriptedModel([
      async function* () {
        inbox.steer("one");
        inbox.steer("two");
        yield { type: "finished", reply: { text: "Done.", thinking: "", calls: [], finish: "stop" } };
      },
      { text: "Now really." },
    ]);
    await collect({ model, inbox });
    const said = model.requests[1]?.messages.filter(({ role }) => role === "user") ?? [];
    expect(said.map(({ content }) => content)).toEqual(["do it", "one", "two"]);
  });
});
