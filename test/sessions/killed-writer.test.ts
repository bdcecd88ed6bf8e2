import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { findUnpaired, write } from "./_entries.ts";
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

it("takes back all of a request or nothing of it when the writer is killed at any instant", async () => {
  const place = await createPlace();
  const program = await bundleWriter(place.workspace);
  const id = await write(await place.store.create());
  let before = 0;
  for (let round = 0; round < 8; round += 1) {
    const writer = startWriter(program, ["undo", place.workspace, id]);
    expect((await writer.first).failed).toBeUndefined();
    await sleep(Math.random() * 60);
    writer.child.kill("SIGKILL");
    await writer.ended;
    const stored = writer.reports.at(-1)?.stored ?? before;
    const session = await place.store.open(id);
    const words = session.state.requests.map(({ text }) => text.split(" ")[0]);
    // Killed between the request that is taken back and the undo, it is there.
    const isOpen = words.at(-1) === "undone";
    expect(words.filter((word) => word === "undone")).toHaveLength(isOpen ? 1 : 0);
    expect(words.length - stored).toBeLessThanOrEqual(isOpen ? 2 : 1);
    expect(words.length).toBeGreaterThanOrEqual(stored);
    expect(findUnpaired(session.state.messages)).toEqual([]);
    if (isOpen) await session.undo(1);
    await session[Symbol.asyncDispose]();
    before = words.length - (isOpen ? 1 : 0);
  }
  expect(before).toBeGreaterThan(0);
});
