import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  startScriptedServer,
  startWindowedServer,
  callReply,
  textReply,
  type ScriptedReply,
  type WindowedAnswer,
  type WindowedTurn,
} from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent } from "./_agent.ts";
import { createParts } from "./_parts.ts";

const WINDOW = 8_192;
/** Requests beyond the turns themselves: a summary, and a retry, for each of a few compactions. */
const FEW = 12;

/** Prose of so many bytes. */
function toProse(bytes: number): string {
  const line = "This is how things are done in this project, and none of it is without its reasons. ";
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}

const readNext = ({ step, isSummary }: WindowedTurn): WindowedAnswer =>
  isSummary
    ? { text: `Goal: read the parts. State: ${step} were read. Next: the one after.` }
    : { calls: [{ name: "read", arguments: { path: `parts/${step}.txt` }, id: `call_${step}` }] };

describe("a small window in which other agents compact without an end", () => {
  it("goes on through a long task and stops where the turns end", async () => {
    using place = createPlace();
    createParts(place, 60);
    await using server = await startWindowedServer(readNext, { contextTokens: WINDOW });
    const run = await runAgent(
      ["--permission", "auto", "--json", "--max-iterations", "60", "Read all parts."],
      {
        place,
        url: server.url,
      },
    );
    expect(lastEvent(run)).toMatchObject({ reason: "turn_limit", turns: 60 });
    expect(run.code).toBe(2);
    expect(server.counted.filter(({ refused }) => refused)).toEqual([]);
    expect(server.counted.length).toBeLessThanOrEqual(60 + 2 * FEW);
  });

  it("stays within its turns when project context leaves next to no room", async () => {
    using place = createPlace();
    createParts(place, 30);
    writeFileSync(join(place.workspace, "AGENTS.md"), toProse(21_000));
    await using server = await startWindowedServer(readNext, { contextTokens: WINDOW });
    const run = await runAgent(
      ["--permission", "auto", "--json", "--max-iterations", "30", `Read all parts. ${toProse(2_000)}`],
      { place, url: server.url },
    );
    expect(["overflow", "turn_limit"]).toContain(lastEvent(run).reason);
    expect(server.counted.length).toBeLessThanOrEqual(30 + 2 * FEW);
  });

  it("ends with advice when a request alone is more than fits", async () => {
    using place = createPlace();
    await using server = await startWindowedServer(readNext, { contextTokens: WINDOW });
    const run = await runAgent(["--permission", "auto", "--json", `Read all parts. ${toProse(30_000)}`], {
      place,
      url: server.url,
    });
    expect(lastEvent(run)).toMatchObject({ reason: "overflow", message: expect.stringMatching(/window/) });
    expect(run.code).toBe(1);
    expect(server.counted.length).toBeLessThanOrEqual(3);
  });

  it.each([2_048, 4_095])("refuses a window of %d tokens before anything is done", async (contextTokens) => {
    using place = createPlace();
    await using server = await startWindowedServer(readNext, { contextTokens });
    const run = await runAgent(["--permission", "auto", "--json", "Read all parts."], {
      place,
      url: server.url,
    });
    expect(lastEvent(run)).toMatchObject({ message: expect.stringMatching(/4,?096/) });
    expect(run.code).toBe(1);
    expect(server.counted).toEqual([]);
  });

  it("ends when summaries are as long as what they stand for", async () => {
    using place = createPlace();
    createParts(place, 200);
    await using server = await startWindowedServer(
      (turn) => (turn.isSummary ? { text: toProse(40_000) } : readNext(turn)),
      { contextTokens: WINDOW },
    );
    const run = await runAgent(
      ["--permission", "auto", "--json", "--max-iterations", "60", "Read all parts."],
      {
        place,
        url: server.url,
      },
    );
    expect(["overflow", "turn_limit"]).toContain(lastEvent(run).reason);
    expect(server.counted.length).toBeLessThanOrEqual(60 + 2 * FEW);
  });
});

describe("a model that never says that it is finished", () => {
  it.each<[string, (chat: number) => ScriptedReply, string, number]>([
    [
      "but only repeats its answer, is taken at its word",
      () => textReply("The file is there now. What else can I do for you?"),
      "done",
      1,
    ],
    [
      "and makes a different call each time, is stopped at the limit of turns",
      (chat) => callReply([{ name: "write", arguments: { path: "notes.txt", content: `version ${chat}` } }]),
      "turn_limit",
      40,
    ],
    [
      "and makes the same call each time, is stopped as a loop",
      () => callReply([{ name: "ls", arguments: { path: "." } }]),
      "loop",
      30,
    ],
    [
      "and alternates between two calls, is stopped as a loop",
      (chat) => callReply([{ name: "glob", arguments: { pattern: chat % 2 ? "*.md" : "*.txt" } }]),
      "loop",
      40,
    ],
    ["and only announces the next step, is stopped", () => textReply("Now I'll run the tests:"), "empty", 10],
    ["and answers nothing, is stopped", () => textReply(""), "empty", 10],
    [
      "and calls a tool that does not exist, is stopped",
      () => callReply([{ name: "attempt_completion", arguments: { result: "done" } }]),
      "error",
      12,
    ],
  ])("%s", async (_name, reply, reason, most) => {
    using place = createPlace();
    await using server = await startScriptedServer((_request, chat) => reply(chat));
    const run = await runAgent(["--permission", "auto", "--json", "--max-iterations", "40", "make a file"], {
      place,
      url: server.url,
    });
    expect(lastEvent(run).reason).toBe(reason);
    expect(server.chats.length).toBeLessThanOrEqual(most);
  });
});
