import { describe, expect, it } from "vitest";
import { startWindowedServer, type WindowedAnswer, type WindowedTurn } from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent, type AgentRun, type Place } from "./_agent.ts";

const TURNS = 6;

const work = ({ body }: WindowedTurn): WindowedAnswer => {
  const done = (body.messages ?? []).filter(({ role }) => role === "tool").length;
  return done >= TURNS
    ? { text: "Done." }
    : { calls: [{ name: "glob", arguments: { pattern: `*.${done}` }, id: `c${done}` }] };
};

describe("agents on a server with several slots", () => {
  it("keep a slot each, so that none takes the other's place", async () => {
    using one = createPlace();
    using other = createPlace();
    await using server = await startWindowedServer(work, { contextTokens: 16_384, slots: 2 });
    const start = (place: Place, ...args: string[]): Promise<AgentRun> =>
      runAgent(["--permission", "auto", "--json", ...args], { place, url: server.url });
    const runs = [await start(one, "Task number 1."), await start(other, "Task number 2.")];
    expect(runs.map((run) => lastEvent(run).reason)).toEqual(["done", "done"]);
    const [first = [], second = []] = ["Task number 1.", "Task number 2."].map((task) =>
      server.counted.filter(({ prompt }) => prompt.includes(task)),
    );
    const slots = [first, second].map((requests) => [...new Set(requests.map(({ body }) => body.id_slot))]);
    expect(slots).toHaveLength(2);
    expect(slots).toEqual(expect.arrayContaining([[0], [1]]));
    for (const { cachedTokens, promptTokens } of [...first.slice(1), ...second.slice(1)])
      expect(cachedTokens).toBeGreaterThan(promptTokens - 100);
  });

  it("come back to their slots when two sessions go on in turn", async () => {
    using one = createPlace();
    using other = createPlace();
    await using server = await startWindowedServer(work, { contextTokens: 16_384, slots: 2 });
    const start = (place: Place, ...args: string[]): Promise<AgentRun> =>
      runAgent(["--permission", "auto", "--json", ...args], { place, url: server.url });
    await start(one, "Task number 1.");
    await start(other, "Task number 2.");
    const before = server.counted.length;
    await start(other, "--continue", "Go on with 2.");
    await start(one, "--continue", "Go on with 1.");
    const resumed = server.counted.slice(before);
    expect(resumed).toHaveLength(2);
    for (const { cachedTokens, promptTokens } of resumed)
      expect(cachedTokens).toBeGreaterThan(promptTokens - 100);
  });

  it("send none where there is one slot", async () => {
    using place = createPlace();
    await using server = await startWindowedServer(work, { contextTokens: 16_384 });
    await runAgent(["--permission", "auto", "--json", "Task."], { place, url: server.url });
    expect(server.counted.filter(({ body }) => body.id_slot !== undefined)).toEqual([]);
  });
});
