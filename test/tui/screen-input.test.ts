import { afterEach, describe, expect, test } from "vitest";
import { closeScreens, openScreen, POLL } from "./fixtures/open-screen.ts";
import { done, say, turn } from "./fixtures/steps.ts";
import { KEY } from "./fixtures/virtual-terminal.ts";

afterEach(closeScreens);

describe("typing and sending", () => {
  test("a prompt runs and its answer is set as markdown", async () => {
    const screen = await openScreen(() => [turn, say("It is **"), say("done**.\n\n- one\n- two"), done()]);
    screen.terminal.type("do it");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("- two");
    expect(screen.controller.submitted).toEqual(["do it"]);
    expect(screen.controller.added).toEqual(["do it"]);
    expect(screen.terminal.text).toContain("› do it\n\n  It is done.\n\n  - one\n  - two");
  });

  test("lines are joined by Alt-Enter and by a backslash at the end", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.type("one");
    screen.terminal.press(KEY.altEnter);
    screen.terminal.type("two\\");
    screen.terminal.press(KEY.enter);
    screen.terminal.type("three");
    expect(screen.controller.submitted).toEqual([]);
    screen.terminal.press(KEY.enter);
    await expect.poll(() => screen.controller.submitted, POLL).toHaveLength(1);
    expect(screen.controller.submitted).toEqual(["one\ntwo\nthree"]);
  });

  test("a paste is one text, also when it is long", async () => {
    const screen = await openScreen(() => [done()]);
    const pasted = Array.from({ length: 30 }, (_, index) => `line ${index}`).join("\n");
    screen.terminal.press(KEY.paste(pasted));
    await expect.poll(screen.text, POLL).toContain("[paste #1 +30 lines]");
    screen.terminal.press(KEY.enter);
    await expect.poll(() => screen.controller.submitted, POLL).toHaveLength(1);
    expect(screen.controller.submitted).toEqual([pasted]);
    await expect.poll(screen.text, POLL).toContain("  line 19\n  …\n");
  });

  test("what nobody would see in a paste is shown, and sent as it is shown", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.press(KEY.paste("see\u009b2J \u202ethis\u{e0041} 👩\u200d👩\r\nand\u200b that"));
    await expect.poll(screen.text, POLL).toContain("see<U+009B>2J <U+202E>this<U+E0041> ");
    for (const hidden of ["\u009b", "\u202e", "\u{e0041}", "\u200b"])
      expect(screen.terminal.written).not.toContain(hidden);
    screen.terminal.press(KEY.enter);
    await expect
      .poll(() => screen.controller.submitted, POLL)
      .toEqual(["see<U+009B>2J <U+202E>this<U+E0041> 👩\u200d👩\nand<U+200B> that"]);
  });

  test("earlier inputs come back with the arrow up", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.press(KEY.up);
    await expect.poll(screen.text, POLL).toContain("  second thing");
    screen.terminal.press(KEY.up);
    await expect.poll(screen.text, POLL).toContain("  first thing");
  });

  test.each(["quit", "exit", "q", "/quit", "/exit"])(
    "%s leaves and gives the terminal back",
    async (word) => {
      const screen = await openScreen(() => [done()]);
      screen.terminal.type(word);
      screen.terminal.press(KEY.enter);
      await screen.done;
      expect(screen.terminal.isStarted).toBe(false);
      expect(screen.terminal.isCursorShown).toBe(true);
      expect(screen.controller.submitted).toEqual([]);
      expect(screen.terminal.text).not.toContain("──");
    },
  );
});

