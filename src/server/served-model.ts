/** What is known of a loaded model: its window, its template, how it writes calls. */
import { setTimeout as delay } from "node:timers/promises";
import { detectCallFormat } from "../engine/schema/call-format.ts";
import type { CallFormat } from "../engine/schema/call-format.ts";
import { createChatTemplate } from "../engine/chat-template.ts";
import type { ChatTemplate } from "../engine/chat-template.ts";
import type { Engine } from "../engine/engine.ts";
import type { LoadedModel } from "../engine/manager/model-manager.ts";
import type { ModelFacts, SlotState } from "../engine/protocol.ts";
import { detectThinking } from "./chat/thinking-tags.ts";
import type { ThinkingTags } from "./chat/thinking-tags.ts";

export interface ModelDescription {
  facts: ModelFacts;
  template: ChatTemplate;
  callFormat: CallFormat;
  thinking: ThinkingTags;
}

export type ModelOutline = Partial<ModelFacts> & { contextTokens: number; slots: number; loaded: boolean };

/** A tiny model always gets the window that was planned; a large one may get less, which is worth a short wait. */
const PATIENCE_MS = 1_000;

const described = new WeakMap<Engine, ModelDescription>();

/** Waits for the model to be loaded; throws what its load throws, and the signal's reason. */
export async function describeModel(
  { engine }: LoadedModel,
  { signal }: { signal?: AbortSignal } = {},
): Promise<ModelDescription> {
  // Asked anew each time, because the engine may have died and be loading again.
  const facts = await untilAborted(engine.facts(), signal);
  const known = described.get(engine);
  if (known !== undefined && known.facts.chatTemplate === facts.chatTemplate) return known;
  const { chatTemplate: source, bosToken, eosToken } = facts;
  const template = createChatTemplate({ source, bosToken, eosToken });
  const description = {
    facts,
    template,
    callFormat: detectCallFormat(template.source),
    thinking: detectThinking(template.source),
  };
  described.set(engine, description);
  return description;
}

function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * What is known without waiting long: clients ask this first and take a slow answer for none. Until the model is loaded, the window
 * is the planned one.
 */
export async function outlineModel({ engine, plan }: LoadedModel): Promise<ModelOutline> {
  const planned = { contextTokens: plan.contextTokens, slots: plan.slots, loaded: false };
  const patience = new AbortController();
  const timeout = delay(plan.gpu === false ? 0 : PATIENCE_MS, planned, { signal: patience.signal });
  timeout.catch(() => undefined);
  const loaded = engine.facts().then(
    (facts) => ({ ...facts, loaded: true }),
    () => planned,
  );
  return Promise.race([loaded, timeout]).finally(() => patience.abort());
}

/** The slots as they are, or as they will be while the model still loads. */
export async function readSlots(model: LoadedModel): Promise<readonly SlotState[]> {
  const { loaded, slots } = await outlineModel(model);
  if (loaded) return model.engine.slots();
  return Array.from({ length: slots }, (_, index) => ({ index, busy: false, tokens: 0 }));
}
