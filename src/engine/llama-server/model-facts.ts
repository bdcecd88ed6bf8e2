/** What a running `llama-server` says about its model and its slots. */
import type { LoadOptions, ModelFacts, SlotState } from "../protocol.ts";
import type { Connection } from "./connection.ts";
import { toFields, toIntegers, toItems, toNumber, toText } from "./fields.ts";

export interface ServerFacts extends ModelFacts {
  /** The model wants a begin token in front of every prompt. */
  addsBegin: boolean;
}

export interface ReadFactsOptions {
  load: LoadOptions;
  /** From the start of the server until it answered. */
  loadMs: number;
  signal: AbortSignal;
}

/** Throws what `Connection.get` throws. */
export async function readFacts(
  connection: Connection,
  { load, loadMs, signal }: ReadFactsOptions,
): Promise<ServerFacts> {
  const [props, models, begin] = await Promise.all([
    connection.get("/props", { signal }).then(toFields),
    connection.get("/v1/models", { signal }).then(toFields),
    connection.get("/tokenize", { signal, body: { content: "", add_special: true } }).then(toFields),
  ]);
  const meta = toFields(toFields(toItems(models["data"])[0])["meta"]);
  const vision = toFields(props["modalities"])["vision"] === true;
  const chatTemplate = toText(props["chat_template"]);
  const mediaMarker = toText(props["media_marker"]);
  const architecture = toText(toFields(props)["model_architecture"]);
  return {
    // Of one slot: an explicit number of slots divides the whole.
    contextTokens: toNumber(toFields(props["default_generation_settings"])["n_ctx"]) ?? load.contextTokens,
    trainContextTokens: toNumber(meta["n_ctx_train"]) ?? load.contextTokens,
    parameters: toNumber(meta["n_params"]) ?? 0,
    sizeBytes: toNumber(meta["size"]) ?? 0,
    slots: toNumber(props["total_slots"]) ?? load.slots,
    threads: load.threads,
    ...(chatTemplate === undefined || chatTemplate === "" ? {} : { chatTemplate }),
    bosToken: toText(props["bos_token"]) ?? "",
    eosToken: toText(props["eos_token"]) ?? "",
    ...toQuantization(toText(props["model_ftype"]) ?? toText(meta["ftype"])),
    ...(architecture === undefined ? {} : { architecture }),
    vision,
    // Older servers do not say it: it was always this one then.
    ...(vision ? { mediaMarker: mediaMarker ?? "<__media__>" } : {}),
    ...(load.gpuLayers === undefined ? {} : { gpuLayers: load.gpuLayers }),
    loadMs: { library: 0, backend: 0, model: loadMs, context: 0 },
    addsBegin: toIntegers(begin["tokens"]).length > 0,
  };
}

/** As in "Q4_K - Medium". */
function toQuantization(described: string | undefined): { quantization?: string } {
  const quantization = /\b(I?Q\d\S*|BF16|F16|F32|MXFP4)\b/.exec(described ?? "")?.[1];
  return quantization === undefined ? {} : { quantization };
}

/** The answer of `/slots`. */
export function toSlotStates(answer: unknown): SlotState[] {
  return toItems(answer).map((item, index) => {
    const slot = toFields(item);
    const lastTask = toNumber(slot["id_task"]);
    return {
      index: toNumber(slot["id"]) ?? index,
      busy: slot["is_processing"] === true,
      tokens: toNumber(slot["n_prompt_tokens"]) ?? 0,
      ...(lastTask === undefined || lastTask < 0 ? {} : { lastTask }),
    };
  });
}
