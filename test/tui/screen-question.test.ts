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
      .toContain(`Allow shell?\n  runs in the workspace\n  ${concern}\n  it is long\n  y allow once`);
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

  async function openLong(text: string) {
    const request = {
      ...ask,
      offer: { tool: "shell", prefix: ["echo"] },
      preview: { kind: "command" as const, text, concerns: [] },
    };
    const screen = await openScreen(() => [turn, propose, { ask: request }, done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("Allow shell?");
    screen.pass(1_000);
    return screen;
  }

  test("what is too long to be shown at once is allowed only after all of it was shown", async () => {
    const lines = Array.from({ length: 900 }, (_, index) => `echo line${index}.`);
    const screen = await openLong(lines.join("\n"));
    expect(screen.terminal.text).toContain("· echo line899.");
    expect(screen.terminal.text).toContain("500 lines are not shown yet: look at all of it first");
    for (const key of ["y", "a", KEY.enter, "w", KEY.enter]) {
      screen.terminal.press(key);
      screen.pass(1_000);
    }
    for (const left of ["100 lines are not shown yet: look", "y allow once"]) {
      expect(screen.terminal.text).not.toContain("y allow once");
      screen.terminal.press("s");
      await expect.poll(screen.text, POLL).toContain(left);
      screen.terminal.press("y");
      screen.pass(1_000);
    }
    const all = screen.terminal.everything.join("\n");
    for (let index = 0; index < 900; index += 1) expect(all).toContain(`echo line${index}.`);
    expect(screen.controller.decisions).toEqual([]);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "allow", digest: "d1" }]);
  });

  test("what nobody can look through can only be denied", async () => {
    const screen = await openLong("x".repeat(1_100_000));
    expect(screen.terminal.text).toContain("it is too long to be shown: it can only be denied");
    for (const key of ["y", "s", "y", "n"]) {
      screen.terminal.press(key);
      screen.pass(1_000);
    }
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "deny" }]);
  });

  describe("with an offer to remember", () => {
    const offered = { ...ask, offer: { tool: "shell", prefix: ["rm", "-r"] } };

    async function openOffer() {
      const screen = await openScreen(() => [turn, propose, { ask: offered }, done()]);
      screen.terminal.type("go");
      screen.terminal.press(KEY.enter);
      await expect.poll(screen.text, POLL).toContain("Allow shell?");
      screen.pass(1_000);
      return screen;
    }

    test.each([
      ["a", "session", "in this session?"],
      ["w", "workspace", "always in this workspace?"],
    ])("%s and enter allow and remember for the %s", async (key, remember, question) => {
      const screen = await openOffer();
      expect(screen.terminal.text).toContain("y allow once   a in this session   w always in this workspace");
      screen.terminal.press(key);
      await expect
        .poll(screen.text, POLL)
        .toContain(`Allow every shell command that begins with \`rm -r\` ${question}`);
      expect(screen.controller.decisions).toEqual([]);
      screen.pass(200);
      screen.terminal.press(KEY.enter);
      await expect
        .poll(() => screen.controller.decisions, POLL)
        .toEqual([{ decision: "allow", digest: "d1", remember }]);
    });

    test("y still allows this once", async () => {
      const screen = await openOffer();
      screen.terminal.press("y");
      await expect
        .poll(() => screen.controller.decisions, POLL)
        .toEqual([{ decision: "allow", digest: "d1" }]);
    });

    test.each([
      ["why not", 1],
      ["what", 300],
      ["a\r", 10],
      ["w\r", 10],
      ["wait, y", 500],
      ["aaaa\r", 100],
    ])("the keys of %j, one each %i ms, are no answer", async (text, paceMs) => {
      const screen = await openOffer();
      for (const letter of text) {
        screen.terminal.press(letter);
        screen.pass(paceMs);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(screen.controller.decisions).toEqual([]);
      screen.pass(600);
      screen.terminal.press("n");
      await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "deny" }]);
    });

    test("escape goes back to the question", async () => {
      const screen = await openOffer();
      screen.terminal.press("w");
      screen.pass(200);
      screen.terminal.press(KEY.escape);
      await expect.poll(screen.text, POLL).toContain("y allow once");
      expect(screen.controller.decisions).toEqual([]);
    });

    test("nothing is offered that was not asked about", async () => {
      const screen = await openQuestion();
      screen.pass(1_000);
      screen.terminal.press("w");
      screen.pass(200);
      screen.terminal.press(KEY.enter);
      screen.terminal.press("a");
      screen.pass(200);
      screen.terminal.press(KEY.enter);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(screen.controller.decisions).toEqual([]);
    });
  });

  test("shows where the command runs and what it writes", async () => {
    const place = { backend: "docker", isolated: true, network: "none" } as const;
    const request = { ...ask, preview: { ...ask.preview, place, writes: ["a\u202eb.txt"] } };
    const screen = await openScreen(() => [turn, propose, { ask: request }, done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect
      .poll(screen.text, POLL)
      .toContain("Allow shell?\n  runs in the workspace · docker · no network\n  writes a<U+202E>b.txt\n");
  });

  test("what a hostile command holds is shown and does nothing", async () => {
    const text = `ls \u001b]52;c;cm0=\u0007\u202e\u200b\u00a0${" ".repeat(200)}\r\n  Allow read?\n  y allow once\n`;
    const hostile = {
      ...ask,
      tool: `shell${text}`,
      why: text,
      preview: { ...ask.preview, text, concerns: [text] },
    };
    const screen = await openScreen(() => [turn, { ask: hostile }, done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("n deny");
    const everything = screen.terminal.everything.join("\n");
    expect(everything).toContain("$ ls ␛]52;c;cm0=␇<U+202E><U+200B><U+00A0>");
    expect(everything).toContain("␍");
    for (const hidden of ["\u001b]52", "\u202e", "\u200b", "\u00a0"])
      expect(screen.terminal.written).not.toContain(hidden);
    expect(everything.match(/^ {2}y allow once/gm)).toHaveLength(1);
    expect(everything.match(/^ {2}Allow /gm)).toHaveLength(1);
  });

  test("without a screen the answer is no", async () => {
    const { approver } = createScreen({ banner: [] });
    expect(await approver.ask(ask, { signal: new AbortController().signal })).toEqual({
      decision: "deny",
      unattended: true,
    });
  });
});
