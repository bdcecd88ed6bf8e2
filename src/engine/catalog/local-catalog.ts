/** The models of this machine: our own folder, those of LM Studio, Hugging Face and Ollama, and the practice model. Used where they lie. */
import { stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { toFileEntry } from "./catalog.ts";
import type { Catalog, ModelEntry } from "./catalog.ts";
import { explainBroken, findByName, suggestNames } from "./find.ts";
import type { BrokenModel, Findings } from "./found-file.ts";
import { openHeaderIndex } from "./header-index.ts";
import type { HeaderRows } from "./header-index.ts";
import { findInHuggingFaceCache, huggingFaceFolder } from "./huggingface-cache.ts";
import type { HuggingFaceEnv } from "./huggingface-cache.ts";
import { findInOllamaStore, ollamaFolders } from "./ollama-store.ts";
import { findInPublisherFolder, lmStudioFolders } from "./publisher-folders.ts";
import { toEntries } from "./to-entries.ts";
import type { CatalogContent } from "./to-entries.ts";

export interface CatalogOptions {
  /** LMAGENT_HOME. */
  home: string;
  userHome: string;
  /** Where other programs were told to keep their models. */
  env?: HuggingFaceEnv & { OLLAMA_MODELS?: string | undefined };
  /** The practice model that ships with the package. */
  packageModel?: string;
  /** How long a look at the folders counts. Default 2 s. */
  freshMs?: number;
}

export interface LocalCatalog extends Catalog {
  /** What lies in the folders and cannot be used. */
  broken(): Promise<readonly BrokenModel[]>;
  /** Keys that an unknown name may have meant, best first. */
  suggest(name: string): Promise<readonly string[]>;
  /** The next question looks at the folders again. */
  refresh(): void;
}

const FRESH_MS = 2_000;
/** Unknown names must not keep the disk busy. */
const RELOOK_MS = 250;

/** The folder for models of our own. */
export function modelsFolder(home: string): string {
  return join(home, "models");
}

export function createCatalog(options: CatalogOptions): LocalCatalog {
  const { freshMs = FRESH_MS } = options;
  const rows: HeaderRows = new Map();
  let content: Promise<CatalogContent> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;

  const read = (): Promise<CatalogContent> => {
    if (content !== undefined && performance.now() - readAt < freshMs) return content;
    readAt = Number.POSITIVE_INFINITY;
    const reading = readAll(options, rows).finally(() => {
      if (content === reading) readAt = performance.now();
    });
    content = reading;
    reading.catch(() => {
      if (content === reading) content = undefined;
    });
    return reading;
  };
  const refresh = (): void => {
    content = undefined;
  };
  const findHere = async (name: string, among: Promise<CatalogContent>): Promise<ModelEntry | undefined> => {
    const { entries } = await among;
    return findByName(entries, name) ?? entries.find(({ files }) => files.includes(name));
  };

  return {
    list: async () => (await read()).entries,
    find: async (name) => {
      // A request must not wait for a look at all folders where the model was known before.
      const known = await findHere(name, content ?? read());
      if (known !== undefined && (await isFile(known.path))) return known;
      // It may have come since the last look.
      if (performance.now() - readAt > RELOOK_MS) refresh();
      return (await findHere(name, read())) ?? findFile(name);
    },
    explain: async (name) => explainBroken((await read()).broken, name),
    broken: async () => (await read()).broken,
    suggest: async (name) => suggestNames((await read()).entries, name),
    refresh,
  };
}

/** In the order of preference for a file that lies in several. */
async function readAll(
  { home, userHome, env = {}, packageModel }: CatalogOptions,
  rows: HeaderRows,
): Promise<CatalogContent> {
  const own = modelsFolder(home);
  const [ours, lmStudio, huggingFace, ollama] = await Promise.all([
    findInPublisherFolder(own, "lmagent"),
    lmStudioFolders(userHome).then((folders) =>
      Promise.all(folders.map((folder) => findInPublisherFolder(folder, "lmstudio"))),
    ),
    findInHuggingFaceCache(huggingFaceFolder(userHome, env)),
    Promise.all(ollamaFolders(userHome, env).map((folder) => findInOllamaStore(folder))),
  ]);
  const practice: Findings[] =
    packageModel === undefined
      ? []
      : [
          {
            files: [{ path: packageModel, source: "package", publisher: "lmagent", repo: "practice" }],
            broken: [],
          },
        ];
  const findings = [...practice, ours, ...lmStudio, huggingFace, ...ollama];
  // The practice model alone is read quickly, and needs no file of its own.
  const many = findings.reduce((count, { files }) => count + files.length, 0) > practice.length;
  const index = await openHeaderIndex(many ? join(own, "index.json") : undefined, rows);
  const content = await toEntries(findings, index);
  await index.save();
  return content;
}

/** Whole paths alone, since a server has no folder that a client could mean; none on another machine. */
async function findFile(name: string): Promise<ModelEntry | undefined> {
  if (!isAbsolute(name) || /^[\\/]{2}/.test(name) || !/\.gguf$/i.test(name) || name.includes("\0"))
    return undefined;
  return (await isFile(name)) ? toFileEntry(name) : undefined;
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
}
