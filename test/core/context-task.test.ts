import * as fc from "../_property.ts";
import * as z from "zod/mini";
import { describe, expect, it } from "vitest";
import { defineTool } from "../../src/core/define-tool.ts";
import { messageText, type Message } from "../../src/core/message.ts";
import { scriptedCall } from "../../src/testing/scripted-model.ts";
import { createCachedModel, toText } from "./_cached-model.ts";
import { ofType, replay } from "./_replay.ts";
import { collect, last, textTool } from "./_run.ts";

const SUMMARY =
  "Goal: read all and mend ten\nDecisions: none\nFiles: see the list\nState: some are read\nNext: go on";

describe("a long task in a small window", () => {
  const system: Message = {
    role: "system",
    content: "You are an agent that works in one folder. ".repeat(60),
  };
  const task = "Read forty files and mend ten. Rule: never touch package.json.";
  const file = (path: string): string =>
    Array.from({ length: 50 }, (_, line) => `${path} ${line}: ${"value ".repeat(8)}`)
      .join("\n")
      .slice(0, 3_000);
  const tools = [
    defineTool({
      name: "read",
      description: "Read a file. ".repeat(100),
      parameters: z.object({ path: z.string() }),
      access: "read",
      execute: async ({ path }) => ({ ok: true, output: file(path) }),
    }),
    defineTool({
      name: "edit",
      description: "Change a file. ".repeat(100),
      parameters: z.object({ path: z.string(), old: z.string(), new: z.string() }),
      access: "write",
      execute: async () => ({ ok: true, output: "1 change" }),
    }),
  ];
  /** Forty reads, ten changes, then ten files once more. */
  const steps = Array.from({ length: 40 }, (_, index) => [
    scriptedCall("read", { path: `src/file-${index}.ts` }),
    ...(index % 4 === 0
      ? [scriptedCall("edit", { path: `src/file-${index}.ts`, old: "value", new: "sum" })]
      : []),
  ])
    .flat()
    .concat(Array.from({ length: 9 }, (_, index) => scriptedCall("read", { path: `src/file-${index}.ts` })));

  it.each([
    [4_096, true, 2.5, 40],
    [8_192, true, 1.6, 12],
    [8_192, false, 1.6, 12],
    [32_768, true, 1.25, 2],
    [65_536, true, 1.02, 0],
  ])(
    "of %i tokens, summaries: %s, reads at most %f times its transcript with at most %i compactions and loses nothing",
    async (window, summaries, mostRead, mostCompactions) => {
      const model = createCachedModel(window, (request, turn) => {
        if (request.toolChoice === "none") return { text: summaries ? SUMMARY : "" };
        const call = steps[turn - 1];
        return call === undefined ? { text: "All is done." } : { calls: [call], finish: "tool_calls" };
      });
      const { events } = await collect({
        model,
        tools,
        messages: [system],
        input: task,
        stateNote: () => "1. [ ] mend ten files",
      });
      expect(last(events)).toMatchObject({ reason: "done", turns: 60 });
      const transcript = [system, ...ofType(events, "message_added").map(({ message }) => message)];
      const tokens = transcript.map(toText).join("").length / 4;
      const compactions = ofType(events, "context_compacted");
      expect(compactions.length).toBeLessThanOrEqual(mostCompactions);
      expect(model.evaluated / tokens).toBeLessThanOrEqual(mostRead);
      expect(model.overflows).toBe(0);
      expect(ofType(events, "prefix_broken")).toHaveLength(compactions.length);
      for (const { messages } of model.requests) {
        expect(messages[0]).toBe(system);
        expect(messages.map(messageText)).toContain(task);
      }
      const folded = compactions.findLast(({ method }) => method !== "elided");
      if (folded === undefined) return;
      const kept = replay([system], events).map(messageText);
      expect(kept.filter((text) => text.endsWith("1. [ ] mend ten files"))).toHaveLength(1);
    },
  );

  it("sends just what a resume would go on from", async () => {
    const model = createCachedModel(8_192, (request, turn) =>
      request.toolChoice === "none" || turn > steps.length
        ? { text: SUMMARY }
        : { calls: steps.slice(turn - 1, turn), finish: "tool_calls" },
    );
    const { events } = await collect({ model, tools, messages: [system], input: task });
    const stored = replay([system], structuredClone(events));
    const sent = model.requests.at(-1)?.messages ?? [];
    expect(stored.slice(0, sent.length).map(toText)).toEqual(sent.map(toText));
    expect(stored).toHaveLength(sent.length + 1);
  });
});

describe("whatever the calls and their results", () => {
  const fill = textTool("fill", (size) => ({
    ok: true,
    output: "some words in a line\n".repeat(Number(size)),
  }));

  it("each request fits into the window and begins with the one before it, unless the break is told", async () => {
    const sizes = fc.array(fc.nat({ max: 900 }), { minLength: 1, maxLength: 5 });
    const property = fc.asyncProperty(
      fc.array(sizes, { minLength: 5, maxLength: 40 }),
      fc.integer({ min: 4_096, max: 20_000 }),
      fc.boolean(),
      async (turns, window, summaries) => {
        const model = createCachedModel(window, (request, turn) => {
          if (request.toolChoice === "none") return { text: summaries ? SUMMARY : "" };
          const calls = turns[turn - 1]?.map((size) => scriptedCall("fill", { text: `${size}` }));
          return calls === undefined ? { text: "Done." } : { calls, finish: "tool_calls" };
        });
        const { events } = await collect({ model, tools: [fill] });
        expect(["done", "loop"]).toContain(last(events).reason);
        expect(model.overflows).toBe(0);
        const bodies = model.requests
          .filter(({ toolChoice }) => toolChoice !== "none")
          .map(({ messages }) => messages.map(toText).join(""));
        const breaks = bodies.filter((body, index) => index > 0 && !body.startsWith(bodies[index - 1] ?? ""));
        expect(ofType(events, "prefix_broken")).toHaveLength(breaks.length);
        expect(ofType(events, "context_compacted")).toHaveLength(breaks.length);
      },
    );
    await fc.assert(property, { numRuns: 25, endOnFailure: true });
  });
});
