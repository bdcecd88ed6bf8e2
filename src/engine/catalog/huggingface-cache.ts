/** The cache of Hugging Face's libraries: `models--<org>--<repo>/snapshots/<revision>/…`, with links to the blobs. */
import { readFile, readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { errnoOf, errorMessage } from "../../core/errors.ts";
import type { BrokenModel, Findings, FoundFile } from "./found-file.ts";
import { walkModels } from "./walk.ts";

export interface HuggingFaceEnv {
  HF_HUB_CACHE?: string | undefined;
  HF_HOME?: string | undefined;
  XDG_CACHE_HOME?: string | undefined;
}

const LIMIT_REPOS = 5_000;
const LIMIT_REVISIONS = 32;

export function huggingFaceFolder(userHome: string, env: HuggingFaceEnv): string {
  if (env.HF_HUB_CACHE) return env.HF_HUB_CACHE;
  if (env.HF_HOME) return join(env.HF_HOME, "hub");
  return join(env.XDG_CACHE_HOME || join(userHome, ".cache"), "huggingface", "hub");
}

export async function findInHuggingFaceCache(root: string): Promise<Findings> {
  const files: FoundFile[] = [];
  const broken: BrokenModel[] = [];
  for (const name of (await readNames(root, broken)).slice(0, LIMIT_REPOS)) {
    const match = /^models--(?:(.+?)--)?(.+)$/.exec(name);
    if (match === null) continue;
    const [, publisher = "", repo = ""] = match;
    const found = await findInRepo(join(root, name));
    broken.push(...found.broken);
    files.push(...found.paths.map((path) => ({ path, source: "huggingface" as const, publisher, repo })));
  }
  return { files, broken };
}

/** Each file once: of the revision that `main` is, else of the newest one that has it. */
async function findInRepo(
  folder: string,
): Promise<{ paths: readonly string[]; broken: readonly BrokenModel[] }> {
  const broken: BrokenModel[] = [];
  const main = await readFile(join(folder, "refs", "main"), "utf8").catch(() => "");
  const revisions = await newestFirst(
    join(folder, "snapshots"),
    await readNames(join(folder, "snapshots"), broken),
  );
  const ordered = revisions.toSorted((a, b) => Number(b === main.trim()) - Number(a === main.trim()));
  const paths = new Map<string, string>();
  for (const revision of ordered.slice(0, LIMIT_REVISIONS)) {
    const root = join(folder, "snapshots", revision);
    const walk = await walkModels(root);
    broken.push(...walk.problems.map((problem) => ({ ...problem, source: "huggingface" as const })));
    for (const path of walk.paths) {
      const inside = relative(root, path);
      if (!paths.has(inside)) paths.set(inside, path);
    }
  }
  return { paths: [...paths.values()], broken };
}

async function newestFirst(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const dated = await Promise.all(
    names.map(async (name) => ({
      name,
      at: await stat(join(folder, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    })),
  );
  return dated.toSorted((a, b) => b.at - a.at).map(({ name }) => name);
}

async function readNames(folder: string, broken: BrokenModel[]): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (thrown) {
    if (!["ENOENT", "ENOTDIR"].includes(errnoOf(thrown) ?? ""))
      broken.push({ path: folder, source: "huggingface", why: errorMessage(thrown) });
    return [];
  }
}
