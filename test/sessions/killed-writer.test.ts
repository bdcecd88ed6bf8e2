import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { findUnpaired } from "./_entries.ts";
import { bundleWriter, createPlace, startWriter } from "./_setup.ts";

it(
  "loses nothing that was acknowledged when the writer is killed at any instant",
  { timeout: 60_000 },
  async () => {
    const place = await createPlace();
    const program = await bundleWriter(place.workspace);
    let id: string | undefined;
    let before = 0;
    for (let round = 0; round < 20; round += 1) {
      const writer = startWriter(program, ["append", place.workspace, ...(id === undefined ? [] : [id])]);
      const { opened, failed } = await writer.first;
      expect(failed).toBeUndefined();
      id ??= opened;
      await sleep(Math.random() * 60);
      writer.child.kill("SIGKILL");
      await writer.ended;

      const stored = writer.reports.at(-1)?.stored ?? before;
      const text = await readFile(place.file(id ?? ""), "utf8");
      const lines = text.slice(0, text.lastIndexOf("\n")).split("\n");
      expect(() => lines.map((line) => JSON.parse(line) as unknown)).not.toThrow();
      const state = await place.state(id ?? "");
      expect(state.messages.length).toBeGreaterThanOrEqual(stored);
      expect(findUnpaired(state.messages)).toEqual([]);
      expect(state.messages.length).toBeGreaterThanOrEqual(before);
      before = state.messages.length;
    }
    expect(before).toBeGreaterThan(20);
  },
);
