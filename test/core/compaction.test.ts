import { describe, expect, it } from "vitest";
import { toBudgets, type Budgets } from "../../src/core/budget.ts";
import { compact, type CompactOptions } from "../../src/core/compact.ts";
import { applyCompaction, type Compaction } from "../../src/core/compaction.ts";
import type { AgentEvent } from "../../src/core/events.ts";
import { messageText, type Message } from "../../src/core/message.ts";
import type { ModelReply, ModelRequest, ToolSchema } from "../../src/core/model.ts";
import { TokenMeter } from "../../src/core/token-meter.ts";
import type { ToolResult } from "../../src/core/tool.ts";
import { createScriptedModel, scriptedCall } from "../../src/testing/scripted-model.ts";
import { createMemoryOutputs } from "./_transcripts.ts";

const SYSTEM: Message = { role: "system", content: "You are an agent." };
const TASK: Message = { role: "user", content: "Mend the tests. Never touch package.json." };
const LONG = "some line of the file\n".repeat(60);
const TOOLS: ToolSchema[] = [
  { type: "function", function: { name: "read", description: "", parameters: {} } },
];

let id = 0;

function turn(name: string, args: Record<string, unknown>, result: ToolResult): Message[] {
  id += 1;
  return [
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: `c${id}`, type: "function", function: { name, arguments: JSON.stringify(args) } }],
    },
    { role: "tool", tool_call_id: `c${id}`, content: JSON.stringify(result) },
  ];
}

const read = (path: string, more: Record<string, unknown> = {}): Message[] =>
  turn("read", { path, ...more }, { ok: true, output: toText(path, more) });

/** Sixty lines, others in each file and part. */
function toText(path: string, more: Record<string, unknown> = {}): string {
  return LONG.replace("some line", `${path} ${JSON.stringify(more)}`);
}

interface Tried {
  after: readonly Message[] | undefined;
  compaction: Compaction | undefined;
  events: readonly AgentEvent[];
  requests: readonly ModelRequest[];
  files: ReadonlyMap<string, string>;
}

async function tryCompact(
  messages: readonly Message[],
  {
    replies = [],
    shares = {},
    ...more
  }: Partial<CompactOptions> & { replies?: Partial<ModelReply>[]; shares?: Partial<Budgets> } = {},
): Promise<Tried> {
  const meter = new TokenMeter();
  const outputs = createMemoryOutputs();
  const model = createScriptedModel(replies);
  const budgets = {
    ...toBudgets({
      info: { contextTokens: 8_192, profile: { name: "default" } },
      fixedTokens: 100,
      bytesPerToken: 3,
    }),
    ...shares,
  };
  const events = compact({
    model,
    messages,
    request: { tools: TOOLS, temperature: 0.5, slot: 2 },
    meter,
    budgets,
    cause: "threshold",
    leastTokens: 300,
    outputs: outputs.log,
    turn: 7,
    signal: new AbortController().signal,
    ...more,
  });
  const seen: AgentEvent[] = [];
  for (;;) {
    const { done, value } = await events.next();
    if (!done) {
      seen.push(value);
      continue;
    }
    const compaction = seen.find((event) => event.type === "context_compacted");
    return { after: value, compaction, events: seen, requests: model.requests, files: outputs.files };
  }
}

function textAt(messages: readonly Message[] | undefined, index: number): string {
  const message = messages?.[index];
  return message === undefined ? "" : messageText(message);
}

/** What stands in the results, in order. */
function outputs(messages: readonly Message[] | undefined): string[] {
  return (messages ?? []).flatMap((message) => {
    if (message.role !== "tool") return [];
    const result = JSON.parse(message.content) as { output?: string; error?: string };
    return [result.output ?? result.error ?? ""];
  });
}

const all = { compactTo: 0, elideTo: 8_000 };

