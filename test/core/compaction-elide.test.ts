import { describe, expect, it } from "vitest";
import { messagesBytes, thinkingBytes } from "../../src/core/message-size.ts";
import type { Message } from "../../src/core/message.ts";
import { TokenMeter } from "../../src/core/token-meter.ts";
import {
  all,
  LONG,
  nextId,
  outputs,
  read,
  SYSTEM,
  TASK,
  TOOLS,
  toText,
  tryCompact,
  turn,
} from "./_compact.ts";

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
    const path = `.lmagent/outputs/${nextId()}-2.txt`;
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

describe("thinking of older turns", () => {
  const thinking = "What should come next? ".repeat(150);
  const thought = (message: Message): Message =>
    message.role === "assistant" ? { ...message, reasoning_content: thinking } : message;
  const small = (path: string): Message[] =>
    turn("glob", { pattern: path }, { ok: true, output: path }).map(thought);

  it("goes before any result, and the newest stays", async () => {
    const messages = [
      SYSTEM,
      TASK,
      ...small("a"),
      ...small("b"),
      ...read("c.ts").map(thought),
      ...small("d"),
    ];
    const { after, compaction } = await tryCompact(messages, {
      shares: { compactTo: 2_500, elideTo: 4_000 },
    });
    expect(compaction?.method).toBe("elided");
    const left = (after ?? []).map((message) => "reasoning_content" in message);
    expect(left.filter(Boolean)).toHaveLength(1);
    expect(left.at(-2)).toBe(true);
    expect((after ?? []).filter(({ role }) => role === "tool")).toEqual(
      messages.filter(({ role }) => role === "tool"),
    );
  });

  it("stays where the server leaves it out anyway", async () => {
    const meter = new TokenMeter({ bytesPerToken: 3 });
    const messages = [
      SYSTEM,
      TASK,
      ...small("a"),
      ...read("b.ts"),
      ...read("b.ts"),
      ...read("c.ts"),
      ...small("d"),
    ];
    const promptTokens = Math.round((messagesBytes(messages) - thinkingBytes(messages)) / 3);
    meter.note({ messages, tools: TOOLS }, { promptTokens });
    expect(meter.countsThinking).toBe(false);
    const { after } = await tryCompact(messages, { meter, shares: { compactTo: 600, elideTo: 4_000 } });
    expect(after?.[2]).toBe(messages[2]);
  });
});
