/** One model behind our own HTTP server, as the bench starts it: settings are JSON in the first argument, answers go over IPC. */
import { createFixedCatalog, toFileEntry } from "../src/engine/catalog/catalog.ts";
import { createForkedEngine } from "../src/engine/engine.ts";
import type { Engine } from "../src/engine/engine.ts";
import { createModelManager } from "../src/engine/manager/model-manager.ts";
import type { LoadOptions } from "../src/engine/protocol.ts";
import { createApp } from "../src/server/app.ts";
import { listen } from "../src/server/http/http-listener.ts";

export interface OwnServerSettings {
  modelPath: string;
  engineChild: string;
  load: Partial<LoadOptions>;
}

export type OwnServerReport =
  | { type: "listening"; port: number; model: string }
  /** Both in ms: the whole, and what llama.cpp itself took for the file and its memory. */
  | { type: "loaded"; enginePid: number; totalMs: number; loadMs: number };

const { modelPath, engineChild, load } = JSON.parse(process.argv[2] ?? "{}") as OwnServerSettings;
const entry = await toFileEntry(modelPath);
let started: Engine | undefined;
const models = createModelManager({
  catalog: createFixedCatalog([entry]),
  createEngine: (plan) =>
    (started = createForkedEngine({ childEntry: engineChild, load: { ...plan, ...load }, log: () => {} })),
  log: () => {},
});
const services = {
  models,
  version: "bench",
  now: () => new Date(),
  log: () => {},
  settings: { jit: true, reasoningField: "content" as const },
};
const { port } = await listen(createApp({ services }), { host: "127.0.0.1", port: 0 });
process.send?.({ type: "listening", port, model: entry.key } satisfies OwnServerReport);

// Loads when it is told to, so that the process can be looked at before.
process.once("message", () => {
  const startedAt = performance.now();
  void (async () => {
    await models.load(entry.key, { ttlMs: null }, { signal: new AbortController().signal });
    const { loadMs } = await (started as Engine).facts();
    process.send?.({
      type: "loaded",
      enginePid: started?.pid ?? 0,
      totalMs: performance.now() - startedAt,
      loadMs: loadMs.model + loadMs.context,
    } satisfies OwnServerReport);
  })();
});
process.on("disconnect", () => process.exit(0));
