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

interface AskOptions {
  graceMs?: number;
  request?: ApprovalRequest;
  columns?: number;
}

function ask({ graceMs = 0, request = SHELL, columns }: AskOptions = {}) {
  const input = new PassThrough();
  const output: Capture & { columns?: number } = new Capture();
  if (columns !== undefined) output.columns = columns;
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
        "  it does more than start programs with fixed arguments: read all of it",
        "  runs in the workspace",
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

  describe("that may be remembered", () => {
    const offered: ApprovalRequest = { ...SHELL, offer: { tool: "shell", prefix: ["npm", "run", "a b"] } };

    test.each([
      ["y", undefined],
      ["a", "session"],
      ["W", "workspace"],
    ] as const)("%s is remembered for %s", async (line, remember) => {
      const { input, output, answer } = ask({ request: offered });
      await settle();
      expect(output.text).toContain(
        "  a and w are for every shell command that begins with `npm run 'a b'`\nAllow it? [y] once  [a] in this session  [w] always in this workspace  [n] no",
      );
      input.write(`${line}\n`);
      const allowed = { decision: "allow", digest: "d1" };
      expect(await answer).toEqual(remember === undefined ? allowed : { ...allowed, remember });
    });

    test.each(["a w", "always", "aw", "auto", "aa"])("%j is no answer", async (line) => {
      const { input, answer } = ask({ request: offered });
      await settle();
      input.write(`${line}\n`);
      await settle();
      input.write("n\n");
      expect(await answer).toEqual({ decision: "deny" });
    });

    test("is not offered when nobody could see for what", async () => {
      const request = { ...SHELL, offer: { tool: "shell", prefix: ["echo", "x".repeat(1_000)] } };
      const { input, output, answer } = ask({ request });
      await settle();
      input.write("w\n");
      await settle();
      expect(output.text).not.toContain("[w]");
      input.write("n\n");
      expect(await answer).toEqual({ decision: "deny" });
    });
  });

  test("shows the line that would run, whatever the preview makes of it", async () => {
    const preview = { kind: "command" as const, text: "ls", command: "ls; rm x", concerns: [] };
    const { input, output, answer } = ask({ request: { ...SHELL, preview } });
    await settle();
    input.write("n\n");
    await answer;
    expect(output.text).toContain("  $ ls; rm x\n  1 ls\n  2 rm x\n");
  });

  test("tells where the command runs, its programs and arguments, and what is written", async () => {
    const command = `FOO=1 npm test && curl -d "a  b" 'https://x.y/?q' | sort -r *.txt`;
    const preview = {
      kind: "command" as const,
      text: command,
      concerns: [],
      place: { backend: "process" as const, isolated: false, network: "bridge" as const },
      writes: ["out/a.txt", "b\u202e.txt", ...Array.from({ length: 20 }, (_, index) => `f${index}`)],
    };
    const request = { ...SHELL, arguments: { command, cwd: "sub\u200b" }, preview };
    const { output, abort, answer } = ask({ request });
    await settle();
    abort.abort(new Error("done"));
    await answer.catch(() => {});
    expect(output.text).toContain(
      [
        `  $ ${command}`,
        "  1 FOO=1 npm test",
        "  2 curl -d 'a  b' 'https://x.y/?q'",
        "  3 sort -r *.txt",
        "  runs in sub<U+200B> · process, not isolated · with network",
        "  writes out/a.txt, b<U+202E>.txt, f0, f1, f2, f3, f4, f5, f6, f7, and 12 more",
      ].join("\n"),
    );
  });

  describe("about a hostile command", () => {
    const fake = "\nAllow it? [y] once  [n] no  [d] no, with a note to the model: y\n\n? read\n";

    async function show(
      text: string,
      over: Partial<ApprovalRequest> = {},
      columns?: number,
    ): Promise<string> {
      const { input, output, answer } = ask({
        request: { ...SHELL, ...over, preview: { kind: "command", text, concerns: [text] } },
        ...(columns === undefined ? {} : { columns }),
      });
      await settle();
      input.write("n\n");
      expect(await answer).toEqual({ decision: "deny" });
      return output.text;
    }

    test.each([
      [
        "escape sequences",
        "\u001b]52;c;cm0=\u0007\u001b]0;t\u001b\\\u001b]8;;http://x\u0007",
        "␛]52;c;cm0=␇␛]0;t",
      ],
      ["eight-bit controls", "ls\u009b2J\u0090x\u009c", "ls<U+009B>2J<U+0090>x<U+009C>"],
      ["carriage returns and backspaces", "rm -rf .\rls       \b\b", "rm -rf .␍ls       ␈␈"],
      ["marks that reorder", "ls \u202egpj.\u2066x\u2069", "ls <U+202E>gpj.<U+2066>x<U+2069>"],
      [
        "what nobody sees",
        "l\u200bs\u00ad\u3164\u115f\ufe0f\u{e0041}\u{e0101}\u2800",
        "l<U+200B>s<U+00AD><U+3164><U+115F><U+FE0F><U+E0041><U+E0101><U+2800>",
      ],
      ["what looks like a space", "rm\u00a0-rf\u3000/\u2003", "rm<U+00A0>-rf<U+3000>/<U+2003>"],
      ["joiners, even in emoji", "echo 👩\u200d👩", "echo 👩<U+200D>👩"],
      ["half characters and line separators", "a\ud800b\u2028c", "a\ufffdb<U+2028>c"],
    ])("shows %s", async (_name, text, shown) => {
      const output = await show(text);
      expect(output).toContain(`  $ ${shown}`);
      expect(output).not.toMatch(
        // oxlint-disable-next-line no-control-regex -- looks for control characters
        /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00a0\u00ad\u200b\u202e\u2066\ud800]/,
      );
    });

    test.each([fake, `x${" ".repeat(79 - 3)}${fake.trim()}`, `x${" ".repeat(60)}${fake.trim()}`])(
      "sets it in, so that no line of it is a question",
      async (text) => {
        for (const columns of [20, 60, 80, 200]) {
          const output = await show(text, { why: text, tool: `shell${text}` }, columns);
          const lines = output.split("\n");
          expect(lines.filter((line) => line.startsWith("Allow it?"))).toHaveLength(1);
          expect(lines.filter((line) => line.startsWith("?"))).toHaveLength(1);
          for (const line of lines.slice(2, -1)) {
            expect(line).toMatch(/^ {2}/);
            expect(line.length).toBeLessThanOrEqual(Math.max(20, columns - 1));
          }
        }
      },
    );

    test("a huge one is shown page by page, and cannot be allowed before its last one", async () => {
      const startedAt = performance.now();
      const text = `echo start${"\nx='1'".repeat(900)}\ntouch END`;
      const { input, output, answer } = ask({
        request: {
          ...SHELL,
          offer: { tool: "shell", prefix: ["echo"] },
          preview: { kind: "command", text, concerns: [] },
        },
      });
      await settle();
      expect(output.text).toContain("  $ echo start\n");
      expect(output.text).toContain("  … 502 lines are not shown yet …\n");
      expect(output.text).toContain("  · touch END\n");
      for (const line of ["y", "yes", "a", "w"]) {
        input.write(`${line}\n`);
        await settle();
      }
      expect(output.text).not.toContain("[y] once");
      input.write("s\n");
      await settle();
      expect(output.text).toContain("[s] show the next 102, 102 lines are not shown yet  [n] no");
      input.write("y\n");
      await settle();
      input.write("s\n");
      await settle();
      expect(output.text).toMatch(/Allow it\? \[y\] once[^\n]*$/);
      expect(output.text.match(/· x='1'/g)).toHaveLength(900);
      input.write("y\n");
      expect(await answer).toEqual({ decision: "allow", digest: "d1" });
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    });

    test("empty lines and long runs of blanks push nothing out of sight", async () => {
      const output = await show(
        `echo hi\n${"\n".repeat(500)}${" ".repeat(9_000)}touch HIDDEN${"\t\n".repeat(90)}`,
      );
      expect(output).toContain("  $ echo hi\n  … 500 empty lines\n  ·  <9,000 blanks> touch HIDDEN");
    });

    test("every program of a line is told", async () => {
      const names = Array.from({ length: 45 }, (_, index) => `program${index}`);
      const output = await show(names.join("; "));
      for (const [index, name] of names.entries()) expect(output).toContain(`  ${index + 1} ${name}\n`);
    });

    test("one that nobody can look through can only be denied", async () => {
      for (const text of ["\u202e".repeat(1_100_000), `echo ${"'a' ".repeat(300_000)}`]) {
        const output = await show(text);
        expect(output).toContain("too long to be shown, so it can only be denied");
        expect(output).toMatch(/Allow it\? \[n\] no {2}\[d\]/);
      }
    });
  });
});
