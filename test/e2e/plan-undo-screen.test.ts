import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import {
  callReply,
  errorReply,
  startScriptedServer,
  textReply,
  type RecordedRequest,
  type ScriptedReply,
} from "../../src/testing/index.ts";
import { chatBody, createPlace, hasProgram } from "./_agent.ts";
import { Terminal } from "./_terminal.ts";

const call = (name: string, args: Record<string, unknown>): ScriptedReply =>
  callReply([{ name, arguments: args }]);
const propose = (title: string): ScriptedReply =>
  call("plan_propose", {
    title,
    steps: [
      { description: "Write made.txt", verification: "it is there" },
      { description: "Read it back", depends_on: [1] },
    ],
  });

/** Long enough for the question to take keys: what was typed before it came up does not answer it. */
const SETTLED_MS = 400;

describe.runIf(await hasProgram("tmux"))("plan mode at the screen", () => {
  it("shows the plan, changes nothing before the yes, and then follows it step by step", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      call("write", { path: "made.txt", content: "too early" }),
      propose("Make the file"),
      call("write", { path: "made.txt", content: "made\n" }),
      call("plan_complete_step", { step_id: 1, verification_notes: "ls shows it" }),
      textReply("I am done already."),
      call("plan_complete_step", { step_id: 2 }),
      textReply("Both steps are done."),
    ]);
    using terminal = new Terminal(place, { url: server.url, args: ["--permission", "auto"] });
    await terminal.sees("LMAgent");
    terminal.type("/plan make it", "Enter");
    await terminal.sees("Follow this plan?");
    const shown = terminal.screen();
    expect(shown).toContain("Write made.txt");
    expect(shown).toContain("it is there");
    expect(existsSync(join(place.workspace, "made.txt"))).toBe(false);
    await delay(SETTLED_MS);
    terminal.type("y");
    await terminal.sees("Both steps are done.");
    expect(readFileSync(join(place.workspace, "made.txt"), "utf8")).toBe("made\n");
    // Nobody is done before the plan is.
    expect(JSON.stringify(chatBody(server, 5).messages)).toContain("Read it back");
    expect(JSON.stringify(chatBody(server, 5).messages.at(-1))).toContain("not done");
    terminal.type("quit", "Enter");
    await terminal.sees("left with 0");
  });

  it("takes a no with the reason to the model, which proposes another", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      propose("First idea"),
      propose("Second idea"),
      textReply("Then not."),
    ]);
    using terminal = new Terminal(place, { url: server.url });
    await terminal.sees("LMAgent");
    terminal.type("/plan make it", "Enter");
    await terminal.sees("First idea");
    await terminal.sees("Follow this plan?");
    await delay(SETTLED_MS);
    terminal.type("d");
    await delay(SETTLED_MS);
    terminal.type("smaller steps", "Enter");
    await terminal.sees("Second idea");
    expect(JSON.stringify(chatBody(server, 1).messages)).toContain("smaller steps");
    await terminal.sees("Follow this plan?");
    await delay(SETTLED_MS);
    terminal.type("n");
    await terminal.sees("Then not.");
    expect(existsSync(join(place.workspace, "made.txt"))).toBe(false);
  });

  it("answers another question after a no, without a plan", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      propose("First idea"),
      textReply("BLOCKED: what then?"),
      textReply("It is 4."),
    ]);
    using terminal = new Terminal(place, { url: server.url });
    await terminal.sees("LMAgent");
    terminal.type("/plan make it", "Enter");
    await terminal.sees("Follow this plan?");
    await delay(SETTLED_MS);
    terminal.type("n");
    await terminal.sees("what then?");
    terminal.type("what is 2 + 2?", "Enter");
    await terminal.sees("It is 4.");
    await delay(SETTLED_MS);
    expect(terminal.screen()).not.toMatch(/is 4\.[^]*(?:stopped|wanted to be done)/);
  });

  it("hears what the user says instead of an answer, and does not ask again by itself", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      propose("First idea"),
      textReply("It is 4."),
      call("write", { path: "made.txt", content: "made" }),
      propose("Second idea"),
      textReply("Then not."),
    ]);
    using terminal = new Terminal(place, { url: server.url, args: ["--permission", "auto"] });
    await terminal.sees("LMAgent");
    terminal.type("/plan make it", "Enter");
    await terminal.sees("Follow this plan?");
    await delay(SETTLED_MS);
    terminal.type("C-c");
    await terminal.sees("interrupted");
    terminal.type("what is 2 + 2?", "Enter");
    await terminal.sees("It is 4.");
    expect(chatBody(server, 1).messages.at(-1)?.content).toBe("what is 2 + 2?");
    terminal.type("go on then", "Enter");
    await terminal.sees("Second idea");
    await terminal.sees("Follow this plan?");
    expect(JSON.stringify(chatBody(server, 3).messages.at(-1))).toContain("plan_propose asks them");
    await delay(SETTLED_MS);
    terminal.type("n");
    await terminal.sees("Then not.");
    expect(existsSync(join(place.workspace, "made.txt"))).toBe(false);
  });
});

