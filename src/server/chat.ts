/** One chat completion: request to prompt and grammar, generated text to parts of a reply. */
import { THINK_CLOSE, THINK_OPEN, toCallGrammar } from "../engine/call-format.ts";
import type { GenerateEvent, GenerateRequest, Sampling, StopReason, Timings } from "../engine/protocol.ts";
import type { ChatRequest } from "./chat-request.ts";
import { createReplyParser } from "./reply-parser.ts";
import type { ReplyParser, ReplyPart } from "./reply-parser.ts";
import type { ModelDescription, ServedModel } from "./served-model.ts";

export type FinishReason = "stop" | "length" | "tool_calls";

/** In order: `accepted`, `progress`*, `part`*, one `finished`. */
export type ChatEvent =
  | Extract<GenerateEvent, { type: "accepted" | "progress" }>
  | { type: "part"; part: ReplyPart }
  | { type: "finished"; reason: FinishReason; timings: Timings };

/** Throws what the engine and the template throw; stops promptly on abort. */
export async function* runChat(
  request: ChatRequest,
  model: ServedModel,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<ChatEvent, void, void> {
  const { generate, parser } = prepareChat(request, await model.describe());
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
      yield { type: "finished", reason: toFinishReason(event.reason, calls), timings: event.timings };
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
  const { messages, tools, tool_choice: toolChoice, chat_template_kwargs: variables } = request;
  const choice =
    typeof toolChoice === "object" && toolChoice !== null
      ? { name: toolChoice.function.name }
      : (toolChoice ?? "auto");
  const callsAllowed = tools.length > 0 && choice !== "none";
  const forced = callsAllowed && choice !== "auto";
  const rendered = template.render({ messages, tools, ...(variables ? { variables } : {}) });
  const thinks = rendered.trimEnd().endsWith(THINK_OPEN);
  // A call that must come at once leaves no room for thinking.
  const prompt = thinks && forced ? `${rendered.trimEnd()}\n${THINK_CLOSE}\n\n` : rendered;
  const startsThinking = thinks && !forced;
  const grammar =
    callsAllowed &&
    toCallGrammar(tools, {
      format: callFormat,
      choice,
      parallel: request.parallel_tool_calls ?? true,
      startsThinking,
    });
  const maxTokens = request.max_completion_tokens ?? request.max_tokens;
  return {
    generate: {
      prompt,
      sampling: toSampling(request),
      stop: typeof request.stop === "string" ? [request.stop] : (request.stop ?? []),
      ...(typeof maxTokens === "number" && maxTokens > 0 ? { maxTokens } : {}),
      ...(grammar ? { grammar } : {}),
      ...(typeof request.id_slot === "number" && request.id_slot >= 0 ? { slot: request.id_slot } : {}),
    },
    parser: createReplyParser({ calls: callsAllowed, startsThinking, typeOf: toTypeLookup(request) }),
  };
}

/** llama.cpp's server's defaults. */
function toSampling({ temperature, top_p: topP, top_k: topK, min_p: minP, seed }: ChatRequest): Sampling {
  return {
    temperature: temperature ?? 0.8,
    topP: topP ?? 0.95,
    topK: topK ?? 40,
    minP: minP ?? 0.05,
    ...(typeof seed === "number" && seed >= 0 ? { seed } : {}),
  };
}

function toTypeLookup({ tools }: ChatRequest): (tool: string, parameter: string) => unknown {
  return (tool, parameter) => {
    const schema = tools.find((one) => one.function.name === tool)?.function.parameters as
      | { properties?: Record<string, { type?: unknown }> }
      | undefined;
    const properties = schema?.properties ?? {};
    return Object.hasOwn(properties, parameter) ? properties[parameter]?.type : undefined;
  };
}
