/** Load options as flags of `llama-server` (`llama-server --help`). */
import type { LoadOptions } from "../protocol.ts";

/** Tokens computed at once, as by default; more only takes more memory. */
const PHYSICAL_BATCH = 512;

export interface ServerPlace {
  host: string;
  port: number;
  /** Paths as the server sees them. */
  modelPath: string;
  projectorPath?: string;
  draftPath?: string;
}

/** What every version understands; what only newer ones know goes by the environment, where unknown names do no harm. */
export function toServerArguments(load: LoadOptions, place: ServerPlace): string[] {
  const { contextTokens, slots, threads, sliceTokens, purpose, gpu, gpuLayers, flashAttention } = load;
  const layers = gpu === false ? 0 : gpuLayers;
  // An embedding is made of one batch; of a prompt, a batch is what a cancellation has to wait for.
  const batch = purpose === "embedding" ? contextTokens : sliceTokens;
  const fixed: Record<string, string | number> = {
    "--model": place.modelPath,
    "--host": place.host,
    "--port": place.port,
    // An explicit number of slots divides the context among them.
    "--ctx-size": contextTokens * slots,
    "--parallel": slots,
    "--threads": threads,
    "--threads-batch": threads,
    "--batch-size": batch,
    "--ubatch-size": purpose === "embedding" ? batch : Math.min(batch, PHYSICAL_BATCH),
  };
  return [
    ...Object.entries(fixed).flatMap(([flag, value]) => [flag, String(value)]),
    ...(layers === undefined ? [] : ["--n-gpu-layers", String(layers)]),
    ...(flashAttention === undefined ? [] : ["--flash-attn", flashAttention ? "on" : "off"]),
    ...(place.projectorPath === undefined ? [] : ["--mmproj", place.projectorPath]),
    ...(purpose === "embedding" ? ["--embeddings"] : ["--jinja"]),
    ...toSpeculation(load, place),
  ];
}

function toSpeculation({ speculation }: LoadOptions, { draftPath }: ServerPlace): string[] {
  if (speculation === undefined) return [];
  if (speculation.type === "lookup") return ["--spec-type", "ngram-simple"];
  return ["--model-draft", draftPath ?? speculation.modelPath];
}

/** In MiB. By default the server would keep old prompts in 8 GiB of memory beside the model. */
const PROMPT_CACHE_MIB = 512;
const PING_SECONDS = 10;

export interface ServerEnvironmentOptions {
  apiKey: string;
  promptCacheMib?: number;
}

export function toServerEnvironment(
  { speculation }: LoadOptions,
  { apiKey, promptCacheMib = PROMPT_CACHE_MIB }: ServerEnvironmentOptions,
): Record<string, string> {
  const drafted = speculation?.maxTokens;
  return {
    // Arguments can be read by every user of the machine.
    LLAMA_API_KEY: apiKey,
    LLAMA_ARG_CACHE_RAM: String(promptCacheMib),
    LLAMA_ARG_SSE_PING_INTERVAL: String(PING_SECONDS),
    LLAMA_ARG_UI: "0",
    ...(drafted === undefined ? {} : { LLAMA_ARG_SPEC_DRAFT_N_MAX: String(drafted) }),
  };
}
