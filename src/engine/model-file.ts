/** Which file to run and how much of the machine to give it. */
import { open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { LoadOptions } from "./protocol.ts";
import { chooseThreads } from "./threads.ts";

export const PRACTICE_MODEL_ID = "lmagent-practice";
const PRACTICE_FILE = "practice.gguf";
const PRACTICE_CONTEXT_TOKENS = 2048;
const DEFAULT_CONTEXT_TOKENS = 32_768;
/** Below this a GPU costs more time to set up than it saves. */
const TINY_BYTES = 50_000_000;

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

function isPracticeModel(modelPath: string): boolean {
  return basename(modelPath) === PRACTICE_FILE;
}

export interface LoadSettings {
  modelPath: string;
  /** Most threads to compute with; absent: what suits the model and the machine. */
  threads?: number;
}

/** How the file is loaded here. Throws `AgentError` `engine_failed` when the file cannot be a model. */
export async function planLoad({ modelPath, threads }: LoadSettings): Promise<LoadOptions> {
  const sizeBytes = await checkModelFile(modelPath);
  const tiny = sizeBytes < TINY_BYTES;
  return {
    modelPath,
    contextTokens: isPracticeModel(modelPath) ? PRACTICE_CONTEXT_TOKENS : DEFAULT_CONTEXT_TOKENS,
    shrinkToFit: !tiny,
    // A context belongs to one slot, so each one more costs as much memory again.
    slots: tiny ? 2 : 1,
    threads: threads ?? chooseThreads(sizeBytes),
    gpu: tiny ? false : "auto",
    sliceTokens: 256,
  };
}

/** Size in bytes. Throws `AgentError` `engine_failed` for what is no model file. The first four bytes of every GGUF file spell its name. */
export async function checkModelFile(path: string): Promise<number> {
  try {
    const { size } = await stat(path);
    if ((await readMagic(path)) === "GGUF") return size;
  } catch (cause) {
    throw new AgentError(
      "engine_failed",
      `The model file \`${path}\` cannot be read: ${errorMessage(cause)}`,
      { cause, data: { path } },
    );
  }
  const message = `\`${path}\` is no GGUF file (it does not start with \`GGUF\`). Download it again, or give another file.`;
  throw new AgentError("engine_failed", message, { data: { path } });
}

async function readMagic(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString("latin1", 0, bytesRead);
  } finally {
    await file.close();
  }
}
