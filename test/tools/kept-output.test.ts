import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { createKeptOutput } from "../../src/tools/kept-output.ts";
import { createMemoryLog } from "./_commands.ts";

describe("output that is kept", () => {
  it("is whole when it fits, and otherwise fits and says what is missing", async () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string().map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(chunk, { maxLength: 20 }),
        fc.integer({ min: 200, max: 2_000 }),
        async (chunks, maxBytes) => {
          const log = createMemoryLog();
          const kept = createKeptOutput({ maxBytes, openFile: () => log.open("x") });
          for (const each of chunks) kept.append(each);
          const text = await kept.finish();
          const all = Buffer.concat(chunks);
          const whole = new TextDecoder("utf-8", { ignoreBOM: true }).decode(all);
          expect(Buffer.byteLength(JSON.stringify(text))).toBeLessThanOrEqual(maxBytes);
          if (text === whole) return;
          expect(Buffer.byteLength(JSON.stringify(whole))).toBeGreaterThan(maxBytes);
          expect(text).toContain("bytes left out; whole output: outputs/x.txt");
          expect(log.files.get("outputs/x.txt")?.equals(all)).toBe(true);
        },
      ),
    );
  });

  it("never cuts inside a character or, in short lines, inside a line", async () => {
    const kept = createKeptOutput({ maxBytes: 500 });
    for (let count = 0; count < 1_000; count += 1) kept.append(Buffer.from(`line ${count} äöü€😀\n`));
    const text = await kept.finish();
    expect(text).not.toContain("\ufffd");
    const lines = text
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("…"));
    for (const line of lines) expect(line).toMatch(/^line \d+ äöü€😀$/);
  });

  it("says what to do where nothing is saved", async () => {
    const kept = createKeptOutput({ maxBytes: 200, advice: "ask for less" });
    kept.append(Buffer.from("x".repeat(1_000)));
    expect(await kept.finish()).toMatch(/^x+\n… \d+ bytes left out; ask for less …\nx+$/);
  });
});
