import { afterEach, describe, expect, test } from "vitest";
import type { AgentEvent } from "../../src/core/index.ts";
import { closeScreens, openScreen, POLL } from "./fixtures/open-screen.ts";
import { done, endless, event, propose, say, turn } from "./fixtures/steps.ts";
import { KEY } from "./fixtures/virtual-terminal.ts";

afterEach(closeScreens);

describe("while the agent works", () => {
  test("Enter steers, >> waits for the end, and both are shown as queued", async () => {
    const screen = await openScreen(() => endless, { paceMs: 1 });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("working");
    screen.terminal.type("use tabs");
    screen.terminal.press(KEY.enter);
    screen.terminal.type(">> then commit");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("↳ next: use tabs\n  ↳ after this run: then commit");
    expect(screen.controller.steered).toEqual(["use tabs"]);
    expect(screen.controller.followUps).toEqual(["then commit"]);
  });

  test("a steered message leaves the queue when the agent takes it", async () => {
    const screen = await openScreen(() => [turn, say("first"), { pauses: 60 }, turn, say("second"), done()], {
      paceMs: 5,
    });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("first");
    screen.terminal.type("use tabs");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("↳ next: use tabs");
    await expect.poll(screen.text, POLL).toContain("› use tabs\n\n  second");
    expect(screen.terminal.text).not.toContain("↳");
  });

  test("what the run did not take comes back into the input", async () => {
    const screen = await openScreen(() => endless, { paceMs: 1 });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("working");
    screen.terminal.type("use tabs");
    screen.terminal.press(KEY.enter);
    screen.terminal.press(KEY.escape);
    await expect.poll(screen.text, POLL).toContain("· interrupted");
    await expect.poll(screen.text, POLL).toMatch(/─\n {2}use tabs\n─/);
  });

  test("Ctrl-C interrupts, a second one within two seconds leaves", async () => {
    const screen = await openScreen(() => endless, { paceMs: 1 });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("working");
    screen.terminal.press(KEY.ctrlC);
    await expect.poll(screen.text, POLL).toContain("Interrupting. Press Ctrl-C again to leave.");
    await expect.poll(screen.text, POLL).toContain("· interrupted");
    screen.pass(2_001);
    screen.terminal.type("text");
    screen.terminal.press(KEY.ctrlC);
    await expect.poll(screen.text, POLL).toContain("Press Ctrl-C again to leave.");
    expect(screen.terminal.isStarted).toBe(true);
    screen.terminal.press(KEY.ctrlC);
    await screen.done;
  });

  test("a key or a new run takes back that a second Ctrl-C leaves", async () => {
    const screen = await openScreen(() => endless, { paceMs: 1 });
    for (const run of [1, 2]) {
      screen.terminal.type("go");
      screen.terminal.press(KEY.enter);
      await expect.poll(() => screen.controller.submitted, POLL).toHaveLength(run);
      await expect.poll(screen.text, POLL).toContain("esc interrupts");
      screen.terminal.press(KEY.ctrlC);
      await expect.poll(() => screen.terminal.text.split("· interrupted").length - 1, POLL).toBe(run);
      expect(screen.terminal.text).toContain("Interrupting. Press Ctrl-C again to leave.");
    }
    screen.terminal.type("x");
    await expect.poll(screen.text, POLL).not.toContain("again to leave");
    screen.terminal.press(KEY.ctrlC);
    await expect.poll(screen.text, POLL).toContain("Press Ctrl-C again to leave.");
    expect(screen.terminal.isStarted).toBe(true);
  });

  test("a prompt that waited for a command is interrupted, not left, by one Ctrl-C", async () => {
    let open = () => {};
    const disk = new Promise<void>((resolve) => (open = resolve));
    const screen = await openScreen(() => endless, {
      paceMs: 1,
      prepare: (controller) => {
        controller.commands.push({ name: "/slow", description: "take long", run: () => disk });
      },
    });
    for (const text of ["/slow", "go"]) {
      screen.terminal.type(text);
      screen.terminal.press(KEY.enter);
    }
    screen.terminal.press(KEY.ctrlC);
    open();
    await expect.poll(screen.text, POLL).toContain("working");
    screen.terminal.press(KEY.ctrlC);
    await expect.poll(screen.text, POLL).toContain("· interrupted");
    screen.terminal.type("still here");
    await expect.poll(screen.text, POLL).toMatch(/─\n {2}still here\n─/);
  });

  test("Ctrl-D leaves only from an empty input with nothing running", async () => {
    const screen = await openScreen(() => endless, { paceMs: 1 });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("working");
    screen.terminal.press(KEY.ctrlD);
    await expect.poll(screen.text, POLL).toContain("The agent is working");
    screen.terminal.press(KEY.escape);
    await expect.poll(screen.text, POLL).toContain("· interrupted");
    screen.terminal.type("x");
    screen.terminal.press(KEY.ctrlD);
    expect(screen.terminal.isStarted).toBe(true);
    screen.terminal.press("\u007f");
    screen.terminal.press(KEY.ctrlD);
    await screen.done;
  });

  test("a command that cannot run now says so", async () => {
    const screen = await openScreen(() => endless, { paceMs: 1 });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("working");
    screen.terminal.type("/new");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("/new has to wait until the run ends");
    screen.terminal.type("/help");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("start a fresh session");
  });

  test("a run that throws is reported and the next one works", async () => {
    let runs = 0;
    const screen = await openScreen(function* () {
      runs += 1;
      if (runs === 1) throw new Error("no such model `x`");
      yield* [say("better"), done()];
    });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("✗ no such model `x`");
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("better");
  });

  test("a command of the screen that the user interrupts is no failure", async () => {
    const screen = await openScreen(function* () {
      yield* [turn];
      throw AbortSignal.abort().reason;
    });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("interrupted");
    expect(screen.text()).not.toContain("✗");
  });

  test("live output shows its last lines and is one line afterwards, details bring it back", async () => {
    const output = Array.from({ length: 12 }, (_, index) => `row ${index}`).join("\n");
    const screen = await openScreen(
      () => [
        turn,
        propose,
        event({ type: "tool_started", callId: "c1", name: "shell" }),
        event({ type: "tool_output", callId: "c1", text: output }),
        { pauses: 30 },
        event({
          type: "tool_finished",
          callId: "c1",
          name: "shell",
          result: { ok: true, output },
          durationMs: 1_234,
        }),
        say("all good"),
        done(),
      ],
      { paceMs: 5 },
    );
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect
      .poll(screen.text, POLL)
      .toContain("● shell rm -r build\n  │ row 7\n  │ row 8\n  │ row 9\n  │ row 10\n  │ row 11\n");
    await expect.poll(screen.text, POLL).toContain("✓ shell rm -r build  1.2 s · 12 lines\n\n  all good");
    screen.terminal.press(KEY.ctrlO);
    await expect.poll(screen.text, POLL).toContain("✓ shell rm -r build  1.2 s · 12 lines\n  │ row 0\n");
    screen.terminal.press(KEY.ctrlO);
    await expect.poll(screen.text, POLL).toContain("✓ shell rm -r build  1.2 s · 12 lines\n\n  all good");
  });

  test("a command that was stopped keeps the last lines that were shown", async () => {
    const screen = await openScreen(() => [
      turn,
      propose,
      event({ type: "tool_started", callId: "c1", name: "shell" }),
      event({ type: "tool_output", callId: "c1", text: "tick 1\ntick 2\n" }),
      event({
        type: "tool_finished",
        callId: "c1",
        name: "shell",
        result: { ok: false, error: "stopped: the run was interrupted", output: "tick 1\ntick 2" },
        durationMs: 900,
      }),
      event({ ...propose.event, callId: "c2" } as AgentEvent),
      event({ type: "tool_started", callId: "c2", name: "shell" }),
      event({ type: "tool_output", callId: "c2", text: "tock 1\n" }),
      done(),
    ]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect
      .poll(screen.text, POLL)
      .toContain("900 ms\n  │ tick 1\n  │ tick 2\n  │ stopped: the run was interrupted\n");
    expect(screen.terminal.text).toContain("✗ shell rm -r build  interrupted\n  │ tock 1\n");
  });

  test("a failed command does not say the same twice", async () => {
    const screen = await openScreen(() => [
      turn,
      propose,
      event({ type: "tool_output", callId: "c1", text: "no such file\n" }),
      event({
        type: "tool_finished",
        callId: "c1",
        name: "shell",
        result: { ok: false, error: "exit code 1: no such file" },
        durationMs: 9,
      }),
      done(),
    ]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("9 ms\n  │ exit code 1: no such file\n");
  });

  test.each([
    ["a\nb\n", "created notes.txt (4 bytes, 2 lines)", "+2 lines"],
    ["a", "wrote 1 bytes to notes.txt (1 line)", "1 line"],
    ["", "created notes.txt (0 bytes, 0 lines)", "+0 lines"],
  ])("writing %j shows its size, and its text with details", async (content, output, size) => {
    const screen = await openScreen(() => [
      turn,
      event({
        type: "tool_proposed",
        callId: "w",
        name: "write",
        access: "write",
        arguments: { path: "notes.txt", content },
      }),
      event({
        type: "tool_finished",
        callId: "w",
        name: "write",
        result: { ok: true, output },
        durationMs: 3,
      }),
      done(),
    ]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain(`✓ write notes.txt  ${size} · 3 ms\n`);
    expect(screen.terminal.text).not.toContain("+a");
    screen.terminal.press(KEY.ctrlO);
    await expect.poll(screen.text, POLL).toContain(`│ ${output}`);
    if (content !== "") expect(screen.terminal.text).toContain("  │ +a\n");
  });

  test("what the last run cost is not repeated under a command", async () => {
    const screen = await openScreen(() => [turn, say("ok"), done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("1.2 s");
    screen.terminal.type("/mode auto");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("mode is auto");
    expect(screen.terminal.text).not.toContain("1.2 s");
  });

  test("a mode that a command changed is not told again by the next run", async () => {
    const screen = await openScreen(() => [
      event({ type: "mode_changed", mode: "auto" }),
      turn,
      say("ok"),
      done(),
    ]);
    screen.terminal.type("/mode auto");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("mode is auto");
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("1.2 s");
    expect(screen.terminal.text).not.toContain("mode is now");
    expect(screen.terminal.text.match(/mode is/g)).toHaveLength(1);
  });

  test("thinking is folded away when it ends", async () => {
    const screen = await openScreen(
      () => [
        turn,
        event({ type: "thinking_delta", text: "hmm, let me see" }),
        { pauses: 20 },
        say("42"),
        done(),
      ],
      { paceMs: 5 },
    );
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("∴ thinking\n  hmm, let me see");
    await expect.poll(screen.text, POLL).toContain("∴ thought for 0 ms\n\n  42");
    screen.terminal.press(KEY.ctrlO);
    await expect.poll(screen.text, POLL).toContain("hmm, let me see");
  });

  test("prefill, todos, costs and the window are shown", async () => {
    const screen = await openScreen(
      () => [
        turn,
        event({ type: "prefill_progress", processed: 1_200, total: 3_400, cached: 0 }),
        event({
          type: "todos_changed",
          todos: [
            { id: 1, text: "look", status: "completed" },
            { id: 2, text: "fix", status: "in_progress" },
          ],
        }),
        { pauses: 30 },
        event({
          type: "usage",
          turn: 1,
          usage: { promptTokens: 3_400, cachedTokens: 1_000, completionTokens: 9, decodeTokensPerSecond: 20 },
        }),
        say("ok"),
        done(),
      ],
      { paceMs: 5 },
    );
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("reading 1,200 of 3,400 tokens");
    await expect.poll(screen.text, POLL).toContain("1 of 2 done\n  ✓ look\n  ● fix");
    await expect.poll(screen.text, POLL).toContain("1.2 s · 1,000 cached · 2,400 new · 9 out · 20.0 tok/s");
    expect(screen.terminal.text).toContain("qwen3-8b · 3.4k/33k (10%) · 29% cached");
    expect(screen.terminal.text).toContain("normal mode · bubblewrap\n");
    screen.terminal.resize(120, 24);
    await expect.poll(screen.text, POLL).toContain("llama-server · 3.4k/33k (10%) · 29% cached");
    expect(screen.terminal.text).toContain("normal mode · bubblewrap · 4f3a2b");
  });
});
