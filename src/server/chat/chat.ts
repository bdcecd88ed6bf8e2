/** One chat completion: request to prompt and grammar, generated text to parts of a reply. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { GenerateEvent, StopReason, Timings, TokenLogprob } from "../../engine/protocol.ts";
import type { ChatRequest } from "./chat-request.ts";
import { collectAnswer, findFault, holdAnswer, reportFault, withOtherSeed } from "./checked-answer.ts";
import { prepareChat } from "./prepare-chat.ts";
import type { PreparedChat } from "./prepare-chat.ts";
import type { ReplyParser, ReplyPart } from "./reply-parser.ts";
import { describeModel } from "../served-model.ts";
import { checkToolSchemas } from "./tool-schemas.ts";
import { createLogprobTracker } from "./token-logprobs.ts";
import { toUsage } from "./usage.ts";
import type { Usage } from "./usage.ts";

export { DEFAULT_SAMPLING } from "./prepare-chat.ts";

export type FinishReason = "stop" | "length" | "tool_calls";

/** In order: `accepted`, `progress`*, `part`*, one `finished`. */
export type ChatEvent =
  | Extract<GenerateEvent, { type: "accepted" | "progress" }>
  /** Log-probabilities of the tokens that made this part, where they were asked for; content only. */
  | { type: "part"; part: ReplyPart; logprobs?: readonly TokenLogprob[] }
  /** `stopString`: which of the stop strings ended it. */
  | { type: "finished"; reason: FinishReason; timings: Timings; usage: Usage; stopString?: string };

export interface RunOptions {
  signal: AbortSignal;
  /** One line about what a schema asks for and does not get. */
  log: (line: string) => void;
}

/**
 * Throws what the engine and the template throw, and `ApiFailure` for what this model cannot read and for a strict schema that the
 * answer does not keep; stops promptly on abort.
 */
export async function* runChat(
  request: ChatRequest,
  model: LoadedModel,
  { signal, log }: RunOptions,
): AsyncGenerator<ChatEvent, void, void> {
  checkToolSchemas(request, log);
  const description = await describeModel(model, { signal });
  const prepared = prepareChat(request, description);
  const { form } = prepared;
  if (form !== undefined && form.ignored.length > 0)
    log(`${model.id}: nobody keeps to ${form.ignored.join(", ")} of the schema`);
  if (form?.findFault === undefined) {
    yield* runPrepared(prepared, model, signal);
    return;
  }
  const first = yield* holdAnswer(runPrepared(prepared, model, signal));
  const fault = findFault(first, form.findFault);
  if (fault === undefined) {
    yield* first;
    return;
  }
  const again = prepareChat(withOtherSeed(request), description);
  // How the prompt is read was told already.
  const second = await collectAnswer(runPrepared(again, model, signal));
  const still = findFault(second, form.findFault);
  if (still !== undefined) reportFault(request, model, { fault: still, log });
  yield* second;
}

async function* runPrepared(
  { generate, parser }: PreparedChat,
  model: LoadedModel,
  signal: AbortSignal,
): AsyncGenerator<ChatEvent, void, void> {
  const reader = createReader(parser);
  for await (const event of model.engine.generate(generate, { signal })) {
    if (event.type === "text") yield* reader.push(event);
    else if (event.type === "done") {
      yield* reader.flush(event.reason);
      yield {
        type: "finished",
        reason: reader.finishReason(event.reason),
        timings: event.timings,
        usage: toUsage(event.timings, await countTokens(reader.reasoning(), model, signal)),
        ...(event.stopString === undefined ? {} : { stopString: event.stopString }),
      };
    } else yield event;
  }
}

interface Reader {
  push(event: Extract<GenerateEvent, { type: "text" }>): ChatEvent[];
  flush(reason: StopReason): ChatEvent[];
  finishReason(reason: StopReason): FinishReason;
  /** All thinking so far. */
  reasoning(): string;
}

function createReader(parser: ReplyParser): Reader {
  const tracker = createLogprobTracker();
  let tracked = false;
  let calls = 0;
  let reasoning = "";
  const toEvents = (parts: readonly ReplyPart[]): ChatEvent[] =>
    parts.map((part): ChatEvent => {
      if (part.type === "call_started") calls += 1;
      if (part.type === "reasoning") reasoning += part.text;
      if (part.type !== "content" || !tracked) return { type: "part", part };
      return { type: "part", part, logprobs: tracker.take(part.text.length, parser.held) };
    });
  return {
    push: ({ text, logprobs }) => {
      if (logprobs !== undefined) {
        tracked = true;
        tracker.add(text, logprobs);
      }
      return toEvents(parser.push(text));
    },
    flush: (reason) => toEvents(parser.flush({ complete: reason === "end" || reason === "call_complete" })),
    finishReason: (reason) => {
      // A call without its end is none, whatever ended the text.
      if (reason === "length" || parser.unfinished) return "length";
      return calls > 0 ? "tool_calls" : "stop";
    },
    reasoning: () => reasoning,
  };
}

async function countTokens(text: string, { engine }: LoadedModel, signal: AbortSignal): Promise<number> {
  if (text === "") return 0;
  const tokens = await engine.tokenize(text, { special: false, begin: false, signal });
  return tokens.length;
}
