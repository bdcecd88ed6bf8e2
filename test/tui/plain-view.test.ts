import { spawn } from "node:child_process";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { AgentEvent } from "../../src/core/index.ts";
import { createPlainView } from "../../src/tui/plain/plain-view.ts";
import { Capture } from "./fixtures/capture.ts";
import { finished, READ_RUN } from "./fixtures/events.ts";

interface Shown {
  stdout: string;
  stderr: string;
}

async function show(
  events: readonly AgentEvent[],
  { tty = false, verbose = false, stdoutTty = false } = {},
): Promise<Shown> {
  const stdout = new Capture({ isTTY: stdoutTty });
  const stderr = new Capture({ isTTY: tty });
  let clock = 0;
  const view = createPlainView({ stdout, stderr, colour: false, verbose, now: () => (clock += 1_000) });
  for (const event of events) await view.onEvent(event);
  await view.finish();
  return { stdout: stdout.text, stderr: stderr.text };
}

/** What is left on a terminal line that was erased and rewritten. */
function settled(text: string): string {
  // oxlint-disable-next-line no-control-regex -- the erase sequence
  return text.replaceAll(/[^\n]*\r\u001b\[K/g, "");
}

describe("into pipes and files", () => {
  test("the answer alone goes to stdout, the way there to stderr", async () => {
    const { stdout, stderr } = await show(READ_RUN);
    expect(stdout).toBe("They say: **buy milk**.\n");
    expect(stderr).toBe("Let me look.\n✓ read notes.txt (12 ms)\n");
  });

  test("verbose adds model, thinking and costs", async () => {
    const { stdout, stderr } = await show(READ_RUN, { verbose: true });
    expect(stdout).toBe("They say: **buy milk**.\n");
    expect(stderr.split("\n")).toEqual([
      "qwen3-8b · llama-server · window 32,768",
      "I should look.",
      "Let me look.",
      "✓ read notes.txt (12 ms)",
      "  0 cached · 3,400 new · 31 out · 23.4 tok/s",
      "  3,400 cached · 40 new · 12 out",
      "2 turns · 1 call · 2.1 s",
      "",
    ]);
  });

  test("a failed call shows its error on one line", async () => {
    const { stderr } = await show([
      {
        type: "tool_proposed",
        callId: "c1",
        name: "shell",
        access: "execute",
        arguments: { command: "npm\ntest" },
      },
      {
        type: "tool_finished",
        callId: "c1",
        name: "shell",
        result: { ok: false, error: "exit code 1\nno tests" },
        durationMs: 61_000,
      },
    ]);
    expect(stderr).toBe("✗ shell npm test (1 min 1 s) exit code 1 no tests\n");
  });

  test("a run that did not end well says why and prints no answer", async () => {
    const { stdout, stderr } = await show([
      { type: "turn_started", turn: 1 },
      { type: "text_delta", text: "I will" },
      { type: "turn_finished", turn: 1, finish: "cut", calls: 0 },
      finished({ reason: "turn_limit", message: "The limit of 3 turns was reached." }),
    ]);
    expect(stdout).toBe("");
    expect(stderr).toBe("I will\n✗ stopped (turn_limit): The limit of 3 turns was reached.\n");
  });

  test("text that another turn followed is no answer", async () => {
    const { stdout, stderr } = await show([
      { type: "turn_started", turn: 1 },
      { type: "text_delta", text: "I will do it now:" },
      { type: "turn_finished", turn: 1, finish: "stop", calls: 0 },
      { type: "warning", code: "promised_action", message: "The model announced a step and took none." },
      { type: "turn_started", turn: 2 },
      { type: "text_delta", text: "Done." },
      { type: "turn_finished", turn: 2, finish: "stop", calls: 0 },
      finished({ text: "Done." }),
    ]);
    expect(stdout).toBe("Done.\n");
    expect(stderr).toBe("! The model announced a step and took none.\nI will do it now:\n");
  });

  test("a long job is told of in single quiet lines", async () => {
    const step = { id: 1, description: "write", dependencies: [], status: "in_progress" } as const;
    const plan = { title: "t", status: "approved", steps: [step] } as const;
    const { stderr } = await show([
      { type: "turn_started", turn: 1 },
      { type: "plan_changed", plan },
      { type: "plan_changed", plan: { ...plan, title: "u" } },
      { type: "checkpoint_made", id: "c1" },
      { type: "task_state_changed", state: { total_count: 3, processed_count: 1 } },
      { type: "task_state_changed", state: { total_count: 3, processed_count: 1, next_action: "b" } },
      {
        type: "context_compacted",
        cause: "threshold",
        method: "folded",
        parts: [],
        tokensBefore: 7_900,
        tokensAfter: 3_100,
      },
      {
        type: "prefix_broken",
        why: "the conversation was shortened",
        bytes: 9_300,
        tokens: 3_100,
        seconds: 8,
      },
    ]);
    expect(stderr.split("\n")).toEqual([
      "plan: 0 of 1 steps done · now 1. write",
      "task: 1 of 3 processed",
      "context 7,900 → 3,100 tokens: older turns became a list by rule (the window is getting full)",
      "the server reads 3,100 tokens again, about 8 s: the conversation was shortened",
      "",
    ]);
  });

  test("escape sequences from model and tools come out as signs", async () => {
    const { stdout, stderr } = await show([
      { type: "turn_started", turn: 1 },
      {
        type: "tool_finished",
        callId: "x",
        name: "re\u001b[2Jad",
        result: { ok: false, error: "\u001b]0;owned\u0007" },
        durationMs: 1,
      },
      { type: "warning", code: "retry", message: "a\u202eb" },
      finished({ text: "\u001b[31mred" }),
    ]);
    expect(stdout).toBe("␛[31mred\n");
    expect(stderr).toBe("✗ re␛[2Jad (1 ms) ␛]0;owned␇\n! a<U+202E>b\n");
  });

  test("nothing moves the cursor", async () => {
    const { stdout, stderr } = await show(READ_RUN, { verbose: true });
    // oxlint-disable-next-line no-control-regex -- looks for control characters
    expect(stdout + stderr).not.toMatch(/[\u001b\r]/);
  });
});

describe("on a terminal", () => {
  test("text streams to stdout, and the status line is gone at the end", async () => {
    const { stdout, stderr } = await show(READ_RUN, { tty: true, stdoutTty: true });
    expect(stdout).toBe("Let me look.\nThey say: **buy milk**.\n");
    expect(settled(stderr)).toBe(
      [
        "✓ read notes.txt (12 ms)",
        "  0 cached · 3,400 new · 31 out · 23.4 tok/s",
        "  3,400 cached · 40 new · 12 out",
        "",
      ].join("\n"),
    );
    expect(stderr).toContain("reading 1,200 of 3,400 tokens");
  });

  test("prefill shows the time left, measured without the cached part", async () => {
    const { stderr } = await show(
      [
        { type: "turn_started", turn: 1 },
        { type: "prefill_progress", processed: 1_000, total: 3_000, cached: 1_000 },
        { type: "prefill_progress", processed: 2_000, total: 3_000, cached: 1_000 },
      ],
      { tty: true },
    );
    expect(stderr).toMatch(/reading 2,000 of 3,000 tokens · \d+(\.\d)? s left/);
  });

  test("nothing is written where a plan may be asked about", async () => {
    const stderr = new Capture({ isTTY: true });
    const view = createPlainView({ stdout: new Capture(), stderr, colour: false });
    const call = { callId: "1", name: "plan_propose" };
    await view.onEvent({ type: "run_started", runId: "r", mode: "auto" });
    await view.onEvent({ type: "tool_proposed", ...call, access: "control", arguments: {} });
    const before = stderr.text;
    await view.onEvent({ type: "tool_started", ...call });
    await view.onEvent({ type: "plan_changed", plan: { title: "t", steps: [], status: "proposed" } });
    expect(before).not.toBe("");
    expect(stderr.text).toBe(before);
    await view.finish();
  });

  test("an estimate counts down while nothing happens", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const stderr = new Capture({ isTTY: true });
    let clock = 0;
    const view = createPlainView({ stdout: new Capture(), stderr, colour: false, now: () => clock });
    await view.onEvent({ type: "turn_started", turn: 1, newTokens: 6_000, prefillSeconds: 20 });
    for (let second = 0; second < 3; second += 1) {
      clock += 1_000;
      vi.advanceTimersByTime(1_000);
    }
    await view.onEvent({ type: "text_delta", text: "x" });
    const shown = stderr.text;
    vi.advanceTimersByTime(5_000);
    await view.finish();
    expect(shown.match(/about \d+ s left/g)).toEqual([20, 19, 18, 17].map((left) => `about ${left} s left`));
    expect(stderr.text.slice(shown.length)).not.toContain("left");
  });

  test("a watched run whose answer goes to a file shows narration and keeps the file clean", async () => {
    const { stdout, stderr } = await show(READ_RUN, { tty: true });
    expect(stdout).toBe("They say: **buy milk**.\n");
    expect(settled(stderr)).toContain("Let me look.\n✓ read notes.txt (12 ms)\n");
  });

  test("the line of a question is left alone", async () => {
    const { stderr } = await show(
      [
        { type: "tool_started", callId: "a", name: "read" },
        {
          type: "approval_requested",
          request: {
            callId: "c",
            tool: "shell",
            arguments: {},
            preview: { kind: "command", text: "ls", concerns: [] },
            why: "",
            digest: "d1",
          },
        },
      ],
      { tty: true },
    );
    expect(stderr.endsWith("running read\r\u001b[K")).toBe(true);
  });

  test("the diff of a change is shown", async () => {
    const diff = "--- a/n.txt\n+++ b/n.txt\n@@ -1 +1 @@\n-old\n+new\n";
    const { stderr } = await show(
      [
        { type: "tool_proposed", callId: "c", name: "edit", access: "write", arguments: { path: "n.txt" } },
        {
          type: "tool_finished",
          callId: "c",
          name: "edit",
          result: { ok: true, output: "done", diff },
          durationMs: 3,
        },
      ],
      { tty: true },
    );
    expect(settled(stderr)).toBe(
      "✓ edit n.txt (3 ms)\n  --- a/n.txt\n  +++ b/n.txt\n  @@ -1 +1 @@\n  -old\n  +new\n",
    );
  });

  const shellRun = (output: string, ok = true): AgentEvent[] => [
    {
      type: "tool_proposed",
      callId: "c",
      name: "shell",
      access: "execute",
      arguments: { command: "make" },
    },
    { type: "tool_output", callId: "c", text: output },
    {
      type: "tool_finished",
      callId: "c",
      name: "shell",
      result: ok ? { ok, output } : { ok, output, error: "exit code 2: bad" },
      durationMs: 3,
    },
  ];

  test("the last lines of a command are shown below it", async () => {
    const { stderr } = await show(shellRun("one\n\ntwo\u001b[2J\n"), { tty: true });
    expect(settled(stderr)).toBe("✓ shell make (3 ms)\n  one\n\n  two␛[2J\n");
    const ten = Array.from({ length: 10 }, (_, index) => `row ${index}`).join("\n");
    const long = await show(shellRun(ten, false), { tty: true });
    expect(settled(long.stderr)).toMatch(
      /^✗ shell make \(3 ms\) exit code 2: bad\n {2}… 2 more lines\n {2}row 2\n[^]*\n {2}row 9\n$/,
    );
    const silent = await show(shellRun(""), { tty: true });
    expect(settled(silent.stderr)).toBe("✓ shell make (3 ms)\n");
  });

  test("the output of a command is shown once with verbose and not at all into a pipe", async () => {
    const verbose = await show(shellRun("one\n"), { tty: true, verbose: true });
    expect(settled(verbose.stderr)).toBe("one\n✓ shell make (3 ms)\n");
    const piped = await show(shellRun("one\n"));
    expect(piped.stderr).toBe("✓ shell make (3 ms)\n");
  });

  test("a surrogate pair split over two pieces arrives whole", async () => {
    const { stdout } = await show(
      [
        { type: "turn_started", turn: 1 },
        { type: "text_delta", text: "ok \ud83d" },
        { type: "text_delta", text: "\ude00" },
        { type: "turn_finished", turn: 1, finish: "stop", calls: 0 },
        finished({ text: "ok 😀" }),
      ],
      { tty: true, stdoutTty: true },
    );
    expect(stdout).toBe("ok 😀\n");
  });
});

describe("a stdout that fails", () => {
  test("a reader that leaves closes the view quietly", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.destroy()"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    const view = createPlainView({ stdout: child.stdin, stderr: new Capture(), colour: false });
    await new Promise((resolve) => child.on("close", resolve));
    while (!view.closed.aborted) await view.onEvent(finished({ text: "answer ".repeat(10_000) }));
    await view.onEvent(finished({ text: "more" }));
    await view.finish();
    expect(view.closed.aborted).toBe(true);
  });

  test("a full disk is an error that names the cause", async () => {
    const stdout = new Capture();
    stdout._write = (_chunk, _encoding, done: (error?: Error) => void) =>
      done(Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
    const view = createPlainView({ stdout, stderr: new Capture(), colour: false });
    await view.onEvent(finished({ text: "answer" }));
    await expect(view.finish()).rejects.toMatchObject({ code: "storage_failed", data: { errno: "ENOSPC" } });
  });
});
