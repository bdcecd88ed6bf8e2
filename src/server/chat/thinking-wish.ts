/** Thinking as LM Studio's and Ollama's clients ask for it. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { describeModel } from "../served-model.ts";
import { toThinkingVariables } from "./thinking-switch.ts";
import type { Effort } from "./thinking-switch.ts";
import { knowsThinking } from "./thinking-tags.ts";

/** How much a request wants the model to think; a level says more than `on` only to templates that know levels. */
export type ThinkingWish = "off" | "on" | Effort;

export function toWishVariables(wish: ThinkingWish): Readonly<Record<string, unknown>> {
  if (wish === "on" || wish === "off") return toThinkingVariables({ thinks: wish === "on" });
  return toThinkingVariables({ thinks: true, effort: wish });
}

/** Waits for the model. Throws `ApiFailure` (400) where it would have to think and cannot, and what its load throws. */
export async function checkThinking(
  model: LoadedModel,
  wish: ThinkingWish | undefined,
  { param, message }: { param: string; message: string },
): Promise<void> {
  if (wish === undefined || wish === "off") return;
  const { template } = await describeModel(model);
  if (!knowsThinking(template.source))
    throw new ApiFailure(toApiError(400, message, { code: "unsupported", param }));
}
