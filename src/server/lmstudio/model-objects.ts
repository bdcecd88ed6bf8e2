/** A model as LM Studio lists it (https://lmstudio.ai/docs/developer/rest/list, and `endpoints` for the older `/api/v0`). */
import type { ModelEntry } from "../../engine/catalog/catalog.ts";
import { readGgufHeader } from "../../engine/gguf/header.ts";
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { outlineModel } from "../served-model.ts";
import type { Services } from "../services.ts";
import { knowsThinking } from "../chat/thinking-tags.ts";

/** An entry of the catalog, with what is loaded of it. */
export interface ListedModel {
  entry: ModelEntry;
  loaded: readonly LoadedModel[];
}

/** The catalog, and what was loaded from elsewhere. */
export async function listModels({ models }: Services): Promise<ListedModel[]> {
  const entries = await models.catalog.list();
  const loaded = models.loaded();
  const known = new Set(entries.map(({ path }) => path));
  const others = new Map(
    loaded.filter(({ entry }) => !known.has(entry.path)).map(({ entry }) => [entry.path, entry]),
  );
  return [...entries, ...others.values()].map((entry) => ({
    entry,
    loaded: loaded.filter((model) => model.entry.path === entry.path),
  }));
}

/** Of `GET /api/v1/models`. */
export async function toModelObject({ entry, loaded }: ListedModel): Promise<Record<string, unknown>> {
  const outline = loaded[0] === undefined ? undefined : await outlineModel(loaded[0]);
  const { publisher, key, displayName, sizeBytes } = entry;
  const parameters = entry.parameters ?? outline?.parameters;
  const isChat = entry.purpose === "chat";
  return {
    type: isChat ? "llm" : "embedding",
    publisher,
    key,
    display_name: displayName,
    ...(isChat ? { architecture: entry.architecture ?? outline?.architecture ?? null } : {}),
    quantization: toQuantization(entry, outline?.quantization),
    size_bytes: sizeBytes,
    params_string: parameters === undefined ? null : toParameterString(parameters),
    loaded_instances: await Promise.all(loaded.map(toInstance)),
    max_context_length: trainedTokens(entry, outline),
    format: "gguf",
    ...(isChat
      ? {
          capabilities: toCapabilities(entry, outline),
          description: null,
        }
      : {}),
  };
}

async function toInstance(model: LoadedModel): Promise<Record<string, unknown>> {
  return { id: model.id, config: await toLoadConfig(model) };
}

const experts = new WeakMap<ModelEntry, Promise<number>>();

/** Experts of which each token uses so many, as the file says; 0 for a model without. */
async function countExperts(entry: ModelEntry): Promise<number> {
  const known = experts.get(entry) ?? readExperts(entry);
  experts.set(entry, known);
  return known;
}

async function readExperts({ path, architecture }: ModelEntry): Promise<number> {
  try {
    const count = (await readGgufHeader(path)).metadata.get(`${architecture}.expert_used_count`);
    return typeof count === "number" ? count : 0;
  } catch {
    // The model runs, whatever has become of its file.
    return 0;
  }
}

/** How an instance was loaded. */
export async function toLoadConfig(model: LoadedModel): Promise<Record<string, unknown>> {
  const { contextTokens, slots } = await outlineModel(model);
  const { sliceTokens, flashAttention, gpu } = model.plan;
  if (model.entry.purpose === "embedding") return { context_length: contextTokens, parallel: slots };
  return {
    context_length: contextTokens,
    eval_batch_size: sliceTokens,
    parallel: slots,
    flash_attention: flashAttention ?? false,
    num_experts: await countExperts(model.entry),
    offload_kv_cache_to_gpu: gpu !== false,
  };
}

/** Of `GET /api/v0/models`. */
export async function toOldModelObject({ entry, loaded }: ListedModel): Promise<Record<string, unknown>> {
  const [instance] = loaded;
  const outline = instance === undefined ? undefined : await outlineModel(instance);
  const { key, publisher, purpose, toolUse } = entry;
  const chatType = canSee(entry, outline) ? "vlm" : "llm";
  return {
    id: instance?.id ?? key,
    object: "model",
    type: purpose === "embedding" ? "embeddings" : chatType,
    publisher,
    arch: entry.architecture ?? outline?.architecture ?? "unknown",
    compatibility_type: "gguf",
    quantization: entry.quantization ?? outline?.quantization ?? "unknown",
    state: outline?.loaded === true ? "loaded" : "not-loaded",
    max_context_length: trainedTokens(entry, outline),
    ...(outline?.loaded === true ? { loaded_context_length: outline.contextTokens } : {}),
    ...(toolUse && purpose === "chat" ? { capabilities: ["tool_use"] } : {}),
  };
}

/** Whether it thinks is only known once it is loaded. */
function toCapabilities(entry: ModelEntry, outline: Outline | undefined): Record<string, unknown> {
  const thinks = outline?.chatTemplate !== undefined && knowsThinking(outline.chatTemplate);
  return {
    vision: canSee(entry, outline),
    trained_for_tool_use: entry.toolUse,
    ...(thinks ? { reasoning: { allowed_options: ["off", "on"], default: "on" } } : {}),
  };
}

type Outline = Awaited<ReturnType<typeof outlineModel>>;

/** Where the header was not read and the model is not loaded, nothing is known: 0. */
function trainedTokens(entry: ModelEntry, outline: Outline | undefined): number {
  return entry.maxContextTokens ?? outline?.trainContextTokens ?? outline?.contextTokens ?? 0;
}

/** A loaded model knows whether its engine can; of another one a projector says that some engine may. */
function canSee({ projectorPath }: ModelEntry, outline: Outline | undefined): boolean {
  return outline?.loaded === true ? outline.vision === true : projectorPath !== undefined;
}

function toQuantization(
  { quantization, bitsPerWeight }: ModelEntry,
  loaded: string | undefined,
): Record<string, unknown> | null {
  const name = quantization ?? loaded;
  if (name === undefined && bitsPerWeight === undefined) return null;
  return { name: name ?? null, bits_per_weight: bitsPerWeight ?? null };
}

const UNITS = [
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
] as const;

/** `7B`, `1.5B`, `270M`. */
export function toParameterString(parameters: number): string {
  const [size, unit] = UNITS.find(([size]) => parameters >= size) ?? [1, ""];
  const count = parameters / size;
  return `${count >= 100 ? Math.round(count) : Number(count.toFixed(1))}${unit}`;
}
