import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { callReply, startScriptedServer, textReply, type ScriptedReply } from "../../src/testing/index.ts";
import { chatBody, createPlace, lastEvent, runAgent, type AgentRun, type Place } from "./_agent.ts";
import { openTestAgent } from "./_in-process.ts";

const call = (name: string, args: Record<string, unknown>): ScriptedReply =>
  callReply([{ name, arguments: args }]);

/** Two requests: one makes files by a tool and by a command, the other changes one of them. */
const REPLIES: readonly ScriptedReply[] = [
  call("write", { path: "written.txt", content: "first\n" }),
  call("shell", { command: "mkdir -p deep && echo made > deep/made.txt && rm old.txt" }),
  textReply("Made."),
  call("edit", { path: "written.txt", old: "first", new: "second" }),
  textReply("Changed."),
];

const read = (place: Place, path: string): string => readFileSync(join(place.workspace, path), "utf8");
const start = (place: Place, url: string, ...args: string[]): Promise<AgentRun> =>
  runAgent(["--permission", "auto", "--json", ...args], { place, url });

async function work(place: Place, url: string): Promise<void> {
  writeFileSync(join(place.workspace, "old.txt"), "the user's own\n");
  expect(lastEvent(await start(place, url, "Make the files.")).text).toBe("Made.");
  expect(lastEvent(await start(place, url, "--continue", "Change one.")).text).toBe("Changed.");
}

describe("undo", () => {
  it("takes files and conversation back together, over processes, commands included", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      ...REPLIES,
      textReply("What now?"),
      textReply("And now?"),
    ]);
    await work(place, server.url);
    {
      await using agent = await openTestAgent(place, { url: server.url });
      await agent.resume((await agent.sessions.list())[0]?.id ?? "");
      expect(await agent.undo(1)).toMatchObject({ restored: ["written.txt"], conflicts: [], failed: [] });
      expect(read(place, "written.txt")).toBe("first\n");
      expect(read(place, "deep/made.txt")).toBe("made\n");
    }
    await start(place, server.url, "--continue", "Go on.");
    const { messages } = chatBody(server, 5);
    expect(JSON.stringify(messages)).toContain("Make the files.");
    expect(JSON.stringify(messages)).not.toContain("Change one.");
    {
      await using agent = await openTestAgent(place, { url: server.url });
      await agent.resume((await agent.sessions.list())[0]?.id ?? "");
      const { restored } = await agent.undo(2);
      expect(restored.toSorted()).toEqual(["deep", "deep/made.txt", "old.txt", "written.txt"]);
    }
    expect(existsSync(join(place.workspace, "written.txt"))).toBe(false);
    expect(existsSync(join(place.workspace, "deep"))).toBe(false);
    expect(read(place, "old.txt")).toBe("the user's own\n");
    await start(place, server.url, "--continue", "From the start.");
    expect(chatBody(server, 6).messages.map(({ role }) => role)).toEqual(["system", "user"]);
  });

  it("leaves what the user has changed since, and says so", async () => {
    using place = createPlace();
    await using server = await startScriptedServer(REPLIES);
    await work(place, server.url);
    writeFileSync(join(place.workspace, "written.txt"), "second, and the user's words\n");
    await using agent = await openTestAgent(place, { url: server.url });
    await agent.resume((await agent.sessions.list())[0]?.id ?? "");
    expect(await agent.undo(2)).toMatchObject({ requests: [], restored: [], conflicts: ["written.txt"] });
    expect(read(place, "deep/made.txt")).toBe("made\n");
    expect(agent.requests).toHaveLength(2);
    const skipped = await agent.undo(2, { conflicts: "skip" });
    expect(skipped.requests).toHaveLength(2);
    expect(read(place, "written.txt")).toBe("second, and the user's words\n");
    expect(existsSync(join(place.workspace, "deep/made.txt"))).toBe(false);
  });

  it("is preceded by a look at what would go: `sessions diff`", async () => {
    using place = createPlace();
    await using server = await startScriptedServer(REPLIES);
    await work(place, server.url);
    await using agent = await openTestAgent(place, { url: server.url });
    const id = (await agent.sessions.list())[0]?.id ?? "";
    const { stdout, code } = await runAgent(["sessions", "diff", id], { place });
    expect(code).toBe(0);
    expect(stdout).toMatch(/deep\/made\.txt[^]*\+ ?made/);
    expect(stdout).toMatch(/old\.txt[^]*- ?the user's own/);
    expect(stdout).toMatch(/written\.txt[^]*\+ ?second/);
    expect(stdout).not.toContain("first");
  });

  it("shows what is still kept of a long session, and says that there was more", async () => {
    using place = createPlace();
    await using server = await startScriptedServer(REPLIES);
    await work(place, server.url);
    await using agent = await openTestAgent(place, { url: server.url });
    const id = (await agent.sessions.list())[0]?.id ?? "";
    const oldest = (await agent.sessions.read(id)).requests[0]?.checkpoint;
    rmSync(join(place.workspace, ".lmagent", "checkpoints", `${oldest}.jsonl`));
    const { stdout, stderr, code } = await runAgent(["sessions", "diff", id], { place });
    expect(code).toBe(0);
    expect(stdout).toMatch(/written\.txt[^]*- ?first[^]*\+ ?second/);
    expect(stdout).not.toContain("made");
    expect(stderr).toContain("What 1 of its requests have changed is not kept any more.");
  });
});
