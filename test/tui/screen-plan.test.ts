import { afterEach, describe, expect, test } from "vitest";
import type { Plan } from "../../src/core/index.ts";
import { toUndoQuestion } from "../../src/tui/undo-question.ts";
import { createScreen } from "../../src/tui/screen/index.ts";
import { closeScreens, openScreen, POLL, type OpenScreen } from "./fixtures/open-screen.ts";
import { step } from "./fixtures/plan.ts";
import { done, turn } from "./fixtures/steps.ts";
import { KEY } from "./fixtures/virtual-terminal.ts";

afterEach(closeScreens);

const settle = () => new Promise((resolve) => setTimeout(resolve, 50));

const PLAN: Plan = {
  title: "Tidy up",
  status: "proposed",
  steps: [step(1), step(2, { verification: "seen\u001b[2J", risk: "high", dependencies: [1] })],
};

async function openPlan(plan: Plan = PLAN): Promise<OpenScreen> {
  const screen = await openScreen(() => [turn, { review: plan }, done("ok")], { paceMs: 1, rows: 30 });
  screen.terminal.type("go");
  screen.terminal.press(KEY.enter);
  await expect.poll(screen.text, POLL).toContain("Follow this plan?");
  screen.pass(1_000);
  return screen;
}

describe("a plan on the screen", () => {
  test("is shown whole above the question, and y approves it", async () => {
    const screen = await openPlan();
    expect(screen.terminal.text).toContain(
      "  │ Tidy up\n  │ 1. do 1\n  │ 2. do 2\n  │    verify: seen␛[2J\n  │    risk: high · after: 1",
    );
    expect(screen.terminal.text).toContain(
      "Follow this plan? 2 steps, 1 of high risk\n  y follow it   e edit   n reject   d reject with a note to the model",
    );
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "approve" }]);
  });

  test.each([["n"], [KEY.escape]])("%j rejects it", async (key) => {
    const screen = await openPlan();
    screen.terminal.press(key);
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "reject" }]);
  });

  test("d rejects it with a note, and Esc takes the note back", async () => {
    const screen = await openPlan();
    screen.terminal.press("d");
    screen.terminal.type("x");
    screen.terminal.press(KEY.escape);
    await expect.poll(screen.text, POLL).toContain("y follow it");
    screen.terminal.press("d");
    screen.terminal.type(" smaller steps");
    screen.terminal.press(KEY.enter);
    await expect
      .poll(() => screen.controller.decisions, POLL)
      .toEqual([{ decision: "reject", feedback: "x smaller steps" }]);
  });

  test("e edits it in lines; it is shown again and approved as edited", async () => {
    const screen = await openPlan();
    screen.terminal.press("e");
    await expect.poll(screen.text, POLL).toContain("2. do 2 | verify: seen␛[2J | risk: high | after: 1");
    expect(screen.terminal.text).toContain("ctrl+s done   esc back");
    screen.terminal.press(KEY.enter);
    screen.terminal.type("then look | risk: low");
    screen.terminal.press(KEY.ctrlS);
    await expect.poll(screen.text, POLL).toContain("  │ 3. then look\n  │    risk: low");
    screen.pass(1_000);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toHaveLength(1);
    expect(screen.controller.decisions[0]).toMatchObject({
      decision: "approve",
      plan: { title: "Tidy up", steps: [{}, {}, { id: 3, description: "then look", risk: "low" }] },
    });
  });

  test("an edit that changes nothing shows nothing again", async () => {
    const screen = await openPlan();
    screen.terminal.press("e");
    screen.terminal.press(KEY.ctrlS);
    await expect.poll(screen.text, POLL).toContain("y follow it");
    expect(screen.terminal.text.match(/│ Tidy up/g)).toHaveLength(1);
    screen.pass(1_000);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "approve" }]);
  });

  test("an error names the line and keeps the text", async () => {
    const screen = await openPlan();
    screen.terminal.press("e");
    screen.terminal.press(KEY.enter);
    screen.terminal.type("next | risk: huge");
    screen.terminal.press(KEY.ctrlS);
    await expect.poll(screen.text, POLL).toContain("line 4: risk is `huge`; it can be low, medium, high");
    expect(screen.terminal.text).toContain("next | risk: huge");
    for (const _ of "huge") screen.terminal.press("\u007f");
    screen.terminal.type("high");
    screen.terminal.press(KEY.ctrlS);
    await expect.poll(screen.text, POLL).toContain("│ 3. next\n  │    risk: high");
    expect(screen.controller.decisions).toEqual([]);
  });

  test("what was edited and not finished is kept, and is no part of what is approved", async () => {
    const screen = await openPlan();
    screen.terminal.press("e");
    screen.terminal.type(" with care");
    screen.terminal.press(KEY.escape);
    await expect
      .poll(screen.text, POLL)
      .toContain("your changes are not part of it yet: e goes on with them");
    screen.pass(1_000);
    screen.terminal.press("e");
    await expect.poll(screen.text, POLL).toContain("after: 1 with care");
    screen.terminal.press(KEY.escape);
    screen.pass(1_000);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "approve" }]);
  });

  test("the letters of a word, and a key pressed together with Ctrl-S, are no answer", async () => {
    const screen = await openPlan();
    screen.terminal.type("why ");
    await settle();
    expect(screen.controller.decisions).toEqual([]);
    screen.pass(1_000);
    screen.terminal.press("e");
    screen.terminal.press(KEY.ctrlS);
    screen.terminal.press("y");
    await settle();
    expect(screen.controller.decisions).toEqual([]);
    expect(screen.terminal.text).toContain("y follow it");
  });

  test("a long one cannot be approved before its last page was shown", async () => {
    const steps = Array.from({ length: 400 }, (_, index) =>
      step(index + 1, { verification: "v ".repeat(70) }),
    );
    const screen = await openPlan({ ...PLAN, steps });
    expect(screen.terminal.text).toContain("not shown yet: look at all of it first");
    screen.terminal.press("y");
    screen.pass(1_000);
    for (let page = 0; page < 20 && screen.terminal.text.includes("not shown yet:"); page += 1) {
      screen.terminal.press("s");
      screen.pass(1_000);
      await settle();
    }
    expect(screen.controller.decisions).toEqual([]);
    screen.terminal.press("y");
    await expect.poll(() => screen.controller.decisions, POLL).toEqual([{ decision: "approve" }]);
    const everything = screen.terminal.everything.join("\n");
    expect(everything).toContain("│ 200. do 200\n");
  });

  test.each([
    ["question", ""],
    ["editor", "e"],
    ["note", "d"],
  ])("Ctrl-C in the %s interrupts the run", async (_name, key) => {
    const screen = await openPlan();
    if (key !== "") screen.terminal.press(key);
    screen.terminal.press(KEY.ctrlC);
    await expect.poll(screen.text, POLL).toContain("· interrupted");
    expect(screen.controller.decisions).toEqual([]);
    screen.terminal.type("on");
    await expect.poll(screen.text, POLL).toMatch(/─\n {2}on\n─/);
  });

  test("nobody is there while no screen is shown", async () => {
    const { planReviewer, choose } = createScreen({ banner: [] });
    const { signal } = new AbortController();
    expect(await planReviewer.review(PLAN, { signal })).toEqual({ decision: "unattended" });
    expect(await choose(toUndoQuestion({ conflicts: ["a"] }), {})).toBeUndefined();
  });
});

