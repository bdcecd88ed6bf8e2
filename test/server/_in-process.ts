/** The server's routes in this process over real engine children, and plain HTTP to them. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { createFixedCatalog, toFileEntry } from "../../src/engine/catalog/catalog.ts";
import type { ModelEntry } from "../../src/engine/catalog/catalog.ts";
import { createForkedEngine } from "../../src/engine/engine.ts";
import { createModelManager } from "../../src/engine/manager/model-manager.ts";
import type { ModelManager } from "../../src/engine/manager/model-manager.ts";
import { createApp } from "../../src/server/app.ts";
import type { Services } from "../../src/server/services.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { ENTRIES } from "../engine/_bundle.ts";
import { ask } from "./_agent.ts";
import type { Answer } from "./_agent.ts";

export interface InProcessServer extends AsyncDisposable {
  /** Without a slash at the end. */
  url: string;
  models: ModelManager;
  get(path: string): Promise<Answer>;
  /** `body` as it is when it is a string, else as JSON. */
  post(path: string, body: unknown, options?: PostOptions): Promise<Answer>;
}

export interface PostOptions {
  signal?: AbortSignal;
  onText?: (text: string) => void;
}

export async function startInProcess(
  entries: readonly ModelEntry[],
  more: Partial<Services> = {},
): Promise<InProcessServer> {
  const models = createModelManager({
    catalog: createFixedCatalog(entries),
    createEngine: (load) =>
      createForkedEngine({ childEntry: ENTRIES.engineChild, load: { ...load, threads: 1 }, log: () => {} }),
    log: () => {},
  });
  const services: Services = {
    models,
    version: "1.2.3",
    now: () => new Date(),
    log: () => {},
    settings: { jit: true, reasoningField: "content" },
    ...more,
  };
  const serve = getRequestListener(createApp({ services }).fetch, { overrideGlobalObjects: false });
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    models,
    get: (path) => ask(url + path),
    post: (path, body, options = {}) =>
      ask(url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...options,
      }),
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await models[Symbol.asyncDispose]();
    },
  };
}

/** A model that writes to the end of its window: about a second of nonsense. */
export async function writeEndlessModel(path: string): Promise<ModelEntry> {
  await writeTinyModel(path, { contextTokens: 8192, layers: 4, width: 128, heads: 8 });
  return toFileEntry(path);
}

/** Ends an engine's process when it is called first. */
export function killOnce(pid: number | undefined): () => void {
  let left = pid;
  return () => {
    if (left !== undefined) process.kill(left, "SIGKILL");
    left = undefined;
  };
}
