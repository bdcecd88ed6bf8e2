import { describe, expect, it } from "vitest";
import { applyCompaction } from "../../src/core/compaction.ts";
import type { Message } from "../../src/core/message.ts";
import type { ModelReply } from "../../src/core/model.ts";
import { scriptedCall } from "../../src/testing/scripted-model.ts";
import { all, LONG, outputs, read, SYSTEM, TASK, textAt, TOOLS, tryCompact, turn } from "./_compact.ts";

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

  it("asks on all but the newest turn, also where some turns before it stay", async () => {
    const messages = [SYSTEM, TASK, ...read("old.ts"), ...work, ...read("newest.ts")];
    const { requests, after } = await tryCompact(messages, {
      shares: { ...fold, keepTokens: 1_100 },
      replies: [{ text: SUMMARY }],
    });
    expect(requests[0]?.messages.slice(0, -2)).toEqual(messages.slice(0, -2));
    expect(after?.slice(4)).toEqual(messages.slice(8));
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
      { shares: { ...fold, elideTo: 500 }, replies: [{ text: SUMMARY }] },
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
    expect(textAt(after, 4)).toContain(SUMMARY);
    expect(JSON.stringify(after)).not.toContain("You announced a step");
  });

  it("gives up short answers of a long talk when there is no room for them, and no word of the user", async () => {
    const talk = Array.from({ length: 40 }, (_, index): Message[] => [
      { role: "user", content: `question ${index}` },
      { role: "assistant", content: `answer ${index} ${"word ".repeat(50)}` },
    ]).flat();
    const messages: Message[] = [SYSTEM, ...talk, { role: "user", content: "and now?" }];
    const { after } = await tryCompact(messages, {
      shares: { ...fold, elideTo: 1_500 },
      replies: [{ text: "" }],
    });
    const asked = (all: readonly Message[] = []): Message[] => all.filter(({ role }) => role === "user");
    expect(asked(after)).toEqual(asked(messages));
    expect(textAt(after, 2)).toBe("(left out)");
    expect(textAt(after, -2 + (after?.length ?? 0))).toContain("- said: answer 39 word");
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
