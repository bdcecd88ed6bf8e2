/** Ollama's store: manifests by registry, namespace, model and tag, whose layers are blobs named by their SHA-256. */
import { readFile, readdir, stat } from "node:fs/promises";
import type { Dirent } from "node:fs";
import { join } from "node:path";
import { isObject } from "../../core/json-object.ts";
import { errnoOf, errorMessage } from "../../core/errors.ts";
import type { OllamaLayers } from "./catalog.ts";
import type { BrokenModel, Findings, FoundFile } from "./found-file.ts";

const REGISTRY = "registry.ollama.ai";
const NAMESPACE = "library";
const LIMIT_MANIFESTS = 5_000;
const LIMIT_MANIFEST_BYTES = 1_000_000;
const LIMIT_TEXT_BYTES = 262_144;
/** Registry, namespace, model, tag; some hosts have one name more. */
const LIMIT_DEPTH = 6;

export function ollamaFolders(
  userHome: string,
  env: { OLLAMA_MODELS?: string | undefined },
  platform: NodeJS.Platform = process.platform,
): readonly string[] {
  if (env.OLLAMA_MODELS) return [env.OLLAMA_MODELS];
  // The service that its installer makes on Linux runs as a user of its own.
  return [
    join(userHome, ".ollama", "models"),
    ...(platform === "linux" ? ["/usr/share/ollama/.ollama/models"] : []),
  ];
}

export async function findInOllamaStore(root: string): Promise<Findings> {
  const files: FoundFile[] = [];
  const broken: BrokenModel[] = [];
  const manifests = join(root, "manifests");
  for (const names of await listManifests(manifests, broken)) {
    const path = join(manifests, ...names);
    try {
      const found = await readManifest(root, path, names);
      if (found !== undefined) files.push(found);
    } catch (thrown) {
      broken.push({ path, source: "ollama", why: errorMessage(thrown) });
    }
  }
  return { files, broken };
}

/** Names from the registry to the tag. */
async function listManifests(root: string, broken: BrokenModel[]): Promise<readonly (readonly string[])[]> {
  const found: string[][] = [];
  const folders: string[][] = [[]];
  for (let names = folders.shift(); names !== undefined; names = folders.shift()) {
    const entries = await readFolder(join(root, ...names), broken);
    const here = names;
    const inside = (kind: "isFile" | "isDirectory"): string[][] =>
      entries.filter((entry) => entry[kind]()).map(({ name }) => [...here, name]);
    if (names.length >= 2) found.push(...inside("isFile"));
    if (names.length < LIMIT_DEPTH) folders.push(...inside("isDirectory"));
    if (found.length + folders.length > LIMIT_MANIFESTS) break;
  }
  return found.slice(0, LIMIT_MANIFESTS);
}

async function readFolder(path: string, broken: BrokenModel[]): Promise<readonly Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") broken.push({ path, source: "ollama", why: errorMessage(thrown) });
    return [];
  }
}

interface Layer {
  type: string;
  path: string;
}

/** `undefined` for a model that lies elsewhere. Throws for what is no manifest. */
async function readManifest(
  root: string,
  path: string,
  names: readonly string[],
): Promise<FoundFile | undefined> {
  if ((await stat(path)).size > LIMIT_MANIFEST_BYTES) throw new Error("it is too large for a manifest");
  const manifest = JSON.parse(await readFile(path, "utf8")) as unknown;
  const listed = isObject(manifest) ? manifest["layers"] : undefined;
  if (!Array.isArray(listed)) throw new Error("it is no manifest, since it has no `layers`");
  const layers = listed.map((layer) => toLayer(root, layer)).filter((layer) => layer !== undefined);
  const pathOf = (kind: string): string | undefined =>
    layers.find(({ type }) => type === `application/vnd.ollama.image.${kind}`)?.path;
  const model = pathOf("model");
  if (model === undefined) return undefined;
  const projector = pathOf("projector");
  return {
    path: model,
    source: "ollama",
    ...toName(names),
    ...(projector === undefined ? {} : { projectorPath: projector }),
    ollama: await readLayers(pathOf),
  };
}

/** A digest that is none could lead out of the store. */
function toLayer(root: string, layer: unknown): Layer | undefined {
  if (!isObject(layer)) return undefined;
  const { mediaType, digest } = layer as { mediaType?: unknown; digest?: unknown };
  if (typeof mediaType !== "string" || typeof digest !== "string") return undefined;
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  return hex === undefined ? undefined : { type: mediaType, path: join(root, "blobs", `sha256-${hex}`) };
}

/** As Ollama shortens them: its own registry and library go without saying. */
function toName(names: readonly string[]): Pick<FoundFile, "publisher" | "repo" | "tag"> {
  const tag = names.at(-1) ?? "latest";
  const [registry = "", ...rest] = names.slice(0, -1);
  const shown = registry === REGISTRY ? (rest[0] === NAMESPACE ? rest.slice(1) : rest) : [registry, ...rest];
  return { publisher: rest.length > 1 ? (rest[0] ?? "") : "", repo: shown.join("/"), tag };
}

async function readLayers(pathOf: (kind: string) => string | undefined): Promise<OllamaLayers> {
  const template = await readText(pathOf("template"));
  const system = await readText(pathOf("system"));
  const parameters = toObject(await readText(pathOf("params")));
  return {
    ...(template === undefined ? {} : { template }),
    ...(system === undefined ? {} : { system }),
    ...(parameters === undefined ? {} : { parameters }),
  };
}

async function readText(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return (await stat(path)).size > LIMIT_TEXT_BYTES ? undefined : await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}

function toObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(text ?? "null") as unknown;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
