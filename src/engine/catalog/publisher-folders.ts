/** Folders laid out as `<publisher>/<repo>/<file>.gguf`: ours and LM Studio's. */
import { readFile } from "node:fs/promises";
import { basename, isAbsolute, join, relative, sep } from "node:path";
import type { ModelSource } from "./catalog.ts";
import { parsePartName } from "../gguf/split.ts";
import type { Findings, FoundFile } from "./found-file.ts";
import { walkModels } from "./walk.ts";

const SETTINGS_LIMIT_CHARS = 1_000_000;

export async function findInPublisherFolder(root: string, source: ModelSource): Promise<Findings> {
  const { paths, problems } = await walkModels(root);
  return {
    files: paths.map((path) => toFound(root, path, source)),
    broken: problems.map((problem) => ({ ...problem, source })),
  };
}

function toFound(root: string, path: string, source: ModelSource): FoundFile {
  const folders = relative(root, path).split(sep).slice(0, -1);
  const [first, second] = folders;
  if (first === undefined) return { path, source, publisher: "", repo: stemOf(path) };
  return second === undefined
    ? { path, source, publisher: "", repo: first }
    : { path, source, publisher: first, repo: folders.slice(1).join("/") };
}

/** The file's name without ending and part number. */
export function stemOf(path: string): string {
  return parsePartName(path)?.stem ?? basename(path).replace(/\.gguf$/i, "");
}

/**
 * Where LM Studio keeps its models: `models` of its folder, which was another one before version 0.3.6, and the folder that its settings
 * name instead.
 */
export async function lmStudioFolders(userHome: string): Promise<readonly string[]> {
  const pointer = await readSmall(join(userHome, ".lmstudio-home-pointer"));
  const homes = [
    ...(pointer !== undefined && isAbsolute(pointer.trim()) ? [pointer.trim()] : []),
    join(userHome, ".lmstudio"),
    join(userHome, ".cache", "lm-studio"),
  ];
  const folders: string[] = [];
  for (const home of homes) {
    const chosen = await readDownloadsFolder(join(home, "settings.json"));
    folders.push(...(chosen === undefined ? [] : [chosen]), join(home, "models"));
  }
  return [...new Set(folders)];
}

async function readDownloadsFolder(path: string): Promise<string | undefined> {
  try {
    const settings = JSON.parse((await readSmall(path)) ?? "null") as { downloadsFolder?: unknown } | null;
    const folder = settings?.downloadsFolder;
    return typeof folder === "string" && isAbsolute(folder) ? folder : undefined;
  } catch {
    return undefined;
  }
}

async function readSmall(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text !== undefined && text.length <= SETTINGS_LIMIT_CHARS ? text : undefined;
}
