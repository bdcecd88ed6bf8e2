/** A process of its own that opens a session: `node open.mjs FOLDER ID`. Bundled and started by `sessions.ts`. */
import { performance } from "node:perf_hooks";
import { createJsonlSessionStore } from "../src/sessions/index.ts";

const [, , folder = "", id = ""] = process.argv;
const store = createJsonlSessionStore({
  folder,
  makeFolder: async () => undefined,
  workspace: "/workspace",
  now: () => Date.now(),
  newId: () => "000000",
  version: "0.0.0",
});

const startedAt = performance.now();
const session = await store.open(id);
const openMs = performance.now() - startedAt;
const undoAt = performance.now();
await session.undo(1);
const undoMs = performance.now() - undoAt;
await session[Symbol.asyncDispose]();
process.stdout.write(JSON.stringify({ openMs, undoMs, messages: session.state.messages.length }));
