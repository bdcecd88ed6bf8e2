import { describe, expect, it } from "vitest";
import { isSummaryRequest, startWindowedServer } from "../../src/testing/index.ts";
import { createPlace, hasProgram } from "./_agent.ts";
import { createParts } from "./_parts.ts";
import { Terminal } from "./_terminal.ts";

const FILES = 24;
const RULE = "One more rule: never touch part 7.";

describe.runIf(await hasProgram("tmux"))("what the user throws in during a long run", () => {
  it("is in every request afterwards, whatever is left out to save room", async () => {
    using place = createPlace();
    createParts(place, FILES);
    let step = 0;
    await using server = await startWindowedServer(
      ({ isSummary, body }) => {
        if (isSummary) return { text: "Goal: read the parts. Next: the one after." };
        // In between, the model is tested by requests of its own.
        if (!JSON.stringify(body).includes("Read all parts.")) return { text: "4" };
        step += 1;
        if (step > FILES) return { text: "All parts were read." };
        return {
          calls: [{ name: "read", arguments: { path: `parts/${step}.txt` }, id: `c${step}` }],
          waitMs: 120,
        };
      },
      { contextTokens: 8_192 },
    );
    using terminal = new Terminal(place, { url: server.url, args: ["--permission", "auto"] });
    await terminal.sees("LMAgent");
    terminal.type("Read all parts.", "Enter");
    await expect.poll(() => server.counted.length, { timeout: 10_000 }).toBeGreaterThan(2);
    terminal.type(RULE, "Enter");
    await terminal.sees("All parts were read.");
    const own = server.counted.filter(
      ({ prompt, body }) => prompt.includes("Read all parts.") && !isSummaryRequest(body),
    );
    const first = own.findIndex(({ prompt }) => prompt.includes(RULE));
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(FILES / 2);
    expect(own.slice(first).filter(({ prompt }) => !prompt.includes(RULE))).toEqual([]);
    // There was no room for all of it.
    const all = own.reduce((sum, { evaluatedTokens }) => sum + evaluatedTokens, 0);
    expect(all).toBeGreaterThan(2 * 8_192);
    expect(server.counted.filter(({ refused }) => refused)).toEqual([]);
  });
});