describe("a choice of a command on the screen", () => {
  async function openChoice(conflicts: readonly string[] = ["a.txt", "b\u001b[2J.txt"]) {
    const chosen: unknown[] = [];
    const screen = await openScreen(() => [], {
      rows: 30,
      prepare: (controller) => {
        controller.commands.push({
          name: "/undo",
          description: "take back",
          run: async (_args, out) => void chosen.push(await out.choose(toUndoQuestion({ conflicts }))),
        });
      },
    });
    screen.terminal.type("/undo");
    screen.terminal.press(KEY.enter);
    await expect.poll(screen.text, POLL).toContain("Go on?");
    screen.pass(1_000);
    return { screen, chosen };
  }

  test("shows what it is about, and takes the key of an answer", async () => {
    const { screen, chosen } = await openChoice();
    expect(screen.terminal.text).toContain("  │ a.txt\n  │ b␛[2J.txt");
    expect(screen.terminal.text).toContain(
      "2 files were changed after the agent; undoing would lose that. Go on?",
    );
    expect(toUndoQuestion({ conflicts: ["a"] }).question).toMatch(/^1 file was changed/);
    screen.terminal.press("k");
    await expect.poll(() => chosen, POLL).toEqual(["skip"]);
    screen.terminal.type("x");
    await expect.poll(screen.text, POLL).toMatch(/─\n {2}x\n─/);
  });

  test("what cannot be taken back takes a second key", async () => {
    const { screen, chosen } = await openChoice();
    screen.terminal.press("f");
    await expect.poll(screen.text, POLL).toContain("Lose what was changed in these files since?");
    screen.pass(1_000);
    screen.terminal.press("x");
    await expect.poll(screen.text, POLL).toContain("Go on?");
    screen.pass(1_000);
    screen.terminal.press("f");
    screen.terminal.press(KEY.enter);
    await settle();
    expect(chosen).toEqual([]);
    screen.pass(1_000);
    screen.terminal.press("f");
    screen.pass(1_000);
    screen.terminal.press(KEY.enter);
    await expect.poll(() => chosen, POLL).toEqual(["force"]);
  });

  test.each([
    ["Esc", KEY.escape],
    ["Ctrl-C", KEY.ctrlC],
  ])("%s changes nothing", async (_name, key) => {
    const { screen, chosen } = await openChoice();
    screen.terminal.press(key);
    await expect.poll(() => chosen, POLL).toEqual(["stop"]);
    expect(screen.terminal.isStarted).toBe(true);
  });

  test("a long list is shown whole before anything can be lost", async () => {
    const { screen, chosen } = await openChoice(Array.from({ length: 900 }, (_, index) => `f${index}.txt`));
    expect(screen.terminal.text).not.toContain("undo these too");
    for (const key of ["f", "k", "s", "s"]) {
      screen.terminal.press(key);
      screen.pass(1_000);
      await settle();
    }
    expect(chosen).toEqual([]);
    expect(screen.terminal.text).toContain("undo these too");
  });

  test("leaving the screen takes the answer that changes nothing", async () => {
    const { screen, chosen } = await openChoice();
    screen.terminal.press(KEY.ctrlC);
    screen.terminal.press(KEY.ctrlC);
    await screen.done;
    expect(chosen).toEqual(["stop"]);
  });
});
