/** The server process: one model, on a private loopback port, for as long as somebody holds a lease. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { AgentError, errorMessage } from "../core/index.ts";
import {
  createEngine,
  createRunFile,
  planLoad,
  removeRunFile,
  runFilePath,
  toModelId,
  writeRunFile,
} from "../engine/index.ts";
import type { Engine, ServerReport, ServerSettings } from "../engine/index.ts";
import { createApp } from "./app.ts";
import { createLeases } from "./leases.ts";
import { createServedModel } from "./served-model.ts";

/** Whoever started us takes its lease at once; this is for one that died in between. */
const START_GRACE_MS = 10_000;

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
  const load = await planLoad(settings);
  const engine = createEngine({ childEntry: settings.engineChild, load, log });
  engine.start();
  const server = createServer();
  const stop = createStop({ server, engine, settings });
  await listen(server);
  const run = createRunFile(settings, (server.address() as AddressInfo).port);
  const leases = createLeases({
    graceMs: settings.graceMs,
    startGraceMs: START_GRACE_MS,
    onIdle: () => stop("nobody uses it any more"),
  });
  const models = [createServedModel(toModelId(settings.modelPath), { engine, plan: load })];
  const app = createApp({
    models,
    apiKey: run.apiKey,
    version: settings.version,
    leases,
    now: () => new Date(),
  });
  const serve = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  server.on("request", (incoming, outgoing) => void serve(incoming, outgoing));
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => stop(signal));
  await writeRunFile(runFilePath(settings.home, settings), run);
  log(`server ${process.pid}: ${settings.modelPath} on port ${run.port}`);
  await report({ type: "listening", run });
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
}

/** The run file goes first, so that nobody finds a server that is about to end. */
function createStop({
  server,
  engine,
  settings,
}: {
  server: Server;
  engine: Engine;
  settings: ServerSettings;
}): (why: string) => void {
  let stopping = false;
  const stop = async (why: string): Promise<void> => {
    log(`server ${process.pid}: stops, ${why}`);
    await removeRunFile(runFilePath(settings.home, settings), process.pid).catch(() => undefined);
    server.close();
    await engine[Symbol.asyncDispose]();
    process.exit(0);
  };
  return (why) => {
    if (stopping) return;
    stopping = true;
    void stop(why);
  };
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
