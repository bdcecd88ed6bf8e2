/** One chat completion: request to prompt and grammar, generated text to parts of a reply. */
import { THINK_CLOSE, THINK_OPEN, toCallGrammar } from "../engine/call-format.ts";
import type {
  GenerateEvent,
  GenerateRequest,
  Sampling,
  StopReason,
  Timings,
  TokenLogprob,
} from "../engine/protocol.ts";
import type { LoadedModel } from "../engine/model-manager.ts";
import type { ChatRequest } from "./chat-request.ts";
import { createReplyParser } from "./reply-parser.ts";
import type { ReplyParser, ReplyPart } from "./reply-parser.ts";
import { describeModel } from "./served-model.ts";
import type { ModelDescription } from "./served-model.ts";

export type FinishReason = "stop" | "length" | "tool_calls";

/** In order: `accepted`, `progress`*, `part`*, one `finished`. */
export type ChatEvent =
  | Extract<GenerateEvent, { type: "accepted" | "progress" }>
  /** Log-probabilities of the tokens that made this part, where they were asked for. */
  | { type: "part"; part: ReplyPart; logprobs?: readonly TokenLogprob[] }
  /** `stopString`: which of the stop strings ended it. */
  | { type: "finished"; reason: FinishReason; timings: Timings; stopString?: string };

/** Throws what the engine and the template throw; stops promptly on abort. */
export async function* runChat(
  request: ChatRequest,
  model: LoadedModel,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<ChatEvent, void, void> {
  const { generate, parser } = prepareChat(request, await describeModel(model));
  let calls = 0;
  const count = (parts: ReplyPart[]): ChatEvent[] =>
    parts.map((part) => {
      if (part.type === "call_started") calls += 1;
      return { type: "part", part };
    });
  for await (const event of model.engine.generate(generate, { signal })) {
    if (event.type === "text") yield* count(parser.push(event.text));
    else if (event.type === "done") {
      yield* count(parser.flush());
      const { timings, stopString } = event;
      const reason = toFinishReason(event.reason, calls);
      yield { type: "finished", reason, timings, ...(stopString === undefined ? {} : { stopString }) };
    } else yield event;
  }
}

function toFinishReason(reason: StopReason, calls: number): FinishReason {
  if (reason === "length") return "length";
  return calls > 0 ? "tool_calls" : "stop";
}

function prepareChat(
  request: ChatRequest,
  { template, callFormat }: ModelDescription,
): { generate: GenerateRequest; parser: ReplyParser } {
  const { messages, tools, toolChoice: choice, templateVariables: variables } = request;
  const callsAllowed = tools.length > 0 && choice !== "none";
  const forced = callsAllowed && choice !== "auto";
  const rendered = template.render({ messages, tools, ...(variables ? { variables } : {}) });
  const thinks = rendered.trimEnd().endsWith(THINK_OPEN);
  // A call that must come at once leaves no room for thinking.
  const prompt = thinks && forced ? `${rendered.trimEnd()}\n${THINK_CLOSE}\n\n` : rendered;
  const startsThinking = thinks && !forced;
  const calls = callsAllowed
    ? toCallGrammar(tools, { format: callFormat, choice, parallel: request.parallelCalls })
    : undefined;
  const thinking = { open: THINK_OPEN, close: THINK_CLOSE, startsInside: startsThinking };
  return {
    generate: {
      prompt,
      sampling: { ...DEFAULT_SAMPLING, ...request.sampling },
      stop: request.stop,
      ...(request.maxTokens === undefined ? {} : { maxTokens: request.maxTokens }),
      ...(calls === undefined ? {} : { grammar: { calls, thinking } }),
      ...(request.slot === undefined ? {} : { slot: request.slot }),
    },
    parser: createReplyParser({ calls: callsAllowed, startsThinking, typeOf: toTypeLookup(request) }),
  };
}

/** llama.cpp's server's defaults. */
export const DEFAULT_SAMPLING: Sampling = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05 };

function toTypeLookup({ tools }: ChatRequest): (tool: string, parameter: string) => unknown {
  return (tool, parameter) => {
    const schema = tools.find((one) => one.function.name === tool)?.function.parameters as
      | { properties?: Record<string, { type?: unknown }> }
      | undefined;
    const properties = schema?.properties ?? {};
    return Object.hasOwn(properties, parameter) ? properties[parameter]?.type : undefined;
  };
}
