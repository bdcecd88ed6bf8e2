/** Which model a container runs, and how. */
import { realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { engineFailed } from "../engine-failure.ts";
import type { LoadOptions } from "../protocol.ts";

/** A model whose container has a place of its own, when the caller asks by name only. */
export interface KnownModel {
  /** Below the folder of the models. */
  path: string;
  /** Taken when it is free. */
  port: number;
  /** In the container's name. */
  label: string;
}

/** The names, files and ports that people's scripts for this setup rely on. */
export const KNOWN_MODELS: Readonly<Record<string, KnownModel>> = {
  llama: { path: "llama3.2/Llama-3.2-3B-Instruct-Q4_K_M.gguf", port: 8080, label: "llama" },
  "phi-3": { path: "phi3-mini/Phi-3-mini-4k-instruct-q4.gguf", port: 8081, label: "phi3" },
  gemma: { path: "gemma2b/gemma-3n-E2B-it-Q4_K_M.gguf", port: 8082, label: "gemma" },
};

/** How much of the machine a container gets. */
export interface ContainerProfile {
  /** Absent: as many as the server thinks best. */
  gpuLayers?: number;
  contextTokens: number;
  batchTokens: number;
  slots: number;
  threads?: number;
  /** Absent: no limit. */
  memoryBytes?: number;
  shmBytes?: number;
  /** For prompts that are not in a slot any more. */
  promptCacheMib: number;
}

const GIB = 2 ** 30;

/** Leaves most of an 8 GB machine to others: `--n-gpu-layers 8 --ctx-size 512 --batch-size 128`, 2 GB of memory. */
export const CONSERVATIVE_PROFILE: ContainerProfile = {
  gpuLayers: 8,
  contextTokens: 512,
  batchTokens: 128,
  slots: 1,
  memoryBytes: 2 * GIB,
  shmBytes: 2 * GIB,
  promptCacheMib: 0,
};

export interface ContainerModel {
  /** In the container's name, `<prefix>-<name>-server`; letters, digits, `.`, `_` and `-`. */
  name: string;
  /** Of the file on this machine. */
  path: string;
  /** This port and no other. */
  port?: number;
  /** Taken when it is free. */
  usualPort?: number;
  profile?: Partial<ContainerProfile>;
  /** How the model is to be loaded; the profile goes over it. */
  load?: LoadOptions;
}

/** A file that the server needs: a part of the model, its projector, a draft model. */
export interface ModelFile {
  path: string;
  /** Without links: caches keep their files elsewhere, and a link would lead nowhere inside. */
  real: string;
  /** It lies below the models' folder, and not only a link to it. */
  isInFolder: boolean;
}

export interface ResolvedModel extends ContainerModel {
  files: readonly ModelFile[];
  load: LoadOptions;
  profile: ContainerProfile;
}

/** By one of the known names, or by the path of a file, also below `modelsFolder`. Throws `engine_failed` when there is none. */
export async function resolveModel(
  asked: string | ContainerModel,
  { modelsFolder }: { modelsFolder: string },
): Promise<ResolvedModel> {
  const model = typeof asked === "string" ? toModel(asked, modelsFolder) : asked;
  if (!/^[\w][\w.-]{0,100}$/.test(model.name))
    throw engineFailed("invalid_request", `\`${model.name}\` cannot be part of a container's name.`);
  const file = await stat(model.path).catch(() => undefined);
  if (!file?.isFile())
    throw engineFailed("model_not_found", `There is no model file \`${model.path}\`.`, { model: model.name });
  const profile = { ...toProfile(model.load), ...model.profile };
  const load = applyProfile(model, profile);
  return { ...model, profile, load, files: await findFiles(load, modelsFolder) };
}

/** As llama.cpp names the parts of a model (`llama_split_path`). */
const SPLIT = /-(\d{5})-of-(\d{5})\.gguf$/;

async function findFiles(
  { modelPath, projectorPath, speculation }: LoadOptions,
  modelsFolder: string,
): Promise<ModelFile[]> {
  const draft = speculation?.type === "draft" ? speculation.modelPath : undefined;
  const paths = [modelPath, projectorPath, draft].flatMap((path) =>
    path === undefined ? [] : toParts(path),
  );
  const folder = await realpath(modelsFolder).catch(() => modelsFolder);
  return Promise.all(
    paths.map(async (path) => {
      const real = await realpath(path).catch(() => path);
      return { path, real, isInFolder: isBelow(path, modelsFolder) && isBelow(real, folder) };
    }),
  );
}

function toParts(path: string): string[] {
  const [end, , count] = SPLIT.exec(path) ?? [];
  if (end === undefined || count === undefined) return [path];
  const start = join(dirname(path), basename(path).slice(0, -end.length));
  return Array.from(
    { length: Math.min(Number(count), MOST_PARTS) },
    (_, at) => `${start}-${String(at + 1).padStart(5, "0")}-of-${count}.gguf`,
  );
}

function toModel(name: string, modelsFolder: string): ContainerModel {
  const known = Object.hasOwn(KNOWN_MODELS, name) ? KNOWN_MODELS[name] : undefined;
  if (known !== undefined)
    return { name: known.label, path: toPath(name, modelsFolder), usualPort: known.port };
  if (!name.endsWith(".gguf")) {
    const names = Object.keys(KNOWN_MODELS).join("`, `");
    throw engineFailed(
      "model_not_found",
      `There is no model \`${name}\`. Give one of \`${names}\`, or the path of a .gguf file.`,
      { model: name },
    );
  }
  return { name: toLabel(name), path: toPath(name, modelsFolder) };
}

/** What the container of a model is called, whether it is there or not. */
export function toModelName(asked: string | ContainerModel): string {
  if (typeof asked !== "string") return asked.name;
  return (Object.hasOwn(KNOWN_MODELS, asked) ? KNOWN_MODELS[asked]?.label : undefined) ?? toLabel(asked);
}

/** What is equal for one model only. */
export function toModelKey(asked: string | ContainerModel, modelsFolder: string): string {
  const path = typeof asked === "string" ? toPath(asked, modelsFolder) : resolve(asked.path);
  return `${toModelName(asked)} ${path}`;
}

function toPath(name: string, modelsFolder: string): string {
  const known = Object.hasOwn(KNOWN_MODELS, name) ? KNOWN_MODELS[name] : undefined;
  return resolve(modelsFolder, known?.path ?? name);
}

/** The name of a file as a part of a container's name. */
export function toLabel(path: string): string {
  const label = basename(path)
    .replace(/\.gguf$/i, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, "-")
    .replaceAll(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
  return label.slice(0, 60) || "model";
}

/** Without a plan the conservative profile; with one what it says, and no limit of memory that a guess could get wrong. */
export function toProfile(load: LoadOptions | undefined): ContainerProfile {
  if (load === undefined) return CONSERVATIVE_PROFILE;
  const layers = load.gpu === false ? 0 : load.gpuLayers;
  return {
    ...(layers === undefined ? {} : { gpuLayers: layers }),
    contextTokens: load.contextTokens,
    batchTokens: load.sliceTokens,
    slots: load.slots,
    threads: load.threads,
    promptCacheMib: 512,
  };
}

const DEFAULT_THREADS = 4;
const MOST_PARTS = 1_000;

function applyProfile({ load, path }: ContainerModel, profile: ContainerProfile): LoadOptions {
  const { gpuLayers, contextTokens, batchTokens, slots, threads } = profile;
  return {
    shrinkToFit: false,
    gpu: "auto",
    ...load,
    modelPath: path,
    contextTokens,
    slots,
    threads: threads ?? load?.threads ?? DEFAULT_THREADS,
    sliceTokens: batchTokens,
    ...(gpuLayers === undefined ? {} : { gpuLayers }),
  };
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== "" && !way.startsWith("..") && !isAbsolute(way);
}
