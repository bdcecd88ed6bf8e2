import { afterEach, describe, expect, test } from "vitest";
import { createScreen } from "../../src/tui/screen/index.ts";
import { closeScreens, openScreen, POLL } from "./fixtures/open-screen.ts";
import { ask, asking, done, propose, say, turn } from "./fixtures/steps.ts";
import { KEY } from "./fixtures/virtual-terminal.ts";

afterEach(closeScreens);

describe("asking", () => {
  async function openQuestion() {
    const screen = await openScreen(asking, { paceMs: 1 });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("Allow shell?");
    return screen;
  }

  test("shows the command and why, and y allows this once", async () => {
    const screen = await openQuestion();
    expect(screen.terminal.text).toContain("? shell rm -r build\n  │ $ rm -r build");
    expect(screen.terminal.text).toContain("commands are asked for in normal mode\n  deletes files");
    screen.pass(1_000);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toHaveLength(1);
    expect(screen.controller.decisions).toEqual([{ decision: "allow", digest: "d1" }]);
  });

  test("a reason that names a concern is told once", async () => {
    const concern = "`.git/config` can make git run programs";
    const request = { ...ask, why: concern, preview: { ...ask.preview, concerns: [concern, "it is long"] } };
    const screen = await openScreen(() => [turn, propose, { ask: request }, done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect
      .poll(screen.text, POLL)
      .toContain(`Allow shell?\n  ${concern}\n  it is long\n  y allow once`);
  });

  test.each([["n"], [KEY.escape]])("%j denies", async (key) => {
    const screen = await openQuestion();
    screen.pass(1_000);
    screen.terminal.press(key);
    await expect.poll(screen.text, POLL).toContain("denied by user");
    expect(screen.controller.decisions).toEqual([{ decision: "deny" }]);
  });

  test("d denies with a note", async () => {
    const screen = await openQuestion();
    screen.pass(1_000);
    screen.terminal.press("d");
    screen.terminal.type("only build/tmp, yes");
    await expect.poll(screen.text, POLL).toContain("only build/tmp, yes");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("denied by user: only build/tmp, yes");
    expect(screen.controller.decisions).toEqual([{ decision: "deny", note: "only build/tmp, yes" }]);
  });

  test("keys typed at once, pasted text and Enter are no answer and do not reach the input", async () => {
    const screen = await openQuestion();
    screen.terminal.type("yy");
    screen.pass(1_000);
    screen.terminal.press(KEY.enter);
    screen.terminal.press(KEY.paste("y"));
    screen.terminal.type("abc ");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(screen.controller.decisions).toEqual([]);
    screen.pass(1_000);
    screen.terminal.press("n");
    await expect.poll(screen.text, POLL).toContain("denied by user");
    await expect.poll(screen.text, POLL).toMatch(/─\n\n─/);
  });

  test("a key in the middle of a word is no answer", async () => {
    const screen = await openScreen(() => [turn, say("working"), { pauses: 100 }, propose, { ask }, done()], {
      paceMs: 1,
    });
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("working");
    screen.terminal.type("tr");
    await expect.poll(screen.text, POLL).toContain("Allow shell?");
    screen.pass(300);
    screen.terminal.press("y");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(screen.controller.decisions).toEqual([]);
    screen.pass(1_000);
    screen.terminal.press("n");
    await expect.poll(screen.text, POLL).toContain("denied by user");
    expect(screen.terminal.text).toMatch(/─\n {2}tr\n─/);
  });

  test.each([
    ["why ", 1],
    ["why ", 120],
    ["let me try", 120],
    ["let me try", 500],
    ["understand", 300],
    ["\ry", 300],
  ])("the letters of %j, typed one each %i ms, are no answer", async (text, paceMs) => {
    const screen = await openQuestion();
    screen.pass(1_000);
    for (const letter of text) {
      screen.terminal.press(letter);
      screen.pass(paceMs);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(screen.controller.decisions).toEqual([]);
    expect(screen.terminal.text).toContain("y allow once");
    screen.pass(600);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "allow", digest: "d1" }]);
  });

  test("a first key counts as soon as the question could be seen", async () => {
    const screen = await openQuestion();
    screen.pass(150);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "allow", digest: "d1" }]);
  });

  test("Ctrl-C takes the question down and interrupts", async () => {
    const screen = await openQuestion();
    screen.terminal.press(KEY.ctrlC);
    await expect.poll(screen.text, POLL).toContain("· interrupted");
    expect(screen.terminal.text).not.toContain("Allow shell?");
    expect(screen.controller.decisions).toEqual([]);
  });

  test("a long change is shown whole, wrapped and not cut", async () => {
    const wide = "x".repeat(150);
    const diff = `@@ -0,0 +1,40 @@\n${Array.from({ length: 40 }, (_, index) => `+${index} ${wide} end${index}`).join("\n")}\n`;
    const screen = await openScreen(() => [
      turn,
      propose,
      { ask: { ...ask, preview: { kind: "diff", text: diff, concerns: [] } } },
      done(),
    ]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("Allow shell?");
    const all = screen.terminal.everything.join("\n").replaceAll(/\n {2}│ /g, "");
    for (let index = 0; index < 40; index += 1) expect(all).toContain(`end${index}`);
    screen.pass(1_000);
    screen.terminal.press("Y");
    await expect.poll(screen.text, POLL).toContain("1.2 s");
    expect(screen.terminal.everything.filter((line) => /\+39\b/.test(line))).toHaveLength(1);
  });

  test("what is too long to be shown is named as missing", async () => {
    const text = `echo ${"x".repeat(70_000)}`;
    const screen = await openScreen(() => [
      turn,
      propose,
      { ask: { ...ask, preview: { kind: "command", text, concerns: [] } } },
      done(),
    ]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("… 10,005 more characters are not shown");
  });

  test("without a screen the answer is no", async () => {
    const { approver } = createScreen({ banner: [] });
    expect(await approver.ask(ask, { signal: new AbortController().signal })).toEqual({
      decision: "deny",
      unattended: true,
    });
  });
});
