/** The server process: one model, on a private loopback port, for as long as somebody holds a lease. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { ServerReport, ServerSettings } from "../engine/acquire.ts";
import { createFixedCatalog, toFileEntry } from "../engine/catalog.ts";
import { createForkedEngine } from "../engine/engine.ts";
import { createModelManager } from "../engine/model-manager.ts";
import { createRunFile, removeRunFile, runFilePath, writeRunFile } from "../engine/run-file.ts";
import { createApp } from "./app.ts";
import { createLeases } from "./leases.ts";
import type { Services } from "./services.ts";

/** Whoever started us takes its lease at once; this is for one that died in between. */
const START_GRACE_MS = 10_000;

/** Longer than most tools run, so that the next turn's request does not meet a connection that is just being closed. */
const KEEP_ALIVE_MS = 300_000;

function log(line: string): void {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`);
}

/** The starter may be gone already, and then nobody listens. */
function report(message: ServerReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
    else resolve();
  });
}

async function start(settings: ServerSettings): Promise<void> {
  const { modelPath, version, graceMs } = settings;
  const entry = await toFileEntry(modelPath);
  const models = createModelManager({
    catalog: createFixedCatalog([entry]),
    createEngine: (load) =>
      createForkedEngine({
        childEntry: settings.engineChild,
        load: { ...load, threads: settings.threads ?? load.threads },
        log,
      }),
    log,
  });
  void models
    .load(entry.key, { ttlMs: null }, { signal: new AbortController().signal })
    .catch(() => undefined);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS });
  await listen(server);
  const path = runFilePath(settings.home, settings);

  // The run file goes first, so that nobody finds a server that is about to end.
  const stop = async (why: string): Promise<void> => {
    leases.close();
    log(`server ${process.pid}: stops, ${why}`);
    await removeRunFile(path, process.pid).catch(() => undefined);
    server.close();
    await models[Symbol.asyncDispose]();
    process.exit(0);
  };
  const onIdle = (): void => void stop("nobody uses it any more");
  const leases = createLeases({ graceMs, startGraceMs: START_GRACE_MS, onIdle });
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.once(signal, () => void stop(signal));

  const run = createRunFile(settings, (server.address() as AddressInfo).port);
  const services: Services = {
    models,
    version,
    now: () => new Date(),
    log,
    settings: { jit: true, reasoningField: "content" },
  };
  const app = createApp({ services, apiKey: run.apiKey, leases });
  const serve = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  server.on("request", (incoming, outgoing) => void serve(incoming, outgoing));
  await writeRunFile(path, run);
  log(`server ${process.pid}: ${modelPath} on port ${run.port}`);
  await report({ type: "listening", run });
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
}

try {
  await start(JSON.parse(process.argv[2] ?? "{}") as ServerSettings);
} catch (thrown) {
  log(`server ${process.pid}: ${errorMessage(thrown)}`);
  const code = AgentError.is(thrown, "storage_failed") ? "storage_failed" : "engine_failed";
  await report({ type: "failed", message: errorMessage(thrown), code });
  // The engine child, if there is one already, ends when its channel closes.
  process.exit(1);
}
