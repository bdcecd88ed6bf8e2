import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { callReply, startScriptedServer, textReply, type ScriptedReply } from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent } from "./_agent.ts";

const write: ScriptedReply = callReply([
  { name: "write", arguments: { path: "made.txt", content: "made" }, id: "w1" },
]);
const touch: ScriptedReply = callReply([
  { name: "shell", arguments: { command: "touch made.txt" }, id: "s1" },
]);
const propose: ScriptedReply = callReply([
  {
    name: "plan_propose",
    arguments: {
      title: "Make the file",
      steps: [{ description: "Write made.txt", verification: "it is there" }, { description: "Say so" }],
    },
    id: "p1",
  },
]);

describe("plan mode where nobody can approve a plan", () => {
  it("shows the plan, changes nothing and ends as denied", async () => {
    using place = createPlace();
    writeFileSync(join(place.workspace, "notes.txt"), "the file is called made.txt\n");
    const look = callReply([{ name: "read", arguments: { path: "notes.txt" }, id: "r1" }]);
    await using server = await startScriptedServer([look, write, touch, propose, textReply("Then not.")]);
    const run = await runAgent(["--plan", "--permission", "auto", "--json", "make it"], {
      place,
      url: server.url,
    });
    expect(lastEvent(run).reason).toBe("denied");
    expect(run.code).toBe(3);
    expect(existsSync(join(place.workspace, "made.txt"))).toBe(false);
    const results = run.events.flatMap((event) =>
      event.type === "tool_finished" ? [[event.name, event.result.ok]] : [],
    );
    expect(results.slice(0, 3)).toEqual([
      ["read", true],
      ["write", false],
      ["shell", false],
    ]);
    expect(run.events).toContainEqual(
      expect.objectContaining({
        type: "plan_changed",
        plan: expect.objectContaining({ title: "Make the file", status: "proposed" }),
      }),
    );
    // The tools stay in the prompt as they are, so that it only grows.
    const tools = server.chats.map(({ json }) => JSON.stringify((json as { tools: unknown }).tools));
    expect(new Set(tools).size).toBe(1);
  });

  it("does not let the model go on by itself afterwards", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([propose, write, touch, textReply("Done.")]);
    const run = await runAgent(["--plan", "--permission", "auto", "--json", "make it"], {
      place,
      url: server.url,
    });
    expect(lastEvent(run).reason).toBe("denied");
    expect(existsSync(join(place.workspace, "made.txt"))).toBe(false);
    const again = await runAgent(["--continue", "--permission", "auto", "--json", "go on"], {
      place,
      url: server.url,
    });
    expect(again.code, "no plan was approved, so there is still nothing to follow").not.toBe(0);
    expect(existsSync(join(place.workspace, "made.txt"))).toBe(false);
  });
});
