/** The server's routes in this process, over real engine children: the practice model, and one that thinks before it answers. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { createFixedCatalog, toFileEntry } from "../../src/engine/catalog.ts";
import { createForkedEngine } from "../../src/engine/engine.ts";
import { createModelManager } from "../../src/engine/model-manager.ts";
import type { ModelManager } from "../../src/engine/model-manager.ts";
import { createApp } from "../../src/server/app.ts";
import type { LoadOptions } from "../../src/engine/protocol.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { bundleEntries, PRACTICE_MODEL } from "../engine/_bundle.ts";
import { ask, waitFor } from "./_agent.ts";
import type { Answer } from "./_agent.ts";

export const KEY = "sk-dialects";
export const THOUGHT = "Let me see";
export const ANSWER = "The answer is 4.";

export interface Dialects extends AsyncDisposable {
  /** Without a slash at the end. */
  url: string;
  models: ModelManager;
  /** `body` as it is when it is a string, else as JSON. */
  post(path: string, body: unknown, options?: PostOptions): Promise<Answer>;
  /** True when no slot of any model works any more. */
  rests(): Promise<boolean>;
}

export interface PostOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  onText?: (text: string) => void;
}

/** Models `practice` and `thinker`; `load` is put over the plan of each. */
export async function startDialects(name: string, load: Partial<LoadOptions> = {}): Promise<Dialects> {
  const { engineChild } = await bundleEntries(name);
  const folder = await mkdtemp(join(tmpdir(), "lmagent-dialects-"));
  const thinker = join(folder, "thinker.gguf");
  await writeTinyModel(thinker, {
    script: ["<think>", "Let", " me", " see", "</think>", "The", " answer", " is", " 4", "."],
  });
  const models = createModelManager({
    catalog: createFixedCatalog([
      { ...(await toFileEntry(PRACTICE_MODEL)), key: "practice" },
      await toFileEntry(thinker),
    ]),
    createEngine: (plan) =>
      createForkedEngine({ childEntry: engineChild, load: { ...plan, ...load, threads: 1 }, log: () => {} }),
    log: () => {},
  });
  const services = {
    models,
    version: "1.2.3",
    now: () => new Date(),
    log: () => {},
    settings: { jit: true, reasoningField: "content" as const },
  };
  const app = createApp({ services, apiKey: KEY });
  const serve = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    models,
    post: (path, body, { headers, ...options } = {}) =>
      ask(url + path, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${KEY}`, ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...options,
      }),
    rests: () =>
      waitFor(async () => {
        const slots = await Promise.all(models.loaded().map(({ engine }) => engine.slots()));
        return slots.flat().every(({ busy }) => !busy);
      }, 5_000),
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await models[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
