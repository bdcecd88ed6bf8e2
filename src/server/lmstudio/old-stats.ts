/** What `/api/v0` adds to OpenAI's answers: speed, the model, and what runs it. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { Timings } from "../../engine/protocol.ts";
import { describeModel } from "../served-model.ts";

export interface ReplyEnd {
  /** OpenAI's word for why it ended. */
  reason: string;
  timings: Timings;
  /** Which stop string ended it. */
  stopString?: string;
  /** From the start to the first word. */
  firstTokenMs: number;
}

export interface OldExtras {
  stats: Record<string, unknown>;
  model_info: Record<string, unknown>;
  runtime: Record<string, unknown>;
}

export async function toOldExtras(model: LoadedModel, end: ReplyEnd, version: string): Promise<OldExtras> {
  const { facts } = await describeModel(model);
  const { completionTokens, completionMs } = end.timings;
  return {
    stats: {
      tokens_per_second: completionMs === 0 ? 0 : (completionTokens / completionMs) * 1000,
      time_to_first_token: Math.round(end.firstTokenMs) / 1000,
      generation_time: Math.round(completionMs) / 1000,
      stop_reason: toStopReason(end, facts.contextTokens),
    },
    model_info: {
      arch: model.entry.architecture ?? facts.architecture ?? "unknown",
      quant: model.entry.quantization ?? facts.quantization ?? "unknown",
      format: "gguf",
      context_length: facts.contextTokens,
    },
    runtime: { name: `llama.cpp-${model.engine.backend}`, version, supported_formats: ["gguf"] },
  };
}

function toStopReason({ reason, stopString, timings }: ReplyEnd, contextTokens: number): string {
  if (reason === "tool_calls") return "toolCalls";
  if (reason !== "length") return stopString === undefined ? "eosFound" : "stopStringFound";
  const full = timings.promptTokens + timings.completionTokens >= contextTokens;
  return full ? "contextLengthReached" : "maxPredictedTokensReached";
}
