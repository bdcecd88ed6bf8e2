/**
 * `LMAGENT_HOME/run/engine-<key>.json`: where the running server of this user, this model and this package version is. It holds the
 * server's key, so the folder is 0700 and the file 0600.
 */
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { toModelId } from "../plan/model-file.ts";
import { storageFailed } from "../storage-failed.ts";

export interface RunFile {
  port: number;
  pid: number;
  apiKey: string;
  modelPath: string;
  modelId: string;
  version: string;
}

/** One server for each model and package version: an update never talks to the server it replaced. */
export function runFilePath(
  home: string,
  { modelPath, version }: { modelPath: string; version: string },
): string {
  const key = createHash("sha256").update(`${modelPath}\0${version}`).digest("hex").slice(0, 12);
  return join(home, "run", `engine-${key}.json`);
}

/** What a new server on `port` says about itself, with a new key. */
export function createRunFile(
  { modelPath, version }: { modelPath: string; version: string },
  port: number,
): RunFile {
  return {
    port,
    pid: process.pid,
    apiKey: randomBytes(24).toString("base64url"),
    modelPath,
    modelId: toModelId(modelPath),
    version,
  };
}

/** `undefined` for a missing, torn or foreign file. */
export async function readRunFile(path: string): Promise<RunFile | undefined> {
  try {
    const content = JSON.parse(await readFile(path, "utf8")) as Partial<RunFile> | null;
    return isRunFile(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

function isRunFile(content: Partial<RunFile> | null): content is RunFile {
  return (
    typeof content?.port === "number" &&
    content.port > 0 &&
    content.port < 65_536 &&
    typeof content.pid === "number" &&
    ["apiKey", "modelPath", "modelId", "version"].every(
      (key) => typeof content[key as keyof RunFile] === "string",
    )
  );
}

/** Throws `AgentError` `storage_failed`. */
export async function writeRunFile(path: string, content: RunFile): Promise<void> {
  await writeWhole(path, JSON.stringify(content));
}

/** Whole or not at all, readable for the owner alone. Throws `AgentError` `storage_failed`. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw storageFailed(path, cause);
  }
}

/** Removes the file only while it is still ours. */
export async function removeRunFile(path: string, pid: number): Promise<void> {
  if ((await readRunFile(path))?.pid === pid) await rm(path, { force: true });
}

/** Makes `run` and `logs`, for the owner alone. Throws `AgentError` `storage_failed`. */
export async function prepareHome(home: string): Promise<void> {
  for (const folder of ["run", "logs"]) {
    const path = join(home, folder);
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      // A folder that was there before may be open to others.
      await chmod(path, 0o700);
    } catch (cause) {
      throw storageFailed(path, cause);
    }
  }
}
