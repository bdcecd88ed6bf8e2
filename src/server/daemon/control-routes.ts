/** Commands to the daemon, on its private port: what `lmagent server`, `daemon`, `load`, `unload` and `ps` speak. */
import { isAbsolute } from "node:path";
import * as z from "zod/mini";
import { engineFailed } from "../../engine/engine-failure.ts";
import type { LoadConfig } from "../../engine/manager/model-manager.ts";
import { parseBody } from "../http/body.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { addGet, addPost } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import type { ServedCatalog } from "./served-catalog.ts";
import type { PublicServer } from "./public-server.ts";
import type { DaemonStatus } from "./settings.ts";
import { reportLoad, reportModels } from "./stats.ts";

export interface ControlOptions {
  services: Services;
  catalog: ServedCatalog;
  server: PublicServer;
  status: () => DaemonStatus;
  /** Stay when the public server is stopped. */
  keep: () => void;
  /** Called after the answer is out. */
  end: (why: string) => void;
}

const httpSettings = z.object({
  port: z.int().check(z.minimum(0), z.maximum(65_535)),
  bind: z.string(),
  cors: z.union([z.boolean(), z.array(z.string())]),
  keyHashes: z.array(z.string().check(z.regex(/^[0-9a-f]{64}$/))),
  allowUnauthenticated: z.boolean(),
});

const positive = z.int().check(z.minimum(1));

const loadBody = z.object({
  model: z.string(),
  config: z.object({
    contextTokens: z.optional(positive),
    slots: z.optional(positive),
    gpuLayers: z.optional(z.int().check(z.minimum(0))),
    flashAttention: z.optional(z.boolean()),
    ttlMs: z.optional(z.nullable(z.int().check(z.minimum(0)))),
    id: z.optional(z.string()),
    speculation: z.optional(
      z.union([
        z.object({ type: z.literal("lookup"), maxTokens: z.optional(positive) }),
        z.object({ type: z.literal("draft"), model: z.string(), maxTokens: z.optional(positive) }),
      ]),
    ),
  }),
});

const unloadBody = z.object({ id: z.optional(z.string()) });

export function addControl(app: App, { services, catalog, server, status, keep, end }: ControlOptions): void {
  const { models } = services;
  addGet(app, "/control/status", async () => status());
  addGet(app, "/control/models", async () => ({
    models: await reportModels(models.loaded(), services.now()),
  }));
  addPost(app, "/control/server/start", async ({ body, outgoing }) => {
    sendJson(outgoing, 200, await server.start(parseBody(body, httpSettings)));
  });
  addPost(app, "/control/server/stop", async ({ outgoing }) => {
    const stopped = await server.stop();
    const ends = stopped && status().untilServerStops;
    sendJson(outgoing, 200, { stopped, ends });
    if (ends) end("its server was stopped");
  });
  addPost(app, "/control/keep", async ({ outgoing }) => {
    keep();
    sendJson(outgoing, 200, status());
  });
  addPost(app, "/control/down", async ({ outgoing }) => {
    sendJson(outgoing, 200, { pid: process.pid });
    end("it was told to");
  });
  addPost(app, "/control/load", async ({ body, outgoing, signal }) => {
    const { model, config } = parseBody(body, loadBody);
    if (isAbsolute(model)) catalog.allow(model);
    await checkWindow(services, model, config.contextTokens);
    const loaded = await models.load(model, await toLoadConfig(config, catalog), { signal });
    sendJson(outgoing, 200, await reportLoad(loaded, services.now()));
  });
  addPost(app, "/control/unload", async ({ body, outgoing }) => {
    const { id } = parseBody(body, unloadBody);
    const ids = id === undefined ? models.loaded().map((model) => model.id) : [id];
    const unloaded = await Promise.all(ids.map((one) => models.unload(one)));
    if (id !== undefined && unloaded[0] === false) throw notLoaded(services, id);
    sendJson(outgoing, 200, { ids });
  });
}

/** The engine would quietly load it with what it was trained for. */
async function checkWindow({ models }: Services, name: string, wanted: number | undefined): Promise<void> {
  if (wanted === undefined) return;
  const entry = await models.catalog.find(name);
  const most = entry?.maxContextTokens;
  if (entry === undefined || most === undefined || wanted <= most) return;
  const message = `A context of ${wanted} tokens is asked for, and \`${entry.key}\` was trained for ${most}. Ask for at most that.`;
  throw new ApiFailure(toApiError(400, message, { param: "context_length" }));
}

/** A draft model is named as any other; engines take its file. */
async function toLoadConfig(
  { speculation, ...config }: z.infer<typeof loadBody>["config"],
  catalog: ServedCatalog,
): Promise<LoadConfig> {
  if (speculation?.type !== "draft") return { ...config, ...(speculation && { speculation }) } as LoadConfig;
  const { model, ...rest } = speculation;
  if (isAbsolute(model)) catalog.allow(model);
  const entry = await catalog.find(model);
  if (entry === undefined) {
    const message = `There is no model \`${model}\` here to guess tokens with. \`lmagent models list\` shows those that there are.`;
    throw engineFailed("model_not_found", message, { model });
  }
  return { ...config, speculation: { ...rest, modelPath: entry.path } } as LoadConfig;
}

function notLoaded({ models }: Services, id: string): ApiFailure {
  const known = models.loaded().map((model) => `\`${model.id}\``);
  const message = `No model \`${id}\` is loaded. ${known.length === 0 ? "None is." : `Loaded: ${known.join(", ")}.`}`;
  return new ApiFailure(toApiError(404, message, { code: "model_not_found", param: "id" }));
}