describe("eliding", () => {
  it("names the file and the lines of a read, and leaves the newest turn alone", async () => {
    const { after, compaction } = await tryCompact(
      [SYSTEM, TASK, ...read("a.ts"), ...read("b.ts", { offset: 20, limit: 60 }), ...read("c.ts")],
      { shares: all },
    );
    expect(outputs(after)).toEqual([
      "(left out: read a.ts, lines 1 to 60; read it again when needed)",
      "(left out: read b.ts, lines 20 to 79; read it again when needed)",
      toText("c.ts"),
    ]);
    expect(compaction).toMatchObject({ method: "elided", cause: "threshold" });
    expect(compaction?.parts).toHaveLength(5);
  });

  it("leaves out what was read again or changed later before anything that is only old", async () => {
    const { after } = await tryCompact(
      [
        SYSTEM,
        TASK,
        ...read("old.ts"),
        ...read("./again.ts"),
        ...read("changed.ts"),
        ...turn("edit", { path: "changed.ts" }, { ok: true, output: "1 change" }),
        ...read("again.ts"),
        ...turn("shell", { command: "npm test" }, { ok: true, output: "fine" }),
      ],
      { shares: { elideTo: 8_000, compactTo: 1_500 } },
    );
    expect(outputs(after)).toEqual([
      toText("old.ts"),
      "(left out: read ./again.ts, lines 1 to 60; it was read again later)",
      "(left out: read changed.ts, lines 1 to 60, before it was changed; read it again when needed)",
      "1 change",
      toText("again.ts"),
      "fine",
    ]);
  });

  it("keeps a part of a file although another part was read later", async () => {
    const messages = [SYSTEM, TASK, ...read("a.ts", { offset: 1 }), ...read("a.ts", { offset: 61 })];
    const { after } = await tryCompact(messages, { shares: { ...all, compactTo: 8_000 }, leastTokens: 1 });
    expect(after).toBeUndefined();
  });

  it("saves what cannot be had again, as the tool gave it, and says where and how it ended", async () => {
    const { after, files } = await tryCompact(
      [
        SYSTEM,
        TASK,
        ...turn("shell", { command: "npm test" }, { ok: true, output: `${LONG}<\\|im_end|>`, exit_code: 1 }),
        ...turn("fetch", { url: "http://x" }, { ok: false, error: LONG }),
        ...turn("shell", { command: "ls" }, { ok: true, output: "a" }),
      ],
      { shares: all },
    );
    const [[path, whole] = ["", ""]] = [...files];
    expect(whole).toBe(`${LONG}<|im_end|>`);
    expect(after?.[3]).toMatchObject({
      content: `{"ok":true,"output":"(left out: shell npm test, 1429 bytes; the whole is in ${path})","exit_code":1}`,
    });
    expect(outputs(after)[1]).toMatch(/\.txt\) some line of the file some line/);
    expect(after?.[5]).toMatchObject({
      content: expect.stringMatching(/^{"ok":false,"error":"\(left out: fetch/),
    });
  });

  it("names the file that a tool has saved its output to already", async () => {
    const path = `.lmagent/outputs/c${id + 1}-2.txt`;
    const cut = `${LONG}… 9000 bytes left out; whole output: ${path} …\n${LONG}`;
    const { after, files } = await tryCompact(
      [SYSTEM, TASK, ...turn("shell", { command: "make" }, { ok: true, output: cut }), ...read("a.ts")],
      { shares: all },
    );
    expect(outputs(after)[0]).toContain(`the whole is in ${path})`);
    expect(files.size).toBe(0);
  });

  it("does not take the word of a text for where its own whole is", async () => {
    const text = `${LONG}… 9000 bytes left out; whole output: .lmagent/outputs/other.txt …\n${LONG}`;
    const { after, files } = await tryCompact(
      [SYSTEM, TASK, ...turn("fetch", { url: "http://x" }, { ok: true, output: text }), ...read("a.ts")],
      { shares: all },
    );
    expect(outputs(after)[0]).not.toContain("other.txt");
    expect([...files.values()]).toEqual([text]);
  });

  it("says that nothing was kept where nothing can be", async () => {
    const { after } = await tryCompact(
      [SYSTEM, TASK, ...turn("shell", { command: "make" }, { ok: true, output: LONG }), ...read("a.ts")],
      { shares: all, outputs: undefined },
    );
    expect(outputs(after)[0]).toMatch(/it was not kept, call again when needed\)$/);
  });

  it("keeps small results and the newest state of todos, plan and task", async () => {
    const messages = [
      SYSTEM,
      TASK,
      ...turn("todo_list", {}, { ok: true, output: `old ${LONG}` }),
      ...turn("todo_list", {}, { ok: true, output: `new ${LONG}` }),
      ...turn("task_state_get", {}, { ok: true, output: LONG }),
      ...turn("plan_complete_step", { step_id: 1 }, { ok: true, output: `plan ${LONG}` }),
      ...turn("shell", { command: "true" }, { ok: true, output: "x".repeat(250) }),
      ...read("z.ts"),
    ];
    const { after } = await tryCompact(messages, { shares: all });
    const before = outputs(messages);
    expect(outputs(after).map((text, index) => text === before[index])).toEqual([
      false,
      true,
      true,
      true,
      true,
      true,
    ]);
  });

  it("points to a later result that is the same word for word", async () => {
    const same = (): Message[] => turn("grep", { pattern: "x" }, { ok: true, output: LONG });
    const { after } = await tryCompact([SYSTEM, TASK, ...same(), ...same(), ...read("a.ts")], {
      shares: { ...all, compactTo: 1_200 },
    });
    expect(outputs(after)[0]).toMatch(/the same came again later; the whole is in /);
    expect(outputs(after)[1]).toBe(LONG);
  });

  it("changes nothing when too little would go", async () => {
    const { after, events } = await tryCompact([SYSTEM, TASK, ...read("a.ts")], { shares: all });
    expect(after).toBeUndefined();
    expect(events).toEqual([]);
  });
});

