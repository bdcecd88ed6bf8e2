/** The engine child: one process per model, so that a crash of native code or an out-of-memory kill ends only this one. */
import { AgentError, errorMessage } from "../core/errors.ts";
import { generate } from "./generate.ts";
import { importLibrary, loadLlamaModel } from "./llama.ts";
import type { LlamaModel } from "./llama.ts";
import type { EngineFailure, FromChild, GenerateRequest, LoadOptions, ToChild } from "./protocol.ts";
import { createSlotPool } from "./slots.ts";
import type { SlotPool } from "./slots.ts";

interface Loaded {
  model: LlamaModel;
  pool: SlotPool;
  sliceTokens: number;
}

const running = new Map<number, AbortController>();
let loaded: Promise<Loaded> | undefined;

function send(message: FromChild): void {
  if (process.connected) process.send?.(message);
}

async function load(options: LoadOptions): Promise<Loaded> {
  const model = await loadLlamaModel(options);
  send({ type: "loaded", facts: model.facts });
  return { model, pool: createSlotPool(model.slots), sliceTokens: options.sliceTokens };
}

async function runGenerate(id: number, request: GenerateRequest): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  try {
    await generateOnSlot(id, request, abort.signal);
  } catch (thrown) {
    send({ type: "failed", id, failure: toFailure(thrown) });
  } finally {
    running.delete(id);
  }
}

async function generateOnSlot(id: number, request: GenerateRequest, signal: AbortSignal): Promise<void> {
  const { model, pool, sliceTokens } = await requireLoaded();
  const tokens =
    typeof request.prompt === "string" ? model.tokenizePrompt(request.prompt) : [...request.prompt];
  const failure = checkRequest(model, request, tokens.length);
  if (failure !== undefined) {
    send({ type: "failed", id, failure });
    return;
  }
  send({ type: "event", id, event: { type: "accepted", promptTokens: tokens.length } });
  const slot = await pool.acquire(tokens, {
    signal,
    ...(request.slot === undefined ? {} : { slot: request.slot }),
  });
  try {
    for await (const event of generate({ model, slot, tokens, request, sliceTokens, signal }))
      send({ type: "event", id, event });
  } finally {
    pool.release(slot);
  }
}

async function tellSlots(id: number): Promise<void> {
  try {
    const { pool } = await requireLoaded();
    send({ type: "slots", id, slots: pool.states() });
  } catch (thrown) {
    send({ type: "failed", id, failure: toFailure(thrown) });
  }
}

async function answer(id: number, work: (model: LlamaModel) => FromChild): Promise<void> {
  try {
    send(work((await requireLoaded()).model));
  } catch (thrown) {
    send({ type: "failed", id, failure: toFailure(thrown) });
  }
}

async function requireLoaded(): Promise<Loaded> {
  if (loaded === undefined) throw new Error("no model was loaded");
  return loaded;
}

function checkRequest(
  model: LlamaModel,
  request: GenerateRequest,
  promptTokens: number,
): EngineFailure | undefined {
  const { contextTokens, slots } = model.facts;
  if (promptTokens === 0) return { code: "invalid_request", message: "The prompt is empty." };
  if (request.slot !== undefined && request.slot >= slots) {
    return {
      code: "invalid_request",
      message: `\`id_slot\` is \`${request.slot}\`; this model has ${slots} slots, counted from 0.`,
    };
  }
  // One token of room, or nothing could be generated.
  if (promptTokens < contextTokens) return undefined;
  const message = `This model's maximum context length is ${contextTokens} tokens. However, your messages resulted in ${promptTokens} tokens. Shorten the messages or the tool list.`;
  return { code: "context_overflow", message, promptTokens, contextTokens };
}

function toFailure(thrown: unknown): EngineFailure {
  if (AgentError.is(thrown, "engine_failed") && thrown.data["reason"] === "queue_full")
    return { code: "queue_full", message: thrown.message };
  return { code: "generation_failed", message: errorMessage(thrown) };
}

function receive(message: ToChild): void {
  switch (message.type) {
    case "load":
      loaded = load(message.options);
      loaded.catch((thrown: unknown) => send({ type: "load_failed", message: errorMessage(thrown) }));
      break;
    case "generate":
      void runGenerate(message.id, message.request);
      break;
    case "slots":
      void tellSlots(message.id);
      break;
    case "tokenize":
      void answer(message.id, (model) => ({
        type: "tokens",
        id: message.id,
        tokens: message.begin ? model.tokenizePrompt(message.text) : model.tokenizePiece(message.text),
      }));
      break;
    case "detokenize":
      void answer(message.id, (model) => ({
        type: "detokenized",
        id: message.id,
        text: model.detokenize(message.tokens, []),
      }));
      break;
    case "embed":
      send({
        type: "failed",
        id: message.id,
        failure: { code: "unsupported", message: "This model makes no embeddings." },
      });
      break;
    case "cancel":
      running.get(message.id)?.abort();
      break;
  }
}

importLibrary().catch(() => undefined);
process.on("message", receive);
// Our parent is gone: nobody can use us any more.
process.on("disconnect", () => process.exit(0));
// A Ctrl-C in the terminal goes to the whole group; the parent decides about our end.
process.on("SIGINT", () => undefined);
