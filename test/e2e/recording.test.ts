import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { AgentEvent } from "../../src/core/events.ts";
import { createReplayTransport, parseRecording } from "../../src/models/index.ts";
import { callReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent, type Place } from "./_agent.ts";
import { openTestAgent } from "./_in-process.ts";

const KEY = "sk-verysecret-0123456789abcdef";
const TASK = "Change the note.";

function createFiles({ workspace }: Place): void {
  writeFileSync(join(workspace, "note.txt"), "one\ntwo\n");
}

/** The recordings of a workspace, their text. */
function readRecordings({ workspace }: Place): string[] {
  const folder = join(workspace, ".lmagent/recordings");
  return readdirSync(folder).map((name) => {
    expect(statSync(join(folder, name)).mode & 0o077).toBe(0);
    return readFileSync(join(folder, name), "utf8");
  });
}

const messagesOf = (events: readonly AgentEvent[]): unknown[] =>
  events.flatMap((event) => (event.type === "message_added" ? [event.message] : []));

/** The same task by the same agent, with a recording in the place of the server. */
async function replay(
  place: Place,
  { recording, url }: { recording: string; url: string },
): Promise<{ events: AgentEvent[]; left: readonly string[] }> {
  const transport = createReplayTransport(parseRecording(recording));
  const events: AgentEvent[] = [];
  await using agent = await openTestAgent(place, { url, transport });
  for await (const event of agent.prompt(TASK)) events.push(event);
  return { events, left: transport.left };
}

describe("a session that was recorded", () => {
  it("plays again without the server, call by call, and holds no key", async () => {
    using place = createPlace();
    createFiles(place);
    const server = await startScriptedServer([
      callReply([{ name: "read", arguments: { path: "note.txt" } }], {
        thinking: "Look first.",
        style: "no_id",
      }),
      callReply([{ name: "edit", arguments: { path: "note.txt", old: "two", new: "three" } }], {
        style: "no_index",
      }),
      textReply("It says **three** now."),
    ]);
    const { url } = server;
    const run = await runAgent(["--record", "--permission", "auto", "--json", TASK], {
      place,
      url,
      env: { LLM_API_KEY: KEY },
    });
    await server.close();
    expect(lastEvent(run).reason).toBe("done");
    expect(server.chats[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
    const [recording = "", ...others] = readRecordings(place);
    expect(others).toEqual([]);
    expect(recording).not.toContain(KEY);
    using again = createPlace();
    createFiles(again);
    const { events, left } = await replay(again, { recording, url });
    expect(left).toEqual([]);
    expect(events.at(-1)).toMatchObject({
      type: "run_finished",
      reason: "done",
      text: "It says **three** now.",
    });
    expect(readFileSync(join(again.workspace, "note.txt"), "utf8")).toBe("one\nthree\n");
    // Ids of calls that a server left out are made up anew.
    const withoutIds = (messages: unknown[]): string =>
      JSON.stringify(messages).replaceAll(/"(?:tool_call_)?id":"[^"]*"/g, '"id":""');
    expect(withoutIds(messagesOf(events))).toBe(withoutIds(messagesOf(run.events)));
  });

  it("says where a changed agent begins to differ", async () => {
    using place = createPlace();
    createFiles(place);
    const server = await startScriptedServer([
      callReply([{ name: "read", arguments: { path: "note.txt" } }]),
      textReply("Read."),
    ]);
    const { url } = server;
    await runAgent(["--record", "--permission", "auto", "--json", TASK], { place, url });
    await server.close();
    using again = createPlace();
    writeFileSync(join(again.workspace, "note.txt"), "something else\n");
    const [recording = ""] = readRecordings(place);
    const { events, left } = await replay(again, { recording, url });
    expect(events.at(-1)).toMatchObject({
      reason: "error",
      message: expect.stringMatching(/Request 2 to `.*` differs .*it was `.*one.*` and is `.*something else/),
    });
    expect(left).toHaveLength(1);
  });
});