const fold = { compactTo: 0, elideTo: 0, keepTokens: 10 };
const SUMMARY = "Goal: mend the tests\nState: a.ts is done";

describe("folding", () => {
  const work = [
    ...read("a.ts"),
    ...turn("edit", { path: "a.ts" }, { ok: true, output: LONG }),
    ...read("b.ts"),
  ];

  it("asks for a summary on exactly what the server has read, with the same tools and no call", async () => {
    const messages = [SYSTEM, TASK, ...work];
    const { requests, compaction } = await tryCompact(messages, {
      shares: fold,
      replies: [{ text: SUMMARY }],
    });
    expect(compaction?.method).toBe("summarised");
    expect(requests).toHaveLength(1);
    const [request] = requests;
    expect(request).toMatchObject({ tools: TOOLS, temperature: 0.5, slot: 2, toolChoice: "none" });
    expect(request?.messages.slice(0, 6)).toEqual(messages.slice(0, 6));
    expect(request?.messages.slice(6).map(({ role }) => role)).toEqual(["assistant", "user"]);
    const question = textAt(request?.messages, 7);
    for (const part of ["Goal:", "Decisions:", "Files:", "State:", "Next:"]) expect(question).toContain(part);
  });

  it("puts the summary and the state into one record between the user's words and the newest turn", async () => {
    const { after } = await tryCompact([SYSTEM, TASK, ...work], {
      shares: fold,
      replies: [{ text: SUMMARY }],
      stateNote: () => "1. [ ] mend b.ts <|im_end|>",
    });
    expect(after?.map(({ role }) => role)).toEqual([
      "system",
      "user",
      "assistant",
      "user",
      "assistant",
      "tool",
    ]);
    expect(after?.[1]).toBe(TASK);
    expect(after?.[2]).toEqual({
      role: "assistant",
      note: "compaction",
      content: `Record of earlier steps, which were left out to save room:\n${SUMMARY}\n\nState as it is now:\n1. [ ] mend b.ts <\\|im_end|>`,
    });
    expect(after?.slice(4)).toEqual(work.slice(4));
  });

  it.each([
    ["empty", { text: " " }],
    ["cut", { text: SUMMARY, finish: "length" as const }],
    ["a call", { text: SUMMARY, calls: [scriptedCall("read", { path: "a.ts" })] }],
    ["longer than asked for", { text: SUMMARY.repeat(300) }],
    ["an error", new Error("the server is gone")],
  ])("lists the calls by rule when the summary is %s", async (_, reply) => {
    const { after, compaction, files } = await tryCompact(
      [
        SYSTEM,
        TASK,
        ...work,
        ...turn("shell", { command: "npm test" }, { ok: false, error: `bad\n${LONG}` }),
        ...read("c.ts"),
      ],
      { shares: fold, replies: [reply as Partial<ModelReply>] },
    );
    expect(compaction?.method).toBe("folded");
    const [edited = "", tested = ""] = [...files.keys()];
    expect(textAt(after, 2).split("\n")).toEqual([
      "Record of earlier steps, which were left out to save room:",
      "Files changed: a.ts",
      "- read a.ts: ok",
      `- edit a.ts: ok, in ${edited}`,
      "- read b.ts: ok",
      expect.stringMatching(/^- shell npm test: failed: bad some line .*…, in /),
    ]);
    expect(files.get(tested)).toBe(`bad\n${LONG}`);
  });

  it("passes on what the user wants to be kept, and then asks for a summary in any case", async () => {
    const { requests, compaction } = await tryCompact([SYSTEM, TASK, ...work], {
      shares: { ...all, keepTokens: 10 },
      cause: "request",
      focus: "the name of the flag",
      replies: [{ text: SUMMARY }],
    });
    expect(compaction).toMatchObject({ method: "summarised", cause: "request" });
    expect(requests[0]?.messages.at(-1)?.content).toContain(
      "Above all keep what concerns: the name of the flag",
    );
  });

  it("asks on the shortened conversation when the whole does not fit any more, and not at all when neither does", async () => {
    const messages = [SYSTEM, TASK, ...work];
    const { requests } = await tryCompact(messages, {
      shares: { ...fold, windowTokens: 1_200 },
      replies: [{ text: SUMMARY }],
    });
    expect(outputs(requests[0]?.messages)[0]).toMatch(/^\(left out: read a\.ts/);
    const without = await tryCompact(messages, { shares: { ...fold, windowTokens: 300 } });
    expect(without.requests).toHaveLength(0);
    expect(without.compaction?.method).toBe("folded");
  });

  it("carries on what an earlier record said, and the names of all changed files", async () => {
    let messages: readonly Message[] = [SYSTEM, TASK];
    for (const name of ["one", "two", "three"]) {
      messages = [
        ...messages,
        ...read(`${name}.ts`),
        ...turn("write", { path: `${name}.ts` }, { ok: true, output: LONG }),
        ...read("rest.ts"),
      ];
      const { after, compaction } = await tryCompact(messages, {
        shares: fold,
        replies: [{ text: "" }],
        stateNote: () => `at ${name}`,
      });
      expect(applyCompaction(messages, compaction?.parts ?? [])).toEqual(after);
      messages = after ?? [];
    }
    const record = textAt(messages, 2);
    expect(record).toContain("Files changed: one.ts, two.ts, three.ts\n");
    expect(record).toContain("- read one.ts: ok\n");
    expect(record).toContain("- read three.ts: ok\n");
    expect(record.match(/State as it is now/g)).toHaveLength(1);
    expect(record.endsWith("at three")).toBe(true);
    expect(messages.filter((message) => message.role !== "tool" && "note" in message)).toHaveLength(2);
  });

  it("keeps earlier requests with short answers, and absorbs nudges", async () => {
    const next: Message = { role: "user", content: "Now the docs." };
    const answer: Message = { role: "assistant", content: "The tests pass." };
    const { after } = await tryCompact(
      [
        SYSTEM,
        TASK,
        ...read("a.ts"),
        { role: "assistant", content: "Let me look:" },
        { role: "user", content: "You announced a step.", note: "nudge" },
        ...read("b.ts"),
        answer,
        next,
        ...read("c.ts"),
        { role: "assistant", content: `It is long. ${LONG}` },
        { role: "user", content: "Thanks. And the rest?" },
      ],
      { shares: fold, replies: [{ text: SUMMARY }] },
    );
    expect(after?.map(({ role }) => role)).toEqual([
      "system",
      "user",
      "assistant",
      "user",
      "assistant",
      "user",
    ]);
    expect(after?.slice(1, 4)).toEqual([TASK, answer, next]);
    expect(JSON.stringify(after)).not.toContain("You announced a step");
  });

  it("gives a model that thinks some room for it, and shows that something is written, but not what", async () => {
    const thought: Message = { role: "assistant", content: "Let me look.", reasoning_content: "hm" };
    const more: Message = { role: "user", content: "Go on." };
    const reply = { text: SUMMARY, thinking: "What was it?" };
    const plain = await tryCompact([SYSTEM, TASK, ...work], { shares: fold, replies: [reply] });
    const { events, requests } = await tryCompact([SYSTEM, TASK, thought, more, ...work], {
      shares: fold,
      replies: [reply],
    });
    expect(requests[0]?.maxTokens).toBeGreaterThan(plain.requests[0]?.maxTokens ?? 0);
    expect(requests[0]?.thinkingTokens).toBeGreaterThan(0);
    expect(events.map(({ type }) => type)).toEqual(["call_progress", "call_progress", "context_compacted"]);
    expect(JSON.stringify(events.slice(0, 2))).not.toContain("Goal");
  });

  it("stops at once when the run is over", async () => {
    const stop = new AbortController();
    stop.abort(new Error("stopped"));
    await expect(
      tryCompact([SYSTEM, TASK, ...work], {
        shares: fold,
        signal: stop.signal,
        replies: [new Error("gone") as never],
      }),
    ).rejects.toThrow("stopped");
  });
});
