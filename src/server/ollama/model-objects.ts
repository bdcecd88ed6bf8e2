/** Models as Ollama lists and shows them (https://docs.ollama.com/api/tags, `ps`, `api-reference/show-model-details`). */
import { createHash } from "node:crypto";
import type { ModelEntry } from "../../engine/catalog/catalog.ts";
import { readGgufHeader } from "../../engine/gguf/header.ts";
import type { GgufHeader } from "../../engine/gguf/header.ts";
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { toParameterString } from "../lmstudio/model-objects.ts";
import { outlineModel } from "../served-model.ts";
import { knowsThinking } from "../chat/thinking-tags.ts";
import { toOllamaName } from "./names.ts";

export function toTag(entry: ModelEntry): Record<string, unknown> {
  const name = toOllamaName(entry);
  return {
    name,
    model: name,
    modified_at: entry.modifiedAt.toISOString(),
    size: entry.sizeBytes,
    digest: toDigest(entry),
    details: toDetails(entry),
  };
}

/** Ollama's word for never: so far in the future. */
const NEVER_MS = 292 * 365 * 86_400_000;

export async function toRunning(model: LoadedModel, now: Date): Promise<Record<string, unknown>> {
  const { entry, expiresAt, ttlMs } = model;
  const { contextTokens, gpuLayers = 0, layers = 0 } = await outlineModel(model);
  const name = toOllamaName(entry);
  const size = Math.max(entry.sizeBytes, model.residentBytes);
  const expires = expiresAt?.getTime() ?? now.getTime() + (ttlMs ?? NEVER_MS);
  return {
    name,
    model: name,
    size,
    digest: toDigest(entry),
    details: toDetails(entry),
    expires_at: new Date(Math.min(expires, now.getTime() + NEVER_MS)).toISOString(),
    size_vram: layers === 0 ? 0 : Math.round((size * Math.min(gpuLayers, layers)) / layers),
    context_length: contextTokens,
  };
}

/** Tells one state of a file from another; not the hash of its contents, which takes minutes for a large one. */
function toDigest({ path, sizeBytes, modifiedAt }: ModelEntry): string {
  return createHash("sha256").update(`${path}\n${sizeBytes}\n${modifiedAt.getTime()}`).digest("hex");
}

function toDetails({ architecture, parameters, quantization }: ModelEntry): Record<string, unknown> {
  const family = architecture ?? "unknown";
  return {
    parent_model: "",
    format: "gguf",
    family,
    families: [family],
    parameter_size: parameters === undefined ? "unknown" : toParameterString(parameters),
    quantization_level: quantization ?? "unknown",
  };
}

export interface ShowOptions {
  /** Long lists of the header are `null`, as Ollama has them, unless `verbose`. */
  verbose: boolean;
  loaded?: LoadedModel;
}

/** Throws `AgentError` `engine_failed` for a file that cannot be read any more. */
export async function toShow(
  entry: ModelEntry,
  { verbose, loaded }: ShowOptions,
): Promise<Record<string, unknown>> {
  const header = await readGgufHeader(entry.path);
  const template = header.metadata.get("tokenizer.chat_template");
  const source = typeof template === "string" ? template : "";
  const license = header.metadata.get("general.license");
  const outline = loaded === undefined ? undefined : await outlineModel(loaded);
  const sees = outline?.loaded === true ? outline.vision === true : entry.projectorPath !== undefined;
  return {
    ...(typeof license === "string" ? { license } : {}),
    modelfile: `# What this server runs; it creates no models from a Modelfile.\nFROM ${toOllamaName(entry)}\n`,
    parameters: toParameterLines(entry.ollama?.parameters ?? {}),
    // Of a model in Ollama's store clients expect Ollama's own, although the one in the file is used.
    template: entry.ollama?.template ?? source,
    ...(entry.ollama?.system === undefined ? {} : { system: entry.ollama.system }),
    details: toDetails(entry),
    model_info: toModelInfo(header, { entry, verbose }),
    capabilities: toCapabilities(entry, { sees, thinks: knowsThinking(source) }),
    modified_at: entry.modifiedAt.toISOString(),
  };
}

/** A line each; a list has a line for each of its values. */
function toParameterLines(parameters: Readonly<Record<string, unknown>>): string {
  return Object.entries(parameters)
    .flatMap(([name, value]) => (Array.isArray(value) ? value.map((one) => [name, one]) : [[name, value]]))
    .map(([name, value]) => `${String(name).padEnd(30)} ${JSON.stringify(value)}`)
    .join("\n");
}

function toCapabilities(
  { purpose, toolUse }: ModelEntry,
  { sees, thinks }: { sees: boolean; thinks: boolean },
): string[] {
  if (purpose === "embedding") return ["embedding"];
  return [
    "completion",
    ...(toolUse ? ["tools"] : []),
    ...(sees ? ["vision"] : []),
    ...(thinks ? ["thinking"] : []),
  ];
}

/** The template has a place of its own. */
const LEFT_OUT = new Set(["tokenizer.chat_template", "general.name"]);
const SHORT_LIST = 32;

function toModelInfo(
  { metadata }: GgufHeader,
  { entry, verbose }: { entry: ModelEntry; verbose: boolean },
): Record<string, unknown> {
  const info: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of metadata) {
    if (LEFT_OUT.has(key)) continue;
    // What the reader did not keep because of its length is an object.
    const tooLong = typeof value === "object" && (!Array.isArray(value) || value.length > SHORT_LIST);
    info[key] = tooLong && (!verbose || !Array.isArray(value)) ? null : value;
  }
  if (entry.parameters !== undefined) info["general.parameter_count"] = entry.parameters;
  return info;
}
