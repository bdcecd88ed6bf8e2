import { setTimeout as delay } from "node:timers/promises";
import { detectCallFormat } from "../engine/call-format.ts";
import type { CallFormat } from "../engine/call-format.ts";
import { createChatTemplate } from "../engine/chat-template.ts";
import type { ChatTemplate } from "../engine/chat-template.ts";
import type { Engine } from "../engine/engine.ts";
import type { LoadOptions, ModelFacts, SlotState } from "../engine/protocol.ts";

/** A model that the server offers under `id`. */
export interface ServedModel {
  readonly id: string;
  readonly engine: Engine;
  /** Waits for the model to be loaded. */
  describe(): Promise<ModelDescription>;
  /**
   * What is known without waiting long: clients ask this first and take a slow answer for none. Until the model is loaded, the
   * window is the planned one.
   */
  outline(): Promise<ModelOutline>;
  /** The slots as they are, or as they will be while the model still loads. */
  slots(): Promise<readonly SlotState[]>;
}

export interface ModelDescription {
  facts: ModelFacts;
  template: ChatTemplate;
  callFormat: CallFormat;
}

export type ModelOutline = Partial<ModelFacts> & { contextTokens: number; slots: number; loaded: boolean };

/** A tiny model always gets the window that was planned; a large one may get less, which is worth a short wait. */
const PATIENCE_MS = 1_000;

export interface ServedModelOptions {
  engine: Engine;
  plan: LoadOptions;
}

export function createServedModel(id: string, { engine, plan }: ServedModelOptions): ServedModel {
  let known: ModelDescription | undefined;
  const outline = async (): Promise<ModelOutline> => {
    const planned = { contextTokens: plan.contextTokens, slots: plan.slots, loaded: false };
    const patience = new AbortController();
    const timeout = delay(plan.gpu === false ? 0 : PATIENCE_MS, planned, { signal: patience.signal });
    timeout.catch(() => undefined);
    const loaded = engine.facts().then(
      (facts) => ({ ...facts, loaded: true }),
      () => planned,
    );
    return Promise.race([loaded, timeout]).finally(() => patience.abort());
  };
  return {
    id,
    engine,
    outline,
    slots: async () => {
      const { loaded, slots } = await outline();
      if (loaded) return engine.slots();
      return Array.from({ length: slots }, (_, index) => ({ index, busy: false, tokens: 0 }));
    },
    describe: async () => {
      // Asked anew each time, because the engine may have died and be loading again.
      const facts = await engine.facts();
      if (known?.facts.chatTemplate !== facts.chatTemplate || known === undefined) {
        const { chatTemplate: source, bosToken, eosToken } = facts;
        const template = createChatTemplate({ source, bosToken, eosToken });
        known = { facts, template, callFormat: detectCallFormat(template.source) };
      }
      return known;
    },
  };
}
