import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { toUndoQuestion } from "../../src/tui/choice.ts";
import { createTerminalChooser } from "../../src/tui/plain/choose.ts";
import { Capture } from "./fixtures/capture.ts";

function choose(conflicts: readonly string[]) {
  const input = new PassThrough();
  const output = new Capture();
  const chooser = createTerminalChooser({ input, output, colour: false });
  const choice = chooser(toUndoQuestion({ conflicts }), {});
  const answer = async (...lines: string[]) => {
    for (const line of lines) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      input.write(`${line}\n`);
    }
  };
  return { input, output, choice, answer };
}

describe("what to do about conflicts of an undo, in plain lines", () => {
  test("names the files visibly and what each answer does", async () => {
    const { output, choice, answer } = choose(["a.txt", "b\u001b[2J\n? c.txt"]);
    await answer("n");
    expect(await choice).toBe("stop");
    expect(output.text).toBe(
      [
        "? 2 files were changed after the agent; undoing would lose that. Go on?",
        "  a.txt",
        "  b␛[2J␊? c.txt",
        "[n] no, undo nothing  [k] undo the rest, keep these files  [f] undo these too: ",
      ].join("\n"),
    );
  });

  test.each([
    [["k"], "skip"],
    [["x", "", "K"], "skip"],
    [["f", "yes"], "force"],
    [["f", "y", "f", "", "n"], "stop"],
  ])("%j is taken for what it says", async (lines, expected) => {
    const { choice, answer } = choose(["a.txt"]);
    await answer(...lines);
    expect(await choice).toBe(expected);
  });

  test("nothing but no can be said before all files were shown", async () => {
    const { output, choice, answer } = choose(Array.from({ length: 900 }, (_, index) => `file-${index}.txt`));
    await answer("k", "f", "yes", "s", "k", "s", "k");
    expect(await choice).toBe("skip");
    expect(output.text).toContain("file-450.txt");
    expect(output.text.match(/\[s\] show more/g)?.length).toBeGreaterThan(3);
  });

  test("the end of the input is nobody", async () => {
    const { input, choice } = choose(["a.txt"]);
    input.end();
    expect(await choice).toBeUndefined();
  });
});
