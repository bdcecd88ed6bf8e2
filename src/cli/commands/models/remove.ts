import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname, relative, isAbsolute, sep } from "node:path";
import { AgentError, errnoOf, errorMessage } from "../../../core/errors.ts";
import type { ModelEntry } from "../../../engine/catalog/catalog.ts";
import { findAllByName } from "../../../engine/catalog/find.ts";
import { modelsFolder } from "../../../engine/catalog/local-catalog.ts";
import { formatBytes } from "../../../tui/format.ts";
import { toTerminalLine } from "../../../tui/terminal-text.ts";
import { askYes } from "../../ask-yes.ts";
import { onInterrupt } from "../../interrupt.ts";
import { openModels, readLoaded, requireEntry } from "./open-models.ts";
import type { LoadedInstance, Models, ReadLoaded } from "./open-models.ts";

/** Deletes a model of our own folder, unless it is loaded. Exit code 1 when the user does not want it. */
export async function removeModel(
  name: string,
  { yes = false }: { yes?: boolean },
  loaded: ReadLoaded = readLoaded,
): Promise<number> {
  const models = await openModels();
  const entry = await requireOne(models, name);
  const root = modelsFolder(models.home);
  const files = await filesToRemove(models, entry);
  requireOwn(entry, { root, files });
  requireUnloaded(entry, await loaded(models.home));
  if (!yes && !(await isWanted(entry, files))) return 1;
  for (const file of files) await removeFile(file);
  await removeEmptyFolders(dirname(entry.path), root);
  process.stdout.write(`Removed ${toTerminalLine(entry.key)} (${formatBytes(entry.sizeBytes)}).\n`);
  return 0;
}

/** A name that several models have is not good enough to delete one. */
async function requireOne(models: Models, name: string): Promise<ModelEntry> {
  const found = findAllByName(await models.catalog.list(), name);
  if (found.length > 1) {
    const keys = found.map(({ key }) => `\`${key}\``).join(", ");
    throw new AgentError("usage", `\`${name}\` can be ${keys}. Name the one to delete.`);
  }
  return requireEntry(models, name);
}

/** A projector stays as long as another model uses it. */
async function filesToRemove({ catalog }: Models, entry: ModelEntry): Promise<readonly string[]> {
  const others = (await catalog.list()).filter(({ path }) => path !== entry.path);
  const used = new Set(others.flatMap(({ files }) => files));
  return entry.files.filter((file) => !used.has(file));
}

const ELSEWHERE: Readonly<Record<ModelEntry["source"], string>> = {
  lmagent: "",
  lmstudio: "It belongs to LM Studio: delete it there, under My Models.",
  ollama: "It belongs to Ollama: `ollama rm` deletes it there.",
  huggingface: "It lies in Hugging Face's cache: `hf cache rm` deletes it there.",
  package: "It is part of this package.",
  file: "It is no file of ours: delete it yourself if you want that.",
};

function requireOwn(
  { key, source, path }: ModelEntry,
  { root, files }: { root: string; files: readonly string[] },
): void {
  const isInside = (file: string): boolean => {
    const inside = relative(root, file);
    return inside !== "" && !isAbsolute(inside) && inside.split(sep)[0] !== "..";
  };
  if (source === "lmagent" && files.every(isInside)) return;
  throw new AgentError(
    "file_failed",
    `\`${key}\` (\`${path}\`) is not deleted here. ${ELSEWHERE[source]}`.trim(),
    {
      data: { path },
    },
  );
}

function requireUnloaded({ key, path }: ModelEntry, loaded: readonly LoadedInstance[]): void {
  const instance = loaded.find((one) => one.path === path);
  if (instance === undefined) return;
  const message = `\`${key}\` is loaded. Unload it first: \`lmagent unload ${instance.id}\`.`;
  throw new AgentError("file_failed", message, { data: { path } });
}

async function isWanted({ key, sizeBytes }: ModelEntry, files: readonly string[]): Promise<boolean> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY)
    throw new AgentError("usage", "There is nobody to ask. `--yes` deletes it without a question.");
  stderr.write(`This deletes ${toTerminalLine(key)}, ${formatBytes(sizeBytes)}:\n`);
  for (const file of files) stderr.write(`  ${toTerminalLine(file)}\n`);
  const interrupt = onInterrupt();
  try {
    return await askYes("Delete it?", { output: stderr, signal: interrupt.signal });
  } finally {
    interrupt.dispose();
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (cause) {
    throw new AgentError("file_failed", `\`${path}\` cannot be deleted: ${errorMessage(cause)}`, {
      cause,
      data: { path, errno: errnoOf(cause) },
    });
  }
}

async function removeEmptyFolders(from: string, root: string): Promise<void> {
  for (let folder = from; folder !== root && folder.startsWith(root + sep); folder = dirname(folder)) {
    const left = await readdir(folder).catch(() => [""]);
    if (left.length > 0) return;
    await rmdir(folder).catch(() => undefined);
  }
}
