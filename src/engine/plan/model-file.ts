/** Which file to run and how much of the machine to give it. */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { AgentError, errorMessage } from "../../core/errors.ts";
import type { ModelShape } from "../gguf/shape.ts";
import type { FitPlan, FitRefusal, FitRequest } from "./fit.ts";
import type { MachineFacts } from "./machine.ts";
import type { KvType, MemoryEstimate } from "./memory-estimate.ts";
import type { LoadOptions, ModelPurpose, Speculation } from "../protocol.ts";
import { chooseThreads } from "./threads.ts";

export const PRACTICE_MODEL_ID = "lmagent-practice";
const PRACTICE_FILE = "practice.gguf";
const PRACTICE_CONTEXT_TOKENS = 4096;
const DEFAULT_CONTEXT_TOKENS = 32_768;
/** Below this a GPU costs more time to set up than it saves. */
const TINY_BYTES = 50_000_000;
const SLICE_TOKENS = 256;

export interface FindModelOptions {
  /** What the user named: a path of a `.gguf` file, or the practice model's id; absent means the practice model. */
  name?: string;
  /** Path of the practice model that ships with the package. */
  packageModel: string;
  /** Where relative paths start. */
  cwd: string;
}

/** Absolute path of the model's file. Throws `AgentError` `engine_failed` when there is none. */
export async function findModel({ name, packageModel, cwd }: FindModelOptions): Promise<string> {
  if (name !== undefined && name !== PRACTICE_MODEL_ID && !name.endsWith(".gguf")) {
    const message = `There is no local model \`${name}\`. Give the path of a .gguf file, or \`${PRACTICE_MODEL_ID}\`.`;
    throw new AgentError("engine_failed", message, { data: { path: name } });
  }
  const path = name === undefined || name === PRACTICE_MODEL_ID ? packageModel : resolve(cwd, name);
  await checkModelFile(path);
  return path;
}

/** The id under which a file is served: its name without the ending. */
export function toModelId(modelPath: string): string {
  return isPracticeModel(modelPath) ? PRACTICE_MODEL_ID : basename(modelPath).replace(/\.gguf$/i, "");
}

export function isPracticeModel(modelPath: string): boolean {
  return basename(modelPath) === PRACTICE_FILE;
}

/** How it was asked to be loaded; what is absent suits the model and the machine. */
export interface LoadWishes {
  /** For each slot. */
  contextTokens?: number;
  slots?: number;
  gpuLayers?: number;
  flashAttention?: boolean;
  speculation?: Speculation;
}

export interface LoadSettings {
  modelPath: string;
  /** Most threads to compute with; absent: what suits the model and the machine. */
  threads?: number;
  config?: LoadWishes;
  purpose?: ModelPurpose;
  projectorPath?: string;
}

export interface PlanOptions {
  /** Asked for models that are worth it only. Default: `readMachine`. */
  machine?: () => Promise<MachineFacts>;
  /** The engine can keep the context in fewer bits. */
  mayQuantizeKv?: boolean;
}

export interface LoadPlan {
  options: LoadOptions;
  /** Both absent for a tiny model, whose memory is not worth looking at. */
  estimate?: MemoryEstimate;
  /** Other than `f16` only with `mayQuantizeKv`. */
  kvType?: KvType;
}

/**
 * How the file is loaded here. Throws `AgentError` `engine_failed`, with reason `load_failed` when the file cannot be a model, and
 * `insufficient_memory` when it would not fit: `data.requiredBytes`, `availableBytes` and `largestContextTokens`.
 */
export async function planLoad(settings: LoadSettings, options: PlanOptions = {}): Promise<LoadOptions> {
  return (await planModel(settings, options)).options;
}

/** The same, with what it takes. */
export async function planModel(settings: LoadSettings, options: PlanOptions = {}): Promise<LoadPlan> {
  const sizeBytes = await checkModelFile(settings.modelPath);
  const tiny = isTiny(sizeBytes) && !isSplit(settings.modelPath);
  if (tiny && isPracticeModel(settings.modelPath))
    return { options: planTiny(settings, { sizeBytes, trainedTokens: PRACTICE_CONTEXT_TOKENS }) };
  // Native code and its library would not always come back from a header that lies.
  const { readModelShape } = await import("../gguf/shape.ts");
  const shape = await readModelShape(settings.modelPath);
  requireModel(shape, settings.modelPath);
  const { maxContextTokens: trainedTokens = Number.POSITIVE_INFINITY } = shape;
  if (tiny) return { options: planTiny(settings, { sizeBytes, trainedTokens }) };
  const { readMachine } = await import("./machine.ts");
  const machine = await (options.machine ?? readMachine)();
  const { planFit } = await import("./fit.ts");
  const fit = planFit(shape, machine, toRequest(settings, options));
  if (!fit.fits) throw refusal(toModelId(settings.modelPath), fit);
  const load = toLoadOptions(settings, { sizeBytes: shape.weightBytes, fit, machine });
  return { options: load, estimate: fit.estimate, kvType: fit.kvType };
}

