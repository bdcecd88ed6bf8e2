/**
 * Which model serves, first that answers: what the user named; a model server that runs on this machine; the practice model that ships
 * with the package, in our own runtime.
 */
import { join } from "node:path";
import type { Model, ModelInfo } from "../core/model.ts";
import { AgentError } from "../core/errors.ts";
import { createChatModel, discoverLocalServers, type LocalServer } from "../models/index.ts";
import { createHttpTransport } from "../models/node/index.ts";
import { packageRoot, packageVersion } from "./package-root.ts";
import type { Settings } from "./settings.ts";

export interface ChosenModel extends AsyncDisposable {
  model: Model;
}

const EMBEDDED = "embedded";
const PRACTICE_MODEL = "lmagent-practice";

export async function chooseModel(
  settings: Settings,
  { signal }: { signal?: AbortSignal } = {},
): Promise<ChosenModel> {
  const baseUrl = await findServer(settings, { signal });
  return baseUrl === undefined ? useEngine(settings, { signal }) : useServer(settings, { baseUrl });
}

/** The model that would serve: what its server tells about it, or the file that our own runtime would load. */
export type FoundModel = { info: ModelInfo } | { modelPath: string };

/** Starts nothing and loads nothing. Throws like `chooseModel`. */
export async function findModelChoice(
  settings: Settings,
  { signal }: { signal: AbortSignal },
): Promise<FoundModel> {
  const baseUrl = await findServer(settings, { signal });
  if (baseUrl === undefined) return { modelPath: await findModelFile(settings) };
  const { model } = useServer(settings, { baseUrl });
  return { info: await model.describe({ signal }) };
}

/** Base URL of the server that serves; `undefined` means our own runtime. */
async function findServer(
  { baseUrl, model }: Settings,
  { signal }: { signal: AbortSignal | undefined },
): Promise<string | undefined> {
  if (baseUrl !== undefined && baseUrl !== EMBEDDED) return baseUrl;
  if (baseUrl === EMBEDDED || isModelFile(model)) return undefined;
  const servers = await discoverLocalServers({ transport: createHttpTransport(), signal });
  const server = servers.find(({ models }) =>
    model === undefined ? models.length > 0 : models.includes(model),
  );
  if (server === undefined && model !== undefined && model !== PRACTICE_MODEL)
    throw unknownModel(model, servers);
  return server?.baseUrl;
}

function unknownModel(model: string, servers: readonly LocalServer[]): AgentError {
  const found = servers.map(
    ({ baseUrl, models }) => `${baseUrl} has ${models.slice(0, 10).join(", ") || "none"}`,
  );
  const known = found.length === 0 ? "No model server runs on this machine" : found.join("; ");
  return new AgentError(
    "model_rejected",
    `No server has the model \`${model}\`: ${known}. Name one of these, a server with \`--base-url\`, or a .gguf file.`,
    { data: { model } },
  );
}

function isModelFile(model: string | undefined): boolean {
  return model !== undefined && model.endsWith(".gguf");
}

function useServer(settings: Settings, { baseUrl }: { baseUrl: string }): ChosenModel {
  const model = createChatModel({
    baseUrl,
    ...(settings.model === undefined ? {} : { id: settings.model }),
    ...(settings.apiKey === undefined ? {} : { apiKey: settings.apiKey }),
    silenceMs: settings.silenceMs,
    transport: createHttpTransport(),
  });
  return { model, [Symbol.asyncDispose]: async () => {} };
}

async function useEngine(
  settings: Settings,
  { signal }: { signal: AbortSignal | undefined },
): Promise<ChosenModel> {
  const { acquireEngine } = await import("../engine/index.ts");
  const root = packageRoot();
  const modelPath = await findModelFile(settings);
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
    silenceMs: settings.silenceMs,
    transport: createHttpTransport(),
  });
  return { model, [Symbol.asyncDispose]: async () => engine.release() };
}

async function findModelFile({ model }: Settings): Promise<string> {
  const { findModel } = await import("../engine/index.ts");
  return findModel({
    cwd: process.cwd(),
    packageModel: join(packageRoot(), "practice-model", "practice.gguf"),
    ...(model === undefined ? {} : { name: model }),
  });
}
