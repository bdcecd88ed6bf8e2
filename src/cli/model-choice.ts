/**
 * Which model serves, first that answers: what the user named; a model server that runs on this machine; the practice model that ships
 * with the package, in our own runtime.
 */
import { join } from "node:path";
import type { Model } from "../core/model.ts";
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
  const { baseUrl, model } = settings;
  if (baseUrl !== undefined && baseUrl !== EMBEDDED) return useServer(settings, { baseUrl });
  if (baseUrl === EMBEDDED || isModelFile(model)) return useEngine(settings, { signal });
  const transport = createHttpTransport();
  const servers = await discoverLocalServers({ transport, ...(signal === undefined ? {} : { signal }) });
  const server = servers.find(({ models }) =>
    model === undefined ? models.length > 0 : models.includes(model),
  );
  if (server !== undefined) return useServer(settings, { baseUrl: server.baseUrl });
  if (model !== undefined && model !== PRACTICE_MODEL) throw unknownModel(model, servers);
  return useEngine(settings, { signal });
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
  const { acquireEngine, findModel } = await import("../engine/index.ts");
  const root = packageRoot();
  const modelPath = await findModel({
    cwd: process.cwd(),
    packageModel: join(root, "practice-model", "practice.gguf"),
    ...(settings.model === undefined ? {} : { name: settings.model }),
  });
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