/** One that is loaded without a look at the machine, with two slots and without a GPU. */
export function isTiny(sizeBytes: number): boolean {
  return sizeBytes < TINY_BYTES;
}

/** No look at the machine: it would take longer than the load. */
function planTiny(
  settings: LoadSettings,
  { sizeBytes, trainedTokens }: { sizeBytes: number; trainedTokens: number },
): LoadOptions {
  const { config = {} } = settings;
  const contextTokens = Math.min(config.contextTokens ?? DEFAULT_CONTEXT_TOKENS, trainedTokens);
  return {
    ...toCommonOptions(settings, sizeBytes),
    contextTokens,
    shrinkToFit: false,
    slots: config.slots ?? 2,
    gpu: (config.gpuLayers ?? 0) > 0 ? "auto" : false,
    ...(config.gpuLayers === undefined ? {} : { gpuLayers: config.gpuLayers }),
  };
}

function toRequest({ config = {} }: LoadSettings, { mayQuantizeKv = false }: PlanOptions): FitRequest {
  const { contextTokens, slots, gpuLayers, flashAttention } = config;
  return {
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(slots === undefined ? {} : { slots }),
    ...(gpuLayers === undefined ? {} : { gpuLayers }),
    ...(flashAttention === undefined ? {} : { flashAttention }),
    batchTokens: SLICE_TOKENS,
    mayQuantizeKv,
  };
}

function toLoadOptions(
  settings: LoadSettings,
  { sizeBytes, fit, machine }: { sizeBytes: number; fit: FitPlan; machine: MachineFacts },
): LoadOptions {
  const { config = {} } = settings;
  // A GPU that no tool of its vendor told us about may be there all the same: then the library decides.
  const known = machine.gpus.length > 0 || config.gpuLayers !== undefined;
  return {
    ...toCommonOptions(settings, sizeBytes),
    contextTokens: fit.contextTokens,
    // What was asked for is there or refused; our own choice may turn out a little too large.
    shrinkToFit: config.contextTokens === undefined,
    slots: fit.slots,
    gpu: known && fit.gpuLayers === 0 ? false : "auto",
    ...(known ? { gpuLayers: fit.gpuLayers } : {}),
  };
}

function toCommonOptions(
  { modelPath, threads, config = {}, purpose, projectorPath }: LoadSettings,
  sizeBytes: number,
): Pick<LoadOptions, "modelPath" | "threads" | "sliceTokens"> & Partial<LoadOptions> {
  const { flashAttention, speculation } = config;
  return {
    modelPath,
    threads: threads ?? chooseThreads(sizeBytes),
    sliceTokens: SLICE_TOKENS,
    ...(flashAttention === undefined ? {} : { flashAttention }),
    ...(speculation === undefined ? {} : { speculation }),
    ...(purpose === undefined || purpose === "chat" ? {} : { purpose }),
    ...(projectorPath === undefined ? {} : { projectorPath }),
  };
}

function isSplit(path: string): boolean {
  return /-\d{5}-of-\d{5}\.gguf$/i.test(path);
}

function requireModel({ kind }: ModelShape, path: string): void {
  if (kind === "model") return;
  const what =
    kind === "projector"
      ? "a projector, which turns images into tokens for another model"
      : `of the kind ${kind}`;
  const message = `\`${path}\` is no model by itself but ${what}. Name the model that it belongs to.`;
  throw new AgentError("engine_failed", message, { data: { reason: "load_failed", path } });
}

function refusal(model: string, fit: FitRefusal): AgentError {
  const { pool, requiredBytes, availableBytes, largestContextTokens } = fit;
  const where = pool === "gpu" ? "GPU memory" : "memory";
  const wayOut =
    largestContextTokens > 0
      ? `With a context of ${largestContextTokens} tokens it fits.`
      : "Unload other models, close other programs, or choose a smaller quantization.";
  return new AgentError(
    "engine_failed",
    `\`${model}\` needs ${toSize(requiredBytes)} of ${where} as it is asked for, and ${toSize(availableBytes)} can be had. ${wayOut}`,
    {
      data: {
        reason: "insufficient_memory",
        model,
        pool,
        requiredBytes,
        availableBytes,
        largestContextTokens,
      },
    },
  );
}

/** In GB of 10^9 bytes, as file sizes are told. */
function toSize(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Size in bytes. Throws `AgentError` `engine_failed` for what is no model file. The first four bytes of every GGUF file spell its name. */
export async function checkModelFile(path: string): Promise<number> {
  try {
    const facts = await stat(path);
    // A pipe would wait for its other end.
    if (facts.isFile() && (await readMagic(path)) === "GGUF") return facts.size;
  } catch (cause) {
    throw new AgentError(
      "engine_failed",
      `The model file \`${path}\` cannot be read: ${errorMessage(cause)}`,
      { cause, data: { reason: "load_failed", path } },
    );
  }
  const message = `\`${path}\` is no GGUF file (it does not start with \`GGUF\`). Download it again, or give another file.`;
  throw new AgentError("engine_failed", message, { data: { reason: "load_failed", path } });
}

async function readMagic(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString("latin1", 0, bytesRead);
  } finally {
    await file.close();
  }
}
