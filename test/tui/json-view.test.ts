import { spawn } from "node:child_process";
import { Writable } from "node:stream";
import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { createJsonView } from "../../src/tui/plain/json-view.ts";
import { Capture } from "./fixtures/capture.ts";
import { READ_RUN } from "./fixtures/events.ts";

describe("the JSON view", () => {
  test("writes each event as one line that parses back to it", async () => {
    const stdout = new Capture();
    const view = createJsonView({ stdout });
    for (const event of READ_RUN) await view.onEvent(event);
    await view.finish();
    const lines = stdout.text.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(READ_RUN);
  });

  test("any text survives, and none reaches a terminal as a control character", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (text) => {
        const stdout = new Capture();
        const view = createJsonView({ stdout });
        await view.onEvent({ type: "text_delta", text });
        expect(JSON.parse(stdout.text)).toEqual({ type: "text_delta", text });
        // oxlint-disable-next-line no-control-regex -- looks for control characters
        expect(stdout.text.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/);
      }),
    );
  });

  test("waits for a slow reader", async () => {
    const waiting: (() => void)[] = [];
    const stdout = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => void waiting.push(done),
    });
    const view = createJsonView({ stdout });
    let written = false;
    const writing = view.onEvent({ type: "turn_started", turn: 1 }).then(() => (written = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(written).toBe(false);
    waiting.shift()?.();
    await writing;
    expect(written).toBe(true);
  });

  test("ends quietly when the reader leaves", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.destroy()"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    const view = createJsonView({ stdout: child.stdin });
    await new Promise((resolve) => child.on("close", resolve));
    while (!view.closed.aborted) await view.onEvent({ type: "text_delta", text: "x".repeat(100_000) });
    await view.finish();
    expect(view.closed.aborted).toBe(true);
  });
});