describe("commands and completion", () => {
  test("a command shows its result", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.type("/mode auto");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("mode is auto");
    expect(screen.terminal.text).toContain("› /mode auto");
  });

  test("a slash lists the commands, tab takes one, and its arguments are completed", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.type("/m");
    await expect.poll(screen.text, POLL).toMatch(/→ \/mode +ask more or less often/);
    screen.terminal.press(KEY.tab);
    screen.terminal.type(" ma");
    await expect.poll(screen.text, POLL).toContain("→ manual");
    screen.terminal.press(KEY.tab);
    await expect.poll(screen.text, POLL).toContain("  /mode manual\n");
  });

  test("@ completes file names", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.type("look at @mo");
    await expect.poll(screen.text, POLL).toContain("→ src/model.ts");
    screen.terminal.press(KEY.tab);
    await expect.poll(screen.text, POLL).toContain("look at @src/model.ts");
  });

  test.each(["@my", '@"my fi'])("a name with spaces is completed in quotes after %s", async (typed) => {
    const screen = await openScreen(() => [done()], {
      prepare: (controller) => (controller.files = ["src/my file.ts", "src/other.ts"]),
    });
    screen.terminal.type(`look at ${typed}`);
    await expect.poll(screen.text, POLL).toContain("→ src/my file.ts");
    screen.terminal.press(KEY.tab);
    await expect.poll(screen.text, POLL).toContain('look at @"src/my file.ts"\n');
    screen.terminal.type(" now");
    await expect.poll(screen.text, POLL).toContain('look at @"src/my file.ts" now');
    expect(screen.terminal.text).not.toContain("→");
  });

  test("a list that was made for text since deleted completes nothing", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.type("/m");
    await expect.poll(screen.text, POLL).toContain("→ /mode");
    screen.terminal.press("\u0015");
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(() => screen.controller.submitted, POLL).toEqual(["go"]);
  });

  test("a file whose name cannot be shown as it is, is not put into the input", async () => {
    const screen = await openScreen(() => [done()], {
      prepare: (controller) =>
        (controller.files = ["mo\u001b[2J.ts", "mo\u202est.ts", "mo\u009b.ts", "model.ts"]),
    });
    screen.terminal.type("@mo");
    await expect.poll(screen.text, POLL).toContain("→ model.ts");
    expect(screen.terminal.text).not.toContain("st.ts");
    screen.terminal.press(KEY.tab);
    await expect.poll(screen.text, POLL).toContain("  @model.ts");
  });

  test("a file completion that fails does not disturb", async () => {
    const screen = await openScreen(() => [done()], {
      prepare: (controller) => {
        controller.completeFiles = () => Promise.reject(new Error("gone"));
      },
    });
    screen.terminal.type("look at @mo");
    screen.terminal.press(KEY.tab);
    screen.terminal.press(KEY.enter);
    await expect.poll(() => screen.controller.submitted, POLL).toHaveLength(1);
    expect(screen.controller.submitted).toEqual(["look at @mo"]);
  });

  test("an unknown command names the closest one and is not sent to the model", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.type("/hlep");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("There is no command /hlep. Did you mean /help?");
    screen.terminal.type("/zzzzzz");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("There is no command /zzzzzz. /help lists them.");
    expect(screen.controller.submitted).toEqual([]);
  });

  test("a path is no command", async () => {
    const screen = await openScreen(() => [done()]);
    screen.terminal.type("/etc/hosts is what?");
    screen.terminal.press(KEY.enter);
    await expect.poll(() => screen.controller.submitted, POLL).toHaveLength(1);
  });

  test("a command that breaks says so and the screen goes on", async () => {
    const screen = await openScreen(() => [say("fine"), done()]);
    screen.terminal.type("/fail");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("✗ it broke");
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("fine");
  });

  test("a fresh session starts on a clean screen", async () => {
    const screen = await openScreen(() => [say("the old answer"), done()]);
    screen.terminal.type("go");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("the old answer");
    screen.terminal.type("/new");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).not.toContain("the old answer");
    expect(screen.terminal.text).toContain("LMAgent");
  });

  test("what is sent while a command works waits for it, in order", async () => {
    let open = () => {};
    const disk = new Promise<void>((resolve) => (open = resolve));
    const screen = await openScreen(() => [say("fine"), done()], {
      prepare: (controller) => {
        controller.commands.push({
          name: "/resume",
          description: "go on with a session",
          run: async (_args, out) => {
            await disk;
            out.print(`resumed after ${controller.submitted.length} prompts`);
          },
        });
      },
    });
    for (const text of ["/resume 1", "first", "/zzzzzz"]) {
      screen.terminal.type(text);
      screen.terminal.press(KEY.enter);
    }
    screen.terminal.type("half typed");
    await expect.poll(screen.text, POLL).toContain("↳ next: first\n  ↳ next: /zzzzzz");
    expect(screen.controller.submitted).toEqual([]);
    open();
    await expect.poll(screen.text, POLL).toContain("fine");
    expect(screen.controller.submitted).toEqual(["first"]);
    expect(screen.terminal.text).toContain("resumed after 0 prompts");
    expect(screen.terminal.text).toContain("There is no command /zzzzzz.");
    expect(screen.terminal.text).toContain("  half typed");
    expect(screen.terminal.text).not.toContain("↳");
  });

  test("leaving while a command works starts nothing that waited", async () => {
    let open = () => {};
    const disk = new Promise<void>((resolve) => (open = resolve));
    const screen = await openScreen(() => [done()], {
      prepare: (controller) => {
        controller.commands.push({ name: "/slow", description: "take long", run: () => disk });
      },
    });
    for (const text of ["/slow", "a prompt", "quit"]) {
      screen.terminal.type(text);
      screen.terminal.press(KEY.enter);
    }
    open();
    await screen.done;
    expect(screen.controller.submitted).toEqual([]);
  });
});
