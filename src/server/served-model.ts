import { createChatTemplate, detectCallFormat } from "../engine/index.ts";
import type { CallFormat, ChatTemplate, Engine, ModelFacts } from "../engine/index.ts";

/** A model that the server offers under `id`. */
export interface ServedModel {
  readonly id: string;
  readonly engine: Engine;
  /** Waits for the model to be loaded. */
  describe(): Promise<ModelDescription>;
}

export interface ModelDescription {
  facts: ModelFacts;
  template: ChatTemplate;
  callFormat: CallFormat;
}

export function createServedModel(id: string, engine: Engine): ServedModel {
  let known: ModelDescription | undefined;
  return {
    id,
    engine,
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
