import { afterEach, describe, expect, test } from "vitest";
import { closeScreens, openScreen, POLL } from "./fixtures/open-screen.ts";
import { done, endless, event, turn } from "./fixtures/steps.ts";
import { KEY } from "./fixtures/virtual-terminal.ts";

afterEach(closeScreens);

describe("a long job on the screen", () => {
  test("how far a resumed conversation is stands above the input as soon as it goes on", async () => {
    const step = { id: 1, description: "write", dependencies: [], status: "in_progress" } as const;
    const screen = await openScreen(() => endless, {
      paceMs: 1,
      prepare: (controller) => {
        controller.progress = () => ({
          todos: [{ id: 1, text: "look", status: "pending" }],
          plan: { title: "t", status: "approved", steps: [step] },
          taskState: { total_count: 300, processed_count: 120 },
        });
      },
    });
    expect(screen.terminal.text).not.toContain("plan:");
    screen.terminal.type("go on");
    screen.terminal.press(KEY.enter);
    await expect
      .poll(screen.text, POLL)
      .toContain(
        "  plan: 0 of 1 steps done · now 1. write\n  task: 120 of 300 processed\n  0 of 1 done\n  ○ look",
      );
  });

  test("plan and task are above the input while the agent works, and what each turn cost is a detail", async () => {
    const step = { id: 1, description: "write", dependencies: [], status: "in_progress" } as const;
    const screen = await openScreen(
      () => [
        turn,
        event({ type: "plan_changed", plan: { title: "t", status: "approved", steps: [step] } }),
        event({ type: "task_state_changed", state: { total_count: 300, processed_count: 120 } }),
        event({
          type: "context_compacted",
          cause: "request",
          method: "elided",
          parts: [{ message: { role: "tool", tool_call_id: "a", content: "left out" } }],
          tokensBefore: 7_900,
          tokensAfter: 3_100,
        }),
        event({ type: "usage", turn: 1, usage: { promptTokens: 3_000, cachedTokens: 2_000 } }),
        event({ type: "turn_finished", turn: 1, finish: "tool_calls", calls: 1 }),
        { pauses: 60 },
        event({ type: "usage", turn: 2, usage: { promptTokens: 4_000, cachedTokens: 4_000 } }),
        event({ type: "turn_finished", turn: 2, finish: "stop", calls: 0 }),
        done("ok"),
      ],
      { paceMs: 5 },
    );
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect
      .poll(screen.text, POLL)
      .toContain("  plan: 0 of 1 steps done · now 1. write\n  task: 120 of 300 processed\n");
    await expect
      .poll(screen.text, POLL)
      .toContain("· context 7,900 → 3,100 tokens: 1 old result left out (as you");
    await expect.poll(screen.text, POLL).toContain("85% cached");
    expect(screen.terminal.text).not.toContain("task:");
    expect(screen.terminal.text).not.toContain("2,000 cached");
    screen.terminal.press(KEY.ctrlO);
    await expect.poll(screen.text, POLL).toContain("2,000 cached · 1,000 new\n");
    expect(screen.terminal.text).toContain("4,000 cached · 0 new\n");
  });
});

describe("the status of a model with a long name", () => {
  test.each([
    [80, "/home/you/models/some-very-long-model-name-q4.gguf", "some-very-long-model-na… · 4.0k/33k (12%)"],
    [120, "organisation/model-q4", "organisation/model-q4 · llama-server · 4.0k/33k (12%)"],
  ])("keeps the window in %d columns", async (columns, model, shown) => {
    const screen = await openScreen(() => [turn, done("ok")], {
      columns,
      prepare: (controller) => {
        const status = controller.status.bind(controller);
        controller.status = () => ({ ...status(), model, usedTokens: 4_000 });
      },
    });
    expect(screen.terminal.text).toContain(shown);
    expect(screen.terminal.text).toContain("normal mode · bubblewrap");
  });
});