describe.runIf(await hasProgram("tmux"))("undo at the screen", () => {
  it("shows what would go, and takes the files and the request back", async () => {
    using place = createPlace();
    writeFileSync(join(place.workspace, "note.txt"), "before\n");
    const replies = [
      call("edit", { path: "note.txt", old: "before", new: "after" }),
      call("shell", { command: "echo new > new.txt" }),
      textReply("Changed it."),
      textReply("Hello again."),
    ];
    const requests: RecordedRequest[] = [];
    await using server = await startScriptedServer((request) => {
      // In between, the model is tested by requests of its own.
      if (!request.body.includes("You are LMAgent")) return errorReply(400, "not now");
      requests.push(request);
      return replies[requests.length - 1] ?? errorReply(400, "over");
    });
    using terminal = new Terminal(place, { url: server.url, args: ["--permission", "auto"] });
    await terminal.sees("LMAgent");
    terminal.type("change the note", "Enter");
    await terminal.sees("Changed it.");
    terminal.type("/diff", "Enter");
    await terminal.sees("new.txt");
    await terminal.sees(/\+ ?after/);
    terminal.type("/undo", "Enter");
    await expect
      .poll(() => readFileSync(join(place.workspace, "note.txt"), "utf8"), { timeout: 10_000 })
      .toBe("before\n");
    expect(existsSync(join(place.workspace, "new.txt"))).toBe(false);
    terminal.type("hello", "Enter");
    await terminal.sees("Hello again.");
    expect(requests[3]?.json).toMatchObject({
      messages: [{ role: "system" }, { role: "user", content: "hello" }],
    });
  });

  it("brings back what it has overwritten, and tries again what it could not restore", async () => {
    using place = createPlace();
    const at = (path: string): string => join(place.workspace, path);
    mkdirSync(at("deep"));
    writeFileSync(at("deep/old.txt"), "old\n");
    writeFileSync(at("note.txt"), "before\n");
    const replies = [
      call("shell", { command: "rm deep/old.txt; echo after > note.txt; touch deep/stays" }),
      textReply("Changed it."),
    ];
    let chats = 0;
    await using server = await startScriptedServer((request) =>
      request.body.includes("You are LMAgent")
        ? (replies[chats++] ?? errorReply(400, "over"))
        : errorReply(400, "no"),
    );
    using terminal = new Terminal(place, { url: server.url, args: ["--permission", "auto"] });
    await terminal.sees("LMAgent");
    terminal.type("change the note", "Enter");
    await terminal.sees("2 turns");
    rmSync(at("deep"), { recursive: true });
    writeFileSync(at("deep"), "in the way");
    terminal.type("/undo", "Enter");
    await terminal.sees("deep/old.txt could not be restored");
    const again = /try again then: (\/undo \S+)/.exec(await terminal.sees("try again then"))?.[1];
    const back = /were there: (\/undo \S+)/.exec(await terminal.sees("were there"))?.[1];
    expect(readFileSync(at("note.txt"), "utf8")).toBe("before\n");
    rmSync(at("deep"));
    terminal.type(again ?? "", "Enter");
    await terminal.sees("Restored: deep/old.txt");
    expect(readFileSync(at("deep/old.txt"), "utf8")).toBe("old\n");
    terminal.type(back ?? "", "Enter");
    // The screen has named this file before.
    await expect.poll(() => readFileSync(at("note.txt"), "utf8"), { timeout: 10_000 }).toBe("after\n");
  });
});
