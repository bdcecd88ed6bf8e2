import type { ModelInfo, ServerKind } from "../core/model.ts";
import type { Json } from "./json.ts";
import { toObject } from "./json.ts";

/** Answers of the routes by which servers differ; empty where a server does not know the route. */
export interface ServerAnswers {
  /** `/v1/models` */
  models: Json;
  /** `/props` of llama-server. */
  props: Json;
  /** `/api/v1/models` of LM Studio. */
  native: Json;
  /** `/api/v0/models` of LM Studio before 0.4. */
  nativeV0: Json;
  /** `/api/ps` of Ollama. */
  running: Json;
  /** `/health`, where our own server names itself. */
  health: Json;
}

export function identifyServer({
  models,
  props,
  native,
  nativeV0,
  running,
  health,
}: ServerAnswers): ServerKind {
  const [first = {}] = listOf(models, "data");
  if (health["server"] === "lmagent") return "lmagent";
  if ("default_generation_settings" in props || "total_slots" in props || first["owned_by"] === "llamacpp")
    return "llama-server";
  const keyed = listOf(native, "models").some((model) => "key" in model);
  const stated = listOf(nativeV0, "data").some((model) => "state" in model);
  if (keyed || stated || Array.isArray(native["models"])) return "lmstudio";
  if (Array.isArray(running["models"])) return "ollama";
  if (first["owned_by"] === "vllm" || "max_model_len" in first) return "vllm";
  return "openai-compatible";
}

export function listOf(document: Json, field: string): Json[] {
  const list = document[field];
  return Array.isArray(list) ? list.map(toObject) : [];
}

/** Ids that a request may name, as far as the server lists them. */
export function listModelIds(kind: ServerKind, answers: ServerAnswers): string[] {
  const ids = listOf(answers.models, "data").map((model) => model["id"]);
  if (kind === "lmstudio") {
    for (const model of listOf(answers.native, "models")) {
      ids.push(model["key"], ...listOf(model, "loaded_instances").map((one) => one["id"]));
    }
    ids.push(...listOf(answers.nativeV0, "data").map((model) => model["id"]));
  }
  return [...new Set(ids.filter((id): id is string => typeof id === "string" && id !== ""))];
}

/** The model to use when none was named: one that is loaded, else the first that can be. */
export function chooseModel(kind: ServerKind, answers: ServerAnswers): string | undefined {
  const loaded = findLoaded(kind, answers);
  if (loaded !== undefined) return loaded;
  const chats = listModelIds(kind, answers).filter((id) => !/embed/i.test(id));
  return chats[0];
}

function findLoaded(
  kind: ServerKind,
  { models, native, nativeV0, running }: ServerAnswers,
): string | undefined {
  if (kind === "ollama") return toName(listOf(running, "models")[0]?.["name"]);
  if (kind === "lmstudio") {
    const instances = listOf(native, "models")
      .filter((model) => model["type"] !== "embedding")
      .flatMap((model) => listOf(model, "loaded_instances"));
    const old = listOf(nativeV0, "data").find(
      (model) => model["state"] === "loaded" && model["type"] !== "embeddings",
    );
    return toName(instances[0]?.["id"]) ?? toName(old?.["id"]);
  }
  return toName(listOf(models, "data").find(isReadyToChat)?.["id"]);
}

/** A model of llama-server's, or of our own server's list. */
export function isReadyToChat(model: Json): boolean {
  const loaded = toObject(model["status"])["value"] === "loaded" || model["state"] === "loaded";
  return loaded && model["type"] !== "embeddings";
}

type Facts = Partial<
  Pick<ModelInfo, "contextTokens" | "trainedTokens" | "slots" | "vision" | "quantization">
>;

/** Window, slots and the like of one model, as loaded. */
export function readFacts(kind: ServerKind, id: string, answers: ServerAnswers): Facts {
  const listed = listOf(answers.models, "data");
  const entry =
    listed.find((model) => model["id"] === id) ?? (listed.length === 1 ? listed[0] : undefined) ?? {};
  const common = readEntry(entry);
  if (kind === "llama-server" || (kind === "lmagent" && speaksOf(id, answers)))
    return { ...common, ...readProps(answers.props) };
  if (kind === "lmstudio")
    return { ...common, ...readNativeV0(id, answers.nativeV0), ...readNative(id, answers.native) };
  if (kind === "ollama") return { ...common, ...readRunning(id, answers.running) };
  return common;
}

/** Our own server has properties of one of its models, and names it; a name that it does not list may be another one of that. */
export function speaksOf(id: string, { models, props }: ServerAnswers): boolean {
  const alias = props["model_alias"];
  const isListed = listOf(models, "data").some((model) => model["id"] === id);
  return alias === undefined || alias === id || !isListed;
}

