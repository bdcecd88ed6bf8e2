/** One chat request to what an engine takes, and to what reads the answer. */
import { messageText } from "../../core/message.ts";
import type { Message } from "../../core/message.ts";
import type { ToolSchema } from "../../core/model.ts";
import { toCallGrammar } from "../../engine/schema/call-format.ts";
import type { GenerateRequest, ReplyGrammar, Sampling } from "../../engine/protocol.ts";
import { createCallRescue } from "./call-rescue.ts";
import { toAnswerForm } from "./answer-form.ts";
import type { AnswerForm } from "./answer-form.ts";
import type { ChatRequest } from "./chat-request.ts";
import { createCallId } from "./ids.ts";
import { readImages } from "./images.ts";
import { createReplyParser } from "./reply-parser.ts";
import type { ReplyParser } from "./reply-parser.ts";
import { knowsThinking } from "./thinking-tags.ts";
import type { ModelDescription } from "../served-model.ts";

/** llama.cpp's server's defaults. */
export const DEFAULT_SAMPLING: Sampling = { temperature: 0.8, topP: 0.95, topK: 40, minP: 0.05 };
/** What llama.cpp's server puts where an image goes. */
const DEFAULT_MARKER = "<__media__>";

export interface PreparedChat {
  generate: GenerateRequest;
  parser: ReplyParser;
  /** Absent: any text will do. */
  form?: AnswerForm;
}

/** Throws `ApiFailure` for images that cannot be read, and `AgentError` `model_rejected` where the template refuses. */
export function prepareChat(request: ChatRequest, description: ModelDescription): PreparedChat {
  const { facts, thinking, template } = description;
  const { prompt, startsThinking } = renderPrompt(request, description);
  const images = readImages(request.messages, { vision: facts.vision === true });
  const calls = allowsCalls(request)
    ? { tools: toCallable(request), parallel: request.parallelCalls }
    : undefined;
  const form = isForced(request) ? undefined : toAnswerForm(request.format, calls);
  const rules = form === undefined ? toCallRules(request, description) : { answer: form.grammar };
  const tags = { open: thinking.open, close: thinking.close, startsInside: startsThinking };
  // A model that does not think must not find a way around its answer's form.
  const thinks = form === undefined || startsThinking || knowsThinking(template.source);
  const grammar = rules === undefined ? undefined : { ...rules, ...(thinks ? { thinking: tags } : {}) };
  const { maxTokens, slot, logprobs } = request;
  return {
    ...(form === undefined ? {} : { form }),
    generate: {
      prompt,
      sampling: { ...DEFAULT_SAMPLING, ...request.sampling },
      stop: request.stop,
      ...(images.length === 0 ? {} : { images }),
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(grammar === undefined ? {} : { grammar }),
      ...(slot === undefined ? {} : { slot }),
      ...(logprobs === undefined ? {} : { logprobs }),
    },
    parser: createReplyParser({
      calls: allowsCalls(request),
      startsThinking,
      thinking,
      typeOf: toTypeLookup(request),
      newCallId: () => createCallId({ short: template.shortCallIds }),
      ...(request.inlineThinking === true ? { inlineThinking: true } : {}),
      ...(allowsCalls(request) && request.format.type === "text"
        ? { rescue: createCallRescue({ tools: toCallable(request), sources: readSources(request.messages) }) }
        : {}),
    }),
  };
}

/** The text that the model goes on from. Throws `AgentError` `model_rejected`. */
export function renderPrompt(
  request: Pick<ChatRequest, "messages" | "tools" | "toolChoice" | "templateVariables">,
  { facts, template, thinking }: ModelDescription,
): { prompt: string; startsThinking: boolean } {
  const { messages, tools, templateVariables: variables } = request;
  const last = messages.at(-1);
  // A reply that has begun goes on, as with llama.cpp's server.
  const begun = last?.role === "assistant" && last.tool_calls === undefined ? messageText(last) : undefined;
  const rendered = template.render({
    messages: begun === undefined ? messages : messages.slice(0, -1),
    tools,
    ...(variables === undefined ? {} : { variables }),
    ...(facts.vision === true ? { mediaMarker: facts.mediaMarker ?? DEFAULT_MARKER } : {}),
  });
  const thinks = rendered.trimEnd().endsWith(thinking.open);
  // A call that must come at once leaves no room for thinking, nor does an answer that has begun.
  const answers = isForced(request) || begun !== undefined;
  const prompt = thinks && answers ? `${rendered.trimEnd()}\n${thinking.close}\n\n` : rendered;
  return { prompt: prompt + template.toWords(begun ?? ""), startsThinking: thinks && !answers };
}

function allowsCalls({ tools, toolChoice }: Pick<ChatRequest, "tools" | "toolChoice">): boolean {
  return tools.length > 0 && toolChoice !== "none";
}

function isForced(request: Pick<ChatRequest, "tools" | "toolChoice">): boolean {
  return allowsCalls(request) && request.toolChoice !== "auto";
}

function toCallable({ tools, allowedTools }: ChatRequest): readonly ToolSchema[] {
  return allowedTools === undefined
    ? tools
    : tools.filter((tool) => allowedTools.includes(tool.function.name));
}

function toCallRules(request: ChatRequest, { callFormat }: ModelDescription): ReplyGrammar | undefined {
  const { toolChoice, parallelCalls: parallel } = request;
  if (!allowsCalls(request) || toolChoice === "none") return undefined;
  const calls = toCallGrammar(toCallable(request), { format: callFormat, choice: toolChoice, parallel });
  return calls === undefined ? undefined : { calls };
}

/** What the model was given, and may only repeat. */
function readSources(messages: readonly Message[]): string[] {
  return messages.filter(({ role }) => role === "tool" || role === "user").map(messageText);
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
