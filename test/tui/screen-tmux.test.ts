import { afterEach, describe, expect, test } from "vitest";
import { hasTmux, openTmux, type TmuxTerminal } from "./fixtures/tmux.ts";

const available = await hasTmux();
const isRequired = process.env["CI"] === "true";
if (!available && !isRequired)
  console.log("skipped: the screen in a real terminal needs tmux (apt-get install tmux)");

const POLL = { timeout: 20_000, interval: 100 };
const DEMO = `'${process.execPath}' --import tsx test/tui/fixtures/demo-screen.ts 3`;
/** What a shell would find after the screen: line mode and echo are on again. */
const STTY = "stty -a | tr ' ' '\\n' | grep -E '^-?(icanon|echo)$' | tr '\\n' ' '; echo after";

let terminal: TmuxTerminal | undefined;

afterEach(async () => {
  await terminal?.[Symbol.asyncDispose]();
  terminal = undefined;
});

async function open(): Promise<() => Promise<string>> {
  terminal = await openTmux(`cd '${process.cwd()}'; ${DEMO}; ${STTY}`);
  await expect.poll(terminal.text, POLL).toContain("/ commands");
  return terminal.text;
}

describe.skipIf(!available && !isRequired)("the screen in a real terminal", { timeout: 60_000 }, () => {
  test("a task with a question, details and a resize, then an orderly end", async () => {
    const text = await open();
    await terminal?.type("fix the failing test");
    await terminal?.keys("Enter");
    await expect.poll(text, POLL).toContain("Allow edit?");
    expect(await text()).toContain("│ -export function sum(a, b) {");
    await new Promise((resolve) => setTimeout(resolve, 300));
    await terminal?.keys("y");
    await expect.poll(text, POLL).toContain("All 12 tests pass.");
    expect(await text()).toMatch(/✓ edit src\/sum\.ts {2}\+3 −2 · 4 ms/);
    await terminal?.resize(60, 20);
    await expect.poll(text, POLL).toMatch(/^─{60}$/m);
    await terminal?.keys("C-o");
    await expect.poll(text, POLL).toContain("The user wants the failing test fixed.");
    await terminal?.type("quit");
    await terminal?.keys("Enter");
    await expect.poll(text, POLL).toContain("icanon echo after");
    expect(await text()).toContain("left in order");
  });

  test("a plan is edited in several lines and followed", async () => {
    const text = await open();
    await terminal?.type("plan");
    await terminal?.keys("Enter");
    await expect.poll(text, POLL).toContain("reading about 6,100 new tokens");
    await expect.poll(text, POLL).toContain("Follow this plan? 2 steps");
    expect(await text()).toContain("│ 2. fix the sum\n  │    risk: low · after: 1");
    await new Promise((resolve) => setTimeout(resolve, 800));
    await terminal?.keys("e");
    await expect.poll(text, POLL).toContain("ctrl+s done");
    await terminal?.keys("Enter");
    await terminal?.type("3. run all tests | after: 9");
    await terminal?.keys("C-s");
    await expect.poll(text, POLL).toContain("line 4: it comes after step 9");
    await terminal?.keys("BSpace");
    await terminal?.type("2");
    await terminal?.keys("C-s");
    await expect.poll(text, POLL).toContain("│ 3. run all tests\n  │    after: 2");
    await new Promise((resolve) => setTimeout(resolve, 800));
    await terminal?.keys("y");
    await expect.poll(text, POLL).toContain("I follow the plan.");
  });

  test("Ctrl-C interrupts a run and a second one leaves", async () => {
    const text = await open();
    await terminal?.type("long");
    await terminal?.keys("Enter");
    await expect.poll(text, POLL).toContain("Paragraph 3");
    await terminal?.keys("C-c");
    await expect.poll(text, POLL).toContain("· interrupted");
    await terminal?.keys("C-c");
    await expect.poll(text, POLL).toContain("icanon echo after");
  });

  test("a crash gives the terminal back and its error can be read", async () => {
    const text = await open();
    await terminal?.type("/crash");
    await terminal?.keys("Enter");
    await expect.poll(text, POLL).toContain("icanon echo after");
    expect(await text()).toContain("Error: crashed on purpose");
  });
});
