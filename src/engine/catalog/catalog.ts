/** The models that could be loaded: what they are called and where they lie. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { partPaths } from "../gguf/split.ts";
import { checkModelFile, isPracticeModel, toModelId } from "../plan/model-file.ts";
import type { ModelPurpose } from "../protocol.ts";

/** Whose folder a model lies in; `package`: the practice model; `file`: a path that the user gave. */
export type ModelSource = "lmagent" | "lmstudio" | "ollama" | "huggingface" | "package" | "file";

export interface ModelEntry {
  /** What clients call it; no other model of the catalog has the same. */
  key: string;
  /** Other names that find it: `publisher/repo`, the file's name, Ollama's `name:tag`. */
  aliases: readonly string[];
  /** Absolute path of the file, of a split model the first part. */
  path: string;
  /** All parts, and the projector. */
  files: readonly string[];
  sizeBytes: number;
  source: ModelSource;
  /** Empty where nobody can tell. */
  publisher: string;
  displayName: string;
  purpose: ModelPurpose;
  /** Of the file's header, as far as it could be read. */
  architecture?: string;
  quantization?: string;
  bitsPerWeight?: number;
  parameters?: number;
  maxContextTokens?: number;
  /** It has a projector beside it, so an engine that can may show it images. */
  projectorPath?: string;
  /** Its chat template knows tools. */
  toolUse: boolean;
  modifiedAt: Date;
  /** Of a model in Ollama's store. */
  ollama?: OllamaLayers;
}

/** What Ollama keeps beside a model: its own template (Go, not Jinja), the system message and sampling parameters. */
export interface OllamaLayers {
  template?: string;
  system?: string;
  parameters?: Readonly<Record<string, unknown>>;
}

export interface Catalog {
  /** All of them, by key. Cheap enough for every request of a list. */
  list(): Promise<readonly ModelEntry[]>;
  /** By key, alias or path of a `.gguf` file, in this order; letters in any case. */
  find(name: string): Promise<ModelEntry | undefined>;
  /** Why what lies there under this name is no model that can be used; absent or `undefined`: nothing is known of it. */
  explain?(name: string): Promise<string | undefined>;
}

/** A file that the user gave. Throws `AgentError` `engine_failed` when it can be no model; what else is wrong with it is told by its load. */
export async function toFileEntry(path: string): Promise<ModelEntry> {
  await checkModelFile(path);
  const { size, mtime } = await stat(path);
  // Of the practice model all is known that matters, and a start waits for this.
  const facts = isPracticeModel(path) ? undefined : await readFacts(path);
  return {
    key: toModelId(path),
    aliases: [basename(path)],
    path,
    files: partPaths(path),
    sizeBytes: size,
    source: "file",
    publisher: "",
    displayName: toModelId(path),
    purpose: "chat",
    toolUse: true,
    ...facts,
    modifiedAt: mtime,
  };
}

async function readFacts(path: string): Promise<Partial<ModelEntry> | undefined> {
  const { readModelShape } = await import("../gguf/shape.ts");
  const shape = await readModelShape(path).catch(() => undefined);
  if (shape === undefined) return undefined;
  const { architecture, parameters, quantization, bitsPerWeight, maxContextTokens, toolUse } = shape;
  return {
    purpose: toPurpose(shape),
    architecture,
    parameters,
    sizeBytes: shape.fileBytes,
    ...(quantization === undefined ? {} : { quantization }),
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
    ...(maxContextTokens === undefined ? {} : { maxContextTokens }),
    toolUse,
  };
}

/** A model that pools makes one vector of a text, and one that reads it at once writes none. */
export function toPurpose({ encoder, pooling }: { encoder: boolean; pooling?: string }): ModelPurpose {
  return encoder || (pooling ?? "none") !== "none" ? "embedding" : "chat";
}

/** A catalog that never changes. */
export function createFixedCatalog(entries: readonly ModelEntry[]): Catalog {
  const isCalled = (entry: ModelEntry, name: string): boolean =>
    [entry.key, ...entry.aliases].some((one) => one.toLowerCase() === name.toLowerCase());
  return {
    list: async () => entries,
    find: async (name) =>
      entries.find(({ key }) => key === name) ?? entries.find((entry) => isCalled(entry, name)),
  };
}
