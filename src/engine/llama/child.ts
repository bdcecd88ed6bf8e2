/** The engine child: one process per model, so that a crash of native code or an out-of-memory kill ends only this one. */
import { AgentError, errorMessage } from "../../core/errors.ts";
import { createDrafterFactory } from "./drafters.ts";
import type { DrafterFactory } from "./drafters.ts";
import { generate } from "./generate.ts";
import { importLibrary, loadLlamaModel } from "./llama.ts";
import type { LlamaModel, LlamaSlot, Token } from "./llama.ts";
import { createOutbox } from "./outbox.ts";
import type {
  EmbedRequest,
  EngineFailure,
  EngineFailureCode,
  GenerateRequest,
  LoadOptions,
  Prompt,
  ToChild,
} from "../protocol.ts";
import { createSlotPool, findDonor } from "./slots.ts";
import type { SlotPool } from "./slots.ts";

interface Loaded {
  model: LlamaModel;
  pool: SlotPool;
  sliceTokens: number;
  createDrafter: DrafterFactory;
}

const running = new Map<number, AbortController>();
let loaded: Promise<Loaded> | undefined;
const outbox = createOutbox((messages) => {
  if (process.connected) process.send?.(messages);
});

async function load(options: LoadOptions): Promise<Loaded> {
  const model = await loadLlamaModel(options);
  const createDrafter = await createDrafterFactory(model, options);
  outbox.put({ type: "loaded", facts: model.facts });
  const { queueLimit, sliceTokens } = options;
  return { model, pool: createSlotPool(model.slots, { queueLimit }), sliceTokens, createDrafter };
}

/** Runs what a message asks for and answers with its failure where it fails. */
async function serve(
  id: number,
  work: (loaded: Loaded, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  running.set(id, abort);
  try {
    if (loaded === undefined) throw new Error("no model was loaded");
    await work(await loaded, abort.signal);
  } catch (thrown) {
    outbox.put({ type: "failed", id, failure: toFailure(thrown) });
  } finally {
    running.delete(id);
  }
}

async function runGenerate(
  id: number,
  request: GenerateRequest,
  { model, pool, sliceTokens, createDrafter, signal }: Loaded & { signal: AbortSignal },
): Promise<void> {
  if (model.slots.length === 0)
    throw refuse("unsupported", "This model was loaded for embeddings; it writes no text.");
  const tokens = toTokens(model, request.prompt);
  checkRequest(model, request, tokens.length);
  const queuedAt = performance.now();
  const acquired = pool.acquire(tokens, { signal, slot: request.slot });
  outbox.put({ type: "event", id, event: { type: "accepted", promptTokens: tokens.length } });
  const slot = await acquired;
  const queuedMs = performance.now() - queuedAt;
  const drafter = createDrafter(request, slot);
  try {
    await takePrefix(model.slots, slot, tokens);
    const options = { model, slot, tokens, request, sliceTokens, signal, queuedMs };
    for await (const event of generate({ ...options, ...(drafter === undefined ? {} : { drafter }) }))
      outbox.put({ type: "event", id, event });
  } finally {
    pool.release(slot);
  }
}

async function takePrefix(
  slots: readonly LlamaSlot[],
  slot: LlamaSlot,
  tokens: readonly Token[],
): Promise<void> {
  const donor = findDonor(slots, { slot, tokens });
  if (donor !== undefined) await slot.copyFrom(donor);
}

async function runEmbed(
  id: number,
  { inputs }: EmbedRequest,
  { model, signal }: Loaded & { signal: AbortSignal },
): Promise<void> {
  const { embedder } = model;
  if (embedder === undefined) throw refuse("unsupported", "This model was not loaded for embeddings.");
  const prompts = inputs.map((input) => toTokens(model, input));
  const counts = prompts.map((tokens) => embedder.count(tokens));
  for (const count of counts) checkLength(model, count);
  const vectors: (readonly number[])[] = [];
  for (const tokens of prompts) {
    signal.throwIfAborted();
    vectors.push(await embedder.embed(tokens));
  }
  const promptTokens = counts.reduce((sum, count) => sum + count, 0);
  outbox.put({ type: "embedded", id, embeddings: { vectors, promptTokens } });
}

function toTokens(model: LlamaModel, prompt: Prompt): readonly Token[] {
  if (typeof prompt === "string") return model.tokenize(prompt, { special: true, begin: true });
  checkTokens(model, prompt);
  return prompt;
}

/** llama.cpp ends its process over a token that its vocabulary does not have. */
function checkTokens({ vocabularySize }: LlamaModel, tokens: readonly Token[]): void {
  const wrong = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabularySize);
  if (wrong === undefined) return;
  throw refuse(
    "invalid_request",
    `There is no token ${wrong}: this model's tokens go from 0 to ${vocabularySize - 1}.`,
  );
}

