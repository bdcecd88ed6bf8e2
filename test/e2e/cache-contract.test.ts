import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WindowedTurn, WindowedAnswer } from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent } from "./_agent.ts";
import { startForwardPass, type Reading } from "./_forward-pass.ts";

const FILES = 9;
const FILE_BYTES = 1_500;
/** Where the reply opens, and the pieces of words that its first letter joins. */
const TAIL_TOKENS = 8;
const INSTRUCTION_TOKENS = 500;

function script({ step, isSummary }: WindowedTurn): WindowedAnswer {
  if (isSummary)
    return { text: `Goal: read all files. State: ${step} of ${FILES} are read. Next: the one after.` };
  if (step > FILES) return { text: "All files were read." };
  return { calls: [{ name: "read", arguments: { path: `file-${step}.txt` }, id: `call_${step}` }] };
}

/**
 * Requests whose beginning the engine had to read again, by their number. A summary is asked for on the older part of what was sent, and
 * reads its instruction only.
 */
function findBreaks(readings: readonly Reading[]): number[] {
  return readings.flatMap(({ promptTokens, cachedTokens, isSummary }, index) => {
    const before = readings[index - 1];
    if (before === undefined) return [];
    const isBroken = isSummary
      ? promptTokens - cachedTokens > INSTRUCTION_TOKENS
      : cachedTokens < before.promptTokens - TAIL_TOKENS;
    return isBroken ? [index] : [];
  });
}

function countRead(readings: readonly Reading[], index = -1): number {
  const { promptTokens, cachedTokens } = readings[index] ?? expect.fail(`there is no request ${index}`);
  return promptTokens - cachedTokens;
}

describe("the counters of our own server, with a real model that reads every prompt", () => {
  it.each([4_096, 8_192])(
    "show that nothing is read twice but after a compaction, in a window of %d tokens",
    { timeout: 60_000 },
    async (contextTokens) => {
      using place = createPlace();
      mkdirSync(place.home, { recursive: true });
      for (let number = 1; number <= FILES; number += 1)
        writeFileSync(join(place.workspace, `file-${number}.txt`), toText(number));
      await using model = await startForwardPass(script, { folder: place.home, contextTokens });
      const run = await runAgent(["--permission", "auto", "--json", "Read all files, one after the other."], {
        place,
        url: model.url,
        env: { LLM_API_KEY: model.key },
        timeoutMs: 50_000,
      });
      expect(lastEvent(run)).toMatchObject({ reason: "done", text: "All files were read." });
      const ready = run.events.find((event) => event.type === "model_ready");
      expect(ready).toMatchObject({ model: { server: "lmagent", contextTokens } });
      const compactions = run.events.filter((event) => event.type === "context_compacted");
      expect(compactions.length).toBeGreaterThan(0);
      expect(model.refusals).toEqual([]);
      const breaks = findBreaks(model.readings);
      const told = run.events.flatMap((event) => (event.type === "prefix_broken" ? [event] : []));
      expect(breaks).toHaveLength(compactions.length);
      expect(told).toHaveLength(compactions.length);
      for (const [index, { tokens, seconds }] of told.entries()) {
        // What was read beside the newest file, which is as long as the one before it.
        const again = countRead(model.readings, breaks[index]) - countRead(model.readings, 1);
        expect(tokens).toBeGreaterThan(again / 2);
        expect(tokens).toBeLessThan(again * 2);
        expect(seconds).toBeGreaterThan(0);
      }
    },
  );
});

/** In words that the small model's vocabulary has. */
function toText(number: number): string {
  const words = [
    "the file",
    "a folder with notes",
    "green paint",
    "the list of names",
    "what to do next",
    "hello world",
  ];
  let text = `File ${number}\n`;
  for (let row = number; text.length < FILE_BYTES; row += 1)
    text += `${words[row % 6]} and ${words[(row * 5 + 1) % 6]} are in the box on the left.\n`;
  return text;
}
