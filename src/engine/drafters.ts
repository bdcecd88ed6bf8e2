/** Which requests are guessed ahead, and by what. */
import { createModelDrafter } from "./draft-model.ts";
import { loadLlamaModel } from "./llama.ts";
import type { LlamaModel, LlamaSlot } from "./llama.ts";
import type { GenerateRequest, LoadOptions } from "./protocol.ts";
import { createLookupDrafter, DEFAULT_DRAFT_TOKENS } from "./speculation.ts";
import type { Drafter } from "./speculation.ts";

/** `undefined`: this request is written one token at a time. */
export type DrafterFactory = (request: GenerateRequest, slot: LlamaSlot) => Drafter | undefined;

/** Throws when the smaller model does not fit to the real one. */
export async function createDrafterFactory(model: LlamaModel, options: LoadOptions): Promise<DrafterFactory> {
  const { speculation, sliceTokens } = options;
  // What is guessed wrong has to be forgotten again.
  if (speculation === undefined || model.slots.some(({ forgetsParts }) => !forgetsParts))
    return () => undefined;
  // Guesses and the token before them are evaluated in one batch.
  const maxTokens = Math.max(1, Math.min(speculation.maxTokens ?? DEFAULT_DRAFT_TOKENS, sliceTokens - 1, 32));
  if (speculation.type === "lookup")
    return (request) => (suits(request) ? createLookupDrafter({ maxTokens }) : undefined);
  const { purpose: _, speculation: __, projectorPath: ___, ...rest } = options;
  const draft = await loadLlamaModel({ ...rest, modelPath: speculation.modelPath });
  checkVocabulary(model, draft);
  const { contextTokens } = draft.facts;
  return (request, slot) => {
    const own = draft.slots[slot.index];
    if (own === undefined || !suits(request)) return undefined;
    return createModelDrafter(own, { maxTokens, contextTokens, sliceTokens });
  };
}

/** A grammar can take over in the middle of what was guessed, and chances are told for each token alone. */
function suits({ grammar, logprobs }: GenerateRequest): boolean {
  return logprobs === undefined && grammar?.answer === undefined && grammar?.calls === undefined;
}

const PROBE = 'The quick brown fox: {"a": [1, 2.5]}\n\tjumps über 狐狸 <b>!</b>';

function checkVocabulary(model: LlamaModel, draft: LlamaModel): void {
  const asTokens = ({ tokenize }: LlamaModel): string =>
    tokenize(PROBE, { special: true, begin: true }).join(",");
  if (asTokens(model) === asTokens(draft)) return;
  throw new Error("the smaller model for guessing has another vocabulary. Take one of the same family");
}