function refuse(code: EngineFailureCode, message: string): AgentError {
  return new AgentError("engine_failed", message, { data: { reason: code } });
}

function checkRequest(model: LlamaModel, { slot, images }: GenerateRequest, promptTokens: number): void {
  const { slots } = model.facts;
  if (images !== undefined && images.length > 0)
    throw refuse("unsupported", "This engine cannot look at images.");
  if (slot !== undefined && slot >= slots)
    throw refuse(
      "invalid_request",
      `\`id_slot\` is \`${slot}\`; this model has ${slots} slots, counted from 0.`,
    );
  checkLength(model, promptTokens);
}

function checkLength({ facts: { contextTokens } }: LlamaModel, promptTokens: number): void {
  if (promptTokens === 0) throw refuse("invalid_request", "The prompt is empty.");
  // One token of room, or nothing could be generated.
  if (promptTokens < contextTokens) return;
  const message = `This model's maximum context length is ${contextTokens} tokens. However, your messages resulted in ${promptTokens} tokens. Shorten the messages or the tool list.`;
  throw new AgentError("context_overflow", message, { data: { promptTokens, contextTokens } });
}

function toFailure(thrown: unknown): EngineFailure {
  const message = errorMessage(thrown);
  if (AgentError.is(thrown, "context_overflow"))
    return {
      code: "context_overflow",
      message,
      ...(thrown.data as { promptTokens: number; contextTokens: number }),
    };
  if (AgentError.is(thrown, "engine_failed") && typeof thrown.data["reason"] === "string")
    return { code: thrown.data["reason"] as EngineFailureCode, message };
  return { code: "generation_failed", message };
}

function receive(message: ToChild): void {
  switch (message.type) {
    case "load":
      loaded = load(message.options);
      loaded.catch((thrown: unknown) => outbox.put({ type: "load_failed", message: errorMessage(thrown) }));
      break;
    case "cancel":
      running.get(message.id)?.abort();
      break;
    default:
      void serve(message.id, (loaded, signal) => answer(message, { ...loaded, signal }));
  }
}

async function answer(
  message: Exclude<ToChild, { type: "load" | "cancel" }>,
  loaded: Loaded & { signal: AbortSignal },
): Promise<void> {
  const { id } = message;
  const { model, pool } = loaded;
  switch (message.type) {
    case "generate":
      return runGenerate(id, message.request, loaded);
    case "embed":
      return runEmbed(id, message.request, loaded);
    case "slots":
      return outbox.put({ type: "slots", id, slots: pool.states() });
    case "tokenize":
      return outbox.put({ type: "tokens", id, tokens: model.tokenize(message.text, message) });
    case "detokenize": {
      checkTokens(model, message.tokens);
      const bytes = Buffer.concat(message.tokens.map((token) => model.bytesOf(token)));
      return outbox.put({ type: "detokenized", id, text: bytes.toString("utf8") });
    }
  }
}

importLibrary().catch(() => undefined);
process.on("message", receive);
// Our parent is gone: nobody can use us any more.
process.on("disconnect", () => process.exit(0));
// A Ctrl-C in the terminal goes to the whole group; the parent decides about our end.
process.on("SIGINT", () => undefined);
