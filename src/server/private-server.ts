/** The server of one agent or a few: one model, on a private loopback port, for as long as somebody holds a lease. */
import { createFixedCatalog, toFileEntry } from "../engine/catalog/catalog.ts";
import type { ServerSettings } from "../engine/acquire/acquire.ts";
import { createForkedEngine } from "../engine/engine.ts";
import { createModelManager } from "../engine/manager/model-manager.ts";
import type { ModelManager } from "../engine/manager/model-manager.ts";
import { createRunFile, removeRunFile, runFilePath, writeRunFile } from "../engine/acquire/run-file.ts";
import type { RunFile } from "../engine/acquire/run-file.ts";
import { createApp } from "./app.ts";
import { createSingleKey } from "./http/guard.ts";
import { listen } from "./http/http-listener.ts";
import { createLeases } from "./leases.ts";
import type { Services } from "./services.ts";

/** Whoever started us takes its lease at once; this is for one that died in between. */
const START_GRACE_MS = 10_000;

/** Runs until nobody holds a lease, and then ends the process. Throws `AgentError` `engine_failed` or `storage_failed`. */
export async function startPrivateServer(
  settings: ServerSettings,
  log: (line: string) => void,
): Promise<RunFile> {
  const { modelPath, version, graceMs } = settings;
  const models = await loadOnly(settings, log);
  const path = runFilePath(settings.home, settings);

  // The run file goes first, so that nobody finds a server that is about to end.
  const stop = async (why: string): Promise<void> => {
    leases.close();
    log(`server ${process.pid}: stops, ${why}`);
    await removeRunFile(path, process.pid).catch(() => undefined);
    await models[Symbol.asyncDispose]();
    process.exit(0);
  };
  const onIdle = (): void => void stop("nobody uses it any more");
  const leases = createLeases({ graceMs, startGraceMs: START_GRACE_MS, onIdle });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.once(signal, () => void stop(signal));

  const services: Services = {
    models,
    version,
    now: () => new Date(),
    log,
    settings: { jit: true, reasoningField: "content" },
  };
  let run: RunFile | undefined;
  const keys = { accepts: (key: string) => run !== undefined && createSingleKey(run.apiKey).accepts(key) };
  const { port } = await listen(createApp({ services, keys, leases }), { host: "127.0.0.1", port: 0 });
  run = createRunFile(settings, port);
  await writeRunFile(path, run);
  log(`server ${process.pid}: ${modelPath} on port ${run.port}`);
  return run;
}

/** One model, which begins to load at once. */
async function loadOnly(
  { modelPath, engineChild, threads }: ServerSettings,
  log: (line: string) => void,
): Promise<ModelManager> {
  const entry = await toFileEntry(modelPath);
  const models = createModelManager({
    catalog: createFixedCatalog([entry]),
    createEngine: (load) =>
      createForkedEngine({
        childEntry: engineChild,
        load: { ...load, threads: threads ?? load.threads },
        log,
      }),
    log,
  });
  void models
    .load(entry.key, { ttlMs: null }, { signal: new AbortController().signal })
    .catch(() => undefined);
  return models;
}
