/**
 * Which model serves, first that answers: what the user named; a model server that runs on this machine (ours when it has a model
 * loaded); our own daemon, when it has a model loaded; a downloaded model that fits, in our own runtime; the practice model that ships with the package.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Model, ModelInfo } from "../core/model.ts";
import { AgentError } from "../core/errors.ts";
// Not through the door, which would load all that probes and recordings need at every start.
import { createChatModel } from "../models/chat-model.ts";
import { isReadyToChat } from "../models/identify.ts";
import { keepSlot } from "../models/keep-slot.ts";
import type { LocalServer, Transport } from "../models/index.ts";
import { createHttpTransport } from "../models/node/index.ts";
import { packageRoot, packageVersion } from "./package-root.ts";
import type { Settings } from "./settings.ts";

export interface ChosenModel extends AsyncDisposable {
  model: Model;
}

export interface ChooseOptions {
  signal?: AbortSignal | undefined;
  /** Adds what is known of a model besides its server's word. */
  refine?: ((info: ModelInfo) => ModelInfo) | undefined;
  /** Put around the transport to the model, to record what passes. */
  record?: ((transport: Transport) => Transport) | undefined;
}

const EMBEDDED = "embedded";
const PRACTICE_MODEL = "lmagent-practice";
/** The agent itself; its sub-agents have roles and slots of their own. */
export const MAIN_ROLE = "main";

export async function chooseModel(settings: Settings, options: ChooseOptions = {}): Promise<ChosenModel> {
  const place = await findPlace(settings, { signal: options.signal });
  return "modelPath" in place
    ? useEngine(settings, { ...options, ...place })
    : useServer(settings, { ...options, ...place });
}

/** The model that would serve: what its server tells about it, or the file that our own runtime would load. */
export type FoundModel = { info: ModelInfo; isDaemon: boolean } | { modelPath: string };

/** Starts nothing and loads nothing. Throws like `chooseModel`. */
export async function findModelChoice(
  settings: Settings,
  { signal }: { signal: AbortSignal },
): Promise<FoundModel> {
  const place = await findPlace(settings, { signal });
  if ("modelPath" in place) return place;
  const { model } = useServer(settings, place);
  return { info: await model.describe({ signal }), isDaemon: place.isDaemon ?? false };
}

interface FoundServer {
  baseUrl: string;
  /** Absent: what the settings say. */
  apiKey?: string;
  /** On its private port. */
  isDaemon?: boolean;
}

/** The server that serves, or the file that our own runtime runs. */
async function findPlace(
  settings: Settings,
  { signal }: { signal: AbortSignal | undefined },
): Promise<FoundServer | { modelPath: string }> {
  const { baseUrl, model, home } = settings;
  if (baseUrl !== undefined && baseUrl !== EMBEDDED) return { baseUrl };
  if (baseUrl === EMBEDDED || isModelFile(model)) return requireFile(await findFile(settings), model);
  const { discoverLocalServers } = await import("../models/local-servers.ts");
  const servers = await discoverLocalServers({ transport: createHttpTransport(), signal });
  const server = servers.find(({ models, loaded = models }) =>
    model === undefined ? loaded.length > 0 : models.includes(model),
  );
  if (server !== undefined) return { baseUrl: server.baseUrl };
  const daemon = await findDaemonServer(home, model);
  return daemon ?? requireFile(await findFile(settings), model, servers);
}

/** Our own daemon, also where it serves nobody else: when it has the wanted model, or any that is loaded. */
async function findDaemonServer(home: string, model: string | undefined): Promise<FoundServer | undefined> {
  // Read here, so that a start without a daemon loads nothing for it.
  if (!existsSync(join(home, "run", "daemon.json"))) return undefined;
  const { findDaemon } = await import("../server/daemon/client.ts");
  const daemon = await findDaemon(home);
  if (daemon === undefined) return undefined;
  const { data } = await daemon.ask<{ data: { id: string; state?: string; type?: string }[] }>("/v1/models");
  const fits = data.some((one) => (model === undefined ? isReadyToChat(one) : one.id === model));
  if (!fits) return undefined;
  const { port, key } = daemon.run;
  return { baseUrl: `http://127.0.0.1:${port}/v1`, apiKey: key, isDaemon: true };
}

function requireFile(
  modelPath: string | undefined,
  model = "",
  servers: readonly LocalServer[] = [],
): { modelPath: string } {
  if (modelPath !== undefined) return { modelPath };
  const found = servers.map(
    ({ baseUrl, models }) => `${baseUrl} has ${models.slice(0, 10).join(", ") || "none"}`,
  );
  const known = found.length === 0 ? "no model server runs here" : found.join("; ");
  throw new AgentError(
    "model_rejected",
    `There is no model \`${model}\` on this machine: ${known}. \`lmagent models list\` shows the files that there are, \`lmagent models get owner/repo\` fetches one; or name a server with \`--base-url\`.`,
    { data: { model } },
  );
}

function isModelFile(model: string | undefined): boolean {
  return model !== undefined && model.endsWith(".gguf");
}

function useServer(
  settings: Settings,
  { baseUrl, apiKey = settings.apiKey, refine, record }: ChooseOptions & FoundServer,
): ChosenModel {
  const model = createChatModel({
    baseUrl,
    ...(refine === undefined ? {} : { refine }),
    ...(settings.model === undefined ? {} : { id: settings.model }),
    ...(apiKey === undefined ? {} : { apiKey }),
    silenceMs: settings.silenceMs,
    transport: toTransport(record),
  });
  return { model: keepSlot(model, MAIN_ROLE), [Symbol.asyncDispose]: async () => {} };
}

function toTransport(record: ChooseOptions["record"]): Transport {
  const transport = createHttpTransport();
  return record === undefined ? transport : record(transport);
}

async function useEngine(
  settings: Settings,
  { signal, refine, record, modelPath }: ChooseOptions & { modelPath: string },
): Promise<ChosenModel> {
  const { acquireEngine } = await import("../engine/acquire/acquire.ts");
  const root = packageRoot();
  const engine = await acquireEngine({
    home: settings.home,
    version: packageVersion(),
    modelPath,
    entries: {
      server: join(root, "dist", "bin", "server.js"),
      engineChild: join(root, "dist", "bin", "engine-child.js"),
    },
    env: process.env,
    ...(signal === undefined ? {} : { signal }),
  });
  const model = createChatModel({
    baseUrl: engine.baseUrl,
    apiKey: engine.apiKey,
    id: engine.modelId,
    ...(refine === undefined ? {} : { refine }),
    silenceMs: settings.silenceMs,
    transport: toTransport(record),
  });
  return { model: keepSlot(model, MAIN_ROLE), [Symbol.asyncDispose]: async () => engine.release() };
}

/** `undefined`: no file has this name. */
async function findFile(settings: Settings): Promise<string | undefined> {
  const packageModel = join(packageRoot(), "practice-model", "practice.gguf");
  const { model } = settings;
  if (model === PRACTICE_MODEL || isModelFile(model)) {
    const { findModel } = await import("../engine/plan/model-file.ts");
    return findModel({ cwd: process.cwd(), packageModel, ...(model === undefined ? {} : { name: model }) });
  }
  const { findLocalModel } = await import("./local-model.ts");
  return findLocalModel(settings, { packageModel, env: process.env });
}
