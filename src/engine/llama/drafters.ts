/** Which requests are guessed ahead, and by what. */
import { createModelDrafter } from "./draft-model.ts";
import { loadLlamaModel } from "./llama.ts";
import type { LlamaModel, LlamaSlot } from "./llama.ts";
import type { GenerateRequest, LoadOptions } from "../protocol.ts";
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
    const { vocabularySize } = model;
    return createModelDrafter(own, { maxTokens, contextTokens, sliceTokens, vocabularySize });
  };
}

/** A grammar can take over in the middle of what was guessed, and chances are told for each token alone. */
function suits({ grammar, logprobs }: GenerateRequest): boolean {
  return logprobs === undefined && grammar?.answer === undefined && grammar?.calls === undefined;
}

/** Models of one family differ in how many tokens nobody uses they have at the end. */
const UNUSED_TOKENS = 128;

function checkVocabulary(model: LlamaModel, draft: LlamaModel): void {
  const common = Math.min(model.vocabularySize, draft.vocabularySize);
  const tokens = Array.from({ length: common }, (_, token) => token);
  const alike = tokens.every((token) => Buffer.compare(model.bytesOf(token), draft.bytesOf(token)) === 0);
  if (alike && Math.max(model.vocabularySize, draft.vocabularySize) - common <= UNUSED_TOKENS) return;
  throw new Error("the smaller model for guessing has another vocabulary. Take one of the same family");
}
