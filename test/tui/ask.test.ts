import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import type { ApprovalRequest } from "../../src/core/index.ts";
import { createTerminalApprover } from "../../src/tui/plain/ask.ts";
import { Capture } from "./fixtures/capture.ts";

const SHELL: ApprovalRequest = {
  callId: "c1",
  tool: "shell",
  arguments: { command: "rm -r build" },
  preview: { kind: "command", text: "rm -r build\u001b[2J", concerns: ["deletes files"] },
  why: "commands are asked for in normal mode",
  digest: "d1",
};

function ask({ graceMs = 0, request = SHELL } = {}) {
  const input = new PassThrough();
  const output = new Capture();
  const abort = new AbortController();
  const approver = createTerminalApprover({ input, output, colour: false, graceMs });
  const answer = approver.ask(request, { signal: abort.signal });
  return { input, output, abort, approver, answer };
}

/** Lets the question reach the output. */
const settle = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));

describe("asking in plain lines", () => {
  test("shows the command made safe, why it asks, and takes y for this once", async () => {
    const { input, output, answer } = ask();
    await settle();
    input.write("y\n");
    expect(await answer).toEqual({ decision: "allow", digest: "d1" });
    expect(output.text).toBe(
      [
        "",
        "? shell",
        "  $ rm -r build␛[2J",
        "  commands are asked for in normal mode",
        "  deletes files",
        "Allow it? [y] once  [n] no  [d] no, with a note to the model: ",
      ].join("\n"),
    );
  });

  test("shows the diff of a change", async () => {
    const preview = { kind: "diff" as const, text: "@@ -1 +1 @@\n-a\n+b\n", concerns: [] };
    const { input, output, answer } = ask({ request: { ...SHELL, tool: "edit", preview } });
    await settle();
    input.write("n\r\n");
    expect(await answer).toEqual({ decision: "deny" });
    expect(output.text).toContain("? edit\n  @@ -1 +1 @@\n  -a\n  +b\n");
  });

  test("d takes a note for the model", async () => {
    const { input, answer } = ask();
    await settle();
    input.write("d\n");
    await settle();
    input.write("  use trash instead \n");
    expect(await answer).toEqual({ decision: "deny", note: "use trash instead" });
  });

  test.each(["", "a", "always", "auto", "yy", "Y n"])("asks again after %j", async (line) => {
    const { input, output, answer } = ask();
    await settle();
    input.write(`${line}\n`);
    await settle();
    input.write("YES\n");
    expect(await answer).toEqual({ decision: "allow", digest: "d1" });
    expect(output.text.match(/Allow it\?/g)).toHaveLength(2);
  });

  test("what was typed before the question could be read is no answer", async () => {
    const { input, answer } = ask({ graceMs: 60 });
    input.write("y\n");
    await settle(120);
    input.write("n\n");
    expect(await answer).toEqual({ decision: "deny" });
  });

  test("the end of the input denies, now and afterwards", async () => {
    const { input, approver, answer, abort } = ask();
    await settle();
    input.end();
    expect(await answer).toEqual({ decision: "deny", unattended: true });
    expect(await approver.ask(SHELL, { signal: abort.signal })).toEqual({
      decision: "deny",
      unattended: true,
    });
  });

  test("an abort ends the question and leaves no listener behind", async () => {
    const { input, abort, answer } = ask();
    await settle();
    abort.abort(new Error("interrupted"));
    await expect(answer).rejects.toThrow("interrupted");
    expect(input.listenerCount("data")).toBe(0);
    expect(input.isPaused()).toBe(true);
  });

  test("two questions are asked one after the other", async () => {
    const { input, output, approver, abort, answer } = ask();
    const second = approver.ask({ ...SHELL, tool: "write" }, { signal: abort.signal });
    await settle();
    expect(output.text).not.toContain("? write");
    input.write("y\n");
    await answer;
    await settle();
    expect(output.text).toContain("? write");
    input.write("n\n");
    expect(await second).toEqual({ decision: "deny" });
  });
});
