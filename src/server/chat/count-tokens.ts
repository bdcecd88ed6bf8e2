/** Counts tokens beside the queue: no slot is taken, and no model is loaded for it. */
import { setTimeout as delay } from "node:timers/promises";
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { ChatRequest } from "./chat-request.ts";
import { requireServed } from "../find-served.ts";
import { renderPrompt } from "./prepare-chat.ts";
import { describeModel } from "../served-model.ts";
import type { Services } from "../services.ts";

export interface TokenCount {
  tokens: number;
  /** False: the model is not there yet, and the count is a guess from the length of the text. */
  exact: boolean;
}

/** Editors ask for dozens of counts when they start, and a large model loads for minutes. */
const PATIENCE_MS = 1_000;

/** Of English text and code; a guess on the low side would overflow a window. */
const BYTES_PER_TOKEN = 3;
const TOKENS_PER_MESSAGE = 4;

/** Throws `ApiFailure` (404) for an unknown model, and what the template throws. */
export async function countPromptTokens(
  services: Services,
  name: string | undefined,
  request: ChatRequest,
  { signal }: { signal: AbortSignal },
): Promise<TokenCount> {
  const model =
    name === undefined ? services.models.loaded()[0] : (await requireServed(services, name, [name])).loaded;
  if (model === undefined) return { tokens: guessTokens(request), exact: false };
  const patience = new AbortController();
  const guess = delay(PATIENCE_MS, undefined, { signal: patience.signal }).then(() => ({
    tokens: guessTokens(request),
    exact: false,
  }));
  guess.catch(() => undefined);
  return Promise.race([countExactly(model, request, signal), guess]).finally(() => patience.abort());
}

async function countExactly(
  model: LoadedModel,
  request: ChatRequest,
  signal: AbortSignal,
): Promise<TokenCount> {
  const { prompt } = renderPrompt(request, await describeModel(model, { signal }));
  const tokens = await model.engine.tokenize(prompt, { special: true, begin: true, signal });
  return { tokens: tokens.length, exact: true };
}

function guessTokens({ messages, tools }: ChatRequest): number {
  const withoutImages = JSON.stringify(messages, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith("data:") ? "" : value,
  );
  const bytes =
    Buffer.byteLength(withoutImages) + (tools.length > 0 ? Buffer.byteLength(JSON.stringify(tools)) : 0);
  return Math.ceil(bytes / BYTES_PER_TOKEN) + messages.length * TOKENS_PER_MESSAGE;
}
