import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "../_property.ts";
import { expect, test } from "vitest";
import type { ChangeRecorder } from "../../src/core/checkpoint.ts";
import { type Checkpointed, openCheckpointed, snapshot, writeAs } from "./_checkpoints.ts";

const path = fc
  .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
  .map((names) => names.join("/"));

type Change =
  | { do: "write" | "remove" | "folder" | "executable" | "plain"; at: string; text: string }
  | { do: "move" | "link" | "same"; at: string; to: string };

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    do: fc.constantFrom("write", "write", "remove", "folder", "executable", "plain"),
    at: path,
    text: fc.constantFrom("", "one", "two\n", "\0\u00FF"),
  }),
  fc.record({ do: fc.constantFrom("move", "link", "same"), at: path, to: path }),
);

function apply(root: string, what: Change): void {
  const at = join(root, what.at);
  try {
    if (what.do === "write") writeFileSync(at, what.text);
    else if (what.do === "remove") rmSync(at, { recursive: true });
    else if (what.do === "folder") mkdirSync(at, { recursive: true });
    else if (what.do === "executable") chmodSync(at, 0o755);
    else if (what.do === "plain") chmodSync(at, 0o700);
    else if (what.do === "move") renameSync(at, join(root, what.to));
    else if (what.do === "link") symlinkSync(what.to, at);
    else if (what.do === "same") linkSync(at, join(root, what.to));
  } catch {
    // Many of these cannot be done.
  }
}

interface Request {
  isTool: boolean;
  changes: readonly Change[];
}

const request: fc.Arbitrary<Request> = fc.record({
  isTool: fc.boolean(),
  changes: fc.array(change, { minLength: 1, maxLength: 8 }),
});

const { signal } = new AbortController();

/** As `write` and `mkdir` do it; other changes are no tool's. */
async function callTool(ws: Checkpointed, recorder: ChangeRecorder, what: Change): Promise<void> {
  const { workspace } = ws;
  try {
    if (what.do === "write") await writeAs(recorder, ws, { path: what.at, text: what.text });
    else if (what.do === "folder") {
      const { writes } = await workspace.previewMakeFolder(what.at);
      await recorder.before(writes, { signal });
      await workspace.makeFolder(what.at);
      await recorder.after(writes);
    }
  } catch {
    // A tool that is refused has changed nothing.
  }
}

test("whatever requests have done, undoing the newest of them gives what was there before", async () => {
  const property = fc.asyncProperty(
    fc.array(change, { maxLength: 12 }),
    fc.array(request, { minLength: 1, maxLength: 4 }),
    fc.nat(),
    async (first, requests, count) => {
      await using ws = await openCheckpointed();
      for (const each of first) apply(ws.root, each);
      const states = [snapshot(ws.root)];
      const ids: string[][] = [];
      for (const { isTool, changes } of requests) {
        const recorder = ws.store.begin();
        const { id } = recorder;
        if (isTool) for (const each of changes) await callTool(ws, recorder, each);
        else {
          await recorder.before(undefined, { signal });
          for (const each of changes) apply(ws.root, each);
          await recorder.after(undefined);
        }
        // A request that has changed nothing has no checkpoint.
        ids.push(recorder.changed ? [id] : []);
        states.push(snapshot(ws.root));
      }
      const from = count % ids.length;
      const outcome = await ws.store.undo(ids.slice(from).flat());
      expect(outcome).toMatchObject({ conflicts: [], failed: [] });
      expect(snapshot(ws.root)).toEqual(states[from]);
      if (outcome.kept === undefined) return;
      await ws.store.undo([outcome.kept]);
      expect(snapshot(ws.root)).toEqual(states.at(-1));
    },
  );
  await fc.assert(property, { numRuns: 30 });
});
