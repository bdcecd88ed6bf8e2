import * as fc from "../_property.ts";
import { afterEach, describe, expect, test } from "vitest";
import { closeScreens, openScreen, POLL } from "./fixtures/open-screen.ts";
import { ask, done, event, propose, say, turn } from "./fixtures/steps.ts";
import { KEY } from "./fixtures/virtual-terminal.ts";

afterEach(closeScreens);

describe("what is drawn", () => {
  const numbered = (count: number) =>
    Array.from({ length: count }, (_, index) => say(`Paragraph ${index + 1}.\n\n`));
  const paragraphs = (lines: readonly string[]) =>
    lines.filter((line) => line.includes("Paragraph")).map((line) => Number(/\d+/.exec(line)?.[0]));
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

  test("a long answer leaves every line once, in order", async () => {
    const screen = await openScreen(() => [turn, ...numbered(200), done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("Paragraph 200.");
    expect(paragraphs(screen.terminal.everything)).toEqual(upTo(200));
  });

  test("a redraw while the input grows loses no line", async () => {
    const screen = await openScreen(() => [turn, ...numbered(20), done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("Paragraph 20.");
    await expect.poll(screen.text, POLL).toContain("1.2 s");
    screen.terminal.type("a");
    for (let line = 0; line < 4; line += 1) screen.terminal.press(KEY.altEnter);
    screen.terminal.type("b");
    screen.terminal.press(KEY.ctrlL);
    await expect.poll(screen.text, POLL).toMatch(/ {2}a\n\n\n\n {2}b\n/);
    expect(new Set(paragraphs(screen.terminal.everything))).toEqual(new Set(upTo(20)));
  });

  test("many exchanges stay whole and cheap to draw", async () => {
    const screen = await openScreen(() => [turn, ...numbered(60), done()], { banner: [] });
    for (let run = 1; run <= 25; run += 1) {
      screen.terminal.type(`run ${run}`);
      screen.terminal.press(KEY.enter);
      const answers = () => screen.terminal.everything.filter((line) => line.includes("Paragraph 60."));
      await expect.poll(answers, POLL).toHaveLength(run);
      expect(screen.controller.submitted).toHaveLength(run);
    }
    const requests = screen.terminal.everything.filter((line) => line.startsWith("› run"));
    expect(requests).toEqual(Array.from({ length: 25 }, (_, index) => `› run ${index + 1}`));
    const before = screen.terminal.written.length;
    screen.terminal.type("x");
    await expect.poll(screen.text, POLL).toMatch(/─\n {2}x/);
    expect(screen.terminal.written.length - before).toBeLessThan(2_000);
  });

  test.each([
    [50, 24],
    [120, 24],
    [80, 12],
    [80, 40],
    [24, 10],
  ])("a resize to %d columns and %d rows redraws without loss", async (columns, rows) => {
    const screen = await openScreen(() => [turn, ...numbered(40), done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("Paragraph 40.");
    screen.terminal.resize(columns, rows);
    await expect.poll(screen.text, POLL).toContain(`─\n\n${"─".repeat(columns)}\n`);
    await expect.poll(screen.text, POLL).toContain("Paragraph 40.");
    expect(new Set(paragraphs(screen.terminal.everything))).toEqual(new Set(upTo(40)));
    screen.terminal.type("still here");
    await expect.poll(screen.text, POLL).toContain("still here");
  });

  test("a narrow status keeps the window and the mode and drops what can be missed", async () => {
    const screen = await openScreen(() => [done()], {
      prepare: (controller) => (controller.usedTokens = 4_096),
    });
    expect(screen.terminal.text).toMatch(
      /qwen3-8b · llama-server · .*\(13%\) +normal mode · bubblewrap · 4f/,
    );
    screen.terminal.resize(76, 24);
    await expect.poll(screen.text, POLL).toMatch(/llama-server · .*\(13%\) +normal mode · bubblewrap\n/);
    screen.terminal.resize(60, 24);
    await expect.poll(screen.text, POLL).toMatch(/qwen3-8b · [^·]*\(13%\) +normal mode · bubblewrap\n/);
    screen.terminal.resize(44, 24);
    await expect.poll(screen.text, POLL).toMatch(/qwen3-8b · [^·]*\(13%\) +normal mode\n/);
  });

  test("no line is lost whatever is resized, folded and redrawn while text comes", async () => {
    const sizes = fc.record({
      columns: fc.integer({ min: 20, max: 120 }),
      rows: fc.integer({ min: 9, max: 50 }),
    });
    const acts = fc.array(fc.oneof(sizes, fc.constantFrom(KEY.ctrlO, KEY.ctrlL, "/m", "\u007f\u007f")), {
      maxLength: 8,
    });
    const count = 60;
    await fc.assert(
      fc.asyncProperty(acts, async (chosen) => {
        const text = numbered(count).flatMap((step, index) =>
          index % 6 === 5 ? [step, { pauses: 1 }] : [step],
        );
        const screen = await openScreen(() => [turn, ...text, done()], { paceMs: 2 });
        screen.terminal.type("go");
        screen.terminal.press(KEY.enter);
        for (const act of chosen) {
          await new Promise((resolve) => setTimeout(resolve, 3));
          if (typeof act === "string") screen.terminal.press(act);
          else screen.terminal.resize(act.columns, act.rows);
        }
        await expect.poll(screen.text, POLL).toContain(`Paragraph ${count}.`);
        await expect
          .poll(() => new Set(paragraphs(screen.terminal.everything)), POLL)
          .toEqual(new Set(upTo(count)));
        await closeScreens();
      }),
      { numRuns: 15 },
    );
  });

  test.each([
    [9, 4],
    [4, 3],
    [1, 1],
  ])("%d columns and %d rows break nothing", async (columns, rows) => {
    const screen = await openScreen(() => [
      turn,
      say("# Title\n\n| a | b |\n|---|---|\n| 漢字 | 😀 |\n\n```\ncode\n```"),
      propose,
      { ask },
    ]);
    screen.terminal.type("/m");
    screen.terminal.resize(columns, rows);
    await new Promise((resolve) => setTimeout(resolve, 50));
    screen.terminal.press("\u0015");
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(() => screen.controller.submitted, POLL).toHaveLength(1);
    screen.terminal.resize(80, 24);
    await expect.poll(screen.text, POLL).toContain("Allow shell?");
  });

  test("what has scrolled out does not change when a call ends", async () => {
    const output = Array.from({ length: 3 }, (_, index) => `row ${index}`).join("\n");
    const screen = await openScreen(
      () => [
        turn,
        propose,
        event({ type: "tool_started", callId: "c1", name: "shell" }),
        event({ type: "tool_output", callId: "c1", text: output }),
        ...numbered(30),
        { pauses: 20 },
        event({
          type: "tool_finished",
          callId: "c1",
          name: "shell",
          result: { ok: true, output },
          durationMs: 5,
        }),
        say("the end"),
        done(),
      ],
      { paceMs: 5 },
    );
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("the end");
    expect(paragraphs(screen.terminal.everything)).toEqual(upTo(30));
    expect(screen.terminal.everything.filter((line) => line.includes("row 1"))).toHaveLength(1);
  });

  test("escape sequences from model, tools and files are signs", async () => {
    const evil = "\u001b[2J\u001b]0;owned\u0007\u202e\u009b";
    const screen = await openScreen(
      () => [
        turn,
        event({ type: "thinking_delta", text: evil }),
        say(evil),
        event({
          type: "tool_proposed",
          callId: "e",
          name: evil,
          access: "unknown",
          arguments: { path: evil },
        }),
        event({ type: "tool_started", callId: "e", name: evil }),
        event({ type: "tool_output", callId: "e", text: evil }),
        event({
          type: "tool_finished",
          callId: "e",
          name: evil,
          result: { ok: false, error: evil },
          durationMs: 1,
        }),
        event({ type: "todos_changed", todos: [{ id: 1, text: evil, status: "pending" }] }),
        event({ type: "warning", code: "retry", message: evil }),
        { ask: { ...ask, tool: evil, why: evil, preview: { kind: "text", text: evil, concerns: [evil] } } },
      ],
      { prepare: (controller) => (controller.files = [evil]) },
    );
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toMatch(/Allow ␛\[2J/);
    expect(screen.terminal.written).not.toContain("owned\u0007");
    expect(screen.terminal.written).not.toContain("\u202e");
    expect(screen.terminal.written).not.toContain("\u009b");
  });

  test("what a compaction left and what we asked are quiet lines in a resumed conversation", async () => {
    const screen = await openScreen(() => [done()], {
      rows: 30,
      prepare: (controller) => {
        controller.messages = [
          { role: "user", content: "tidy up" },
          { role: "user", content: `Done so far:\n- ${"a ".repeat(120)}end`, note: "compaction" },
          { role: "assistant", content: "Hm." },
          { role: "user", content: "Go on.", note: "nudge" },
        ];
      },
    });
    await expect.poll(screen.text, POLL).toContain("· asked the model again: Go on.");
    expect(screen.terminal.text).toContain(
      "› tidy up\n\n· what was here before, shortened: Done so far: - a",
    );
    expect(screen.terminal.text).not.toContain("› Go on.");
    expect(screen.terminal.text).not.toContain("end");
    screen.terminal.press(KEY.ctrlO);
    await expect.poll(screen.text, POLL).toContain("a end");
  });

  test("a resumed conversation is shown", async () => {
    const screen = await openScreen(() => [done()], {
      rows: 40,
      prepare: (controller) => {
        controller.messages = [
          { role: "system", content: "secret" },
          { role: "user", content: "read my notes" },
          {
            role: "assistant",
            content: "Sure.",
            tool_calls: [
              { id: "a", type: "function", function: { name: "read", arguments: '{"path":"notes.txt"}' } },
              { id: "b", type: "function", function: { name: "read", arguments: '{"path":"gone.txt"}' } },
              { id: "c", type: "function", function: { name: "read", arguments: "{}" } },
            ],
          },
          { role: "tool", tool_call_id: "a", content: '{"ok":true,"output":"buy milk"}' },
          { role: "tool", tool_call_id: "b", content: '{"ok":false,"error":"no such file"}' },
          { role: "assistant", content: "Buy milk." },
        ];
      },
    });
    await expect.poll(screen.text, POLL).toContain("Buy milk.");
    expect(screen.terminal.text).toContain(
      "› read my notes\n\n  Sure.\n\n✓ read notes.txt\n✗ read gone.txt\n  │ no such file\n✗ read  interrupted\n\n  Buy milk.",
    );
    expect(screen.terminal.text).not.toContain("secret");
  });
});