/** Of our own server: the model is listed, and will be loaded by the first request for it. */
export function isUnloaded(id: string, { models }: ServerAnswers): boolean {
  return listOf(models, "data").some((model) => model["id"] === id && model["state"] === "not-loaded");
}

/** Each server has its own name for the window; what is loaded goes before what would be possible. */
function readEntry(entry: Json): Facts {
  const meta = toObject(entry["meta"]);
  const window = [
    meta["n_ctx"],
    entry["loaded_context_length"],
    entry["max_model_len"],
    entry["context_length"],
    entry["context_window"],
    entry["max_context_length"],
  ];
  return compact({
    contextTokens: window.map(toCount).find((value) => value !== undefined),
    trainedTokens: toCount(meta["n_ctx_train"]),
    slots: toCount(entry["slots"]),
    vision: toFlag(toObject(entry["capabilities"])["vision"]),
    quantization: toName(entry["quantization"]) ?? toName(meta["ftype"]),
  });
}

function readProps(props: Json): Facts {
  const settings = toObject(props["default_generation_settings"]);
  const path = toName(props["model_path"]) ?? "";
  return compact({
    contextTokens: toCount(settings["n_ctx"]) ?? toCount(props["n_ctx"]),
    slots: toCount(props["total_slots"]),
    vision: toFlag(toObject(props["modalities"])["vision"]),
    quantization: /[-._](I?Q\d\w*|B?F16|F32|MXFP4)(?=[-.]|$)/i.exec(path)?.[1],
  });
}

function readNative(id: string, native: Json): Facts {
  for (const model of listOf(native, "models")) {
    const instances = listOf(model, "loaded_instances");
    const instance =
      instances.find((one) => one["id"] === id) ?? (model["key"] === id ? instances[0] : undefined);
    if (!instance && model["key"] !== id) continue;
    const config = toObject(instance?.["config"]);
    return compact({
      contextTokens: toCount(config["context_length"]),
      trainedTokens: toCount(model["max_context_length"]),
      slots: toCount(config["parallel"]),
      vision: toFlag(toObject(model["capabilities"])["vision"]),
      quantization: toName(toObject(model["quantization"])["name"]),
    });
  }
  return {};
}

function readNativeV0(id: string, native: Json): Facts {
  const model = listOf(native, "data").find((one) => one["id"] === id);
  if (!model) return {};
  return compact({
    contextTokens: toCount(model["loaded_context_length"]),
    trainedTokens: toCount(model["max_context_length"]),
    vision: model["type"] === "vlm" ? true : undefined,
    quantization: toName(model["quantization"]),
  });
}

function readRunning(id: string, running: Json): Facts {
  const model = listOf(running, "models").find((one) =>
    isSameOllamaModel(String(one["name"] ?? one["model"]), id),
  );
  if (!model) return {};
  return compact({
    contextTokens: toCount(model["context_length"]),
    quantization: toName(toObject(model["details"])["quantization_level"]),
  });
}

/** What Ollama gives a model that asks for nothing, on a machine of which nothing is known. */
const OLLAMA_DEFAULT_TOKENS = 4_096;

/**
 * `/api/show` for a model that is not loaded yet: the window that it will be given, not the one it was trained with.
 * Too small a guess costs room; too large a one loses the beginning of the conversation without a word.
 */
export function readShown(shown: Json): Facts {
  const wanted = /^num_ctx\s+(\d+)/m.exec(toName(shown["parameters"]) ?? "")?.[1];
  const trained = Object.entries(toObject(shown["model_info"])).find(([key]) =>
    key.endsWith(".context_length"),
  )?.[1];
  const capabilities = shown["capabilities"];
  const known = toCount(trained);
  return compact({
    contextTokens: wanted === undefined ? known && Math.min(known, OLLAMA_DEFAULT_TOKENS) : Number(wanted),
    trainedTokens: known,
    vision: Array.isArray(capabilities) ? capabilities.includes("vision") : undefined,
    quantization: toName(toObject(shown["details"])["quantization_level"]),
  });
}

/** Ollama takes a name without a tag for `:latest`. */
export function isSameOllamaModel(one: string, other: string): boolean {
  const full = (name: string) => (name.includes(":") ? name : `${name}:latest`).toLowerCase();
  return full(one) === full(other);
}

function compact(facts: { [Key in keyof Facts]: Facts[Key] | undefined }): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as Facts;
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 ? value : undefined;
}

function toFlag(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function toName(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
