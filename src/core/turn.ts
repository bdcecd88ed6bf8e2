import type { AgentEvent } from "./events.ts";
import type { AssistantMessage } from "./message.ts";
import type { Model, ModelEvent, ModelReply, ModelRequest, ProposedCall, Usage } from "./model.ts";
import type { ReplyWatch, StopCode } from "./reply-watch.ts";

export interface TurnReply extends ModelReply {
  /** The reply was stopped here, not by the server. */
  stopped?: StopCode;
}

/**
 * One request to the model: passes on what streams in and returns the whole reply, or what `watch` keeps of one that it stops. Throws what
 * `Model.stream` throws.
 */
export async function* takeTurn(
  model: Model,
  request: ModelRequest,
  { turn, signal, watch }: { turn: number; signal: AbortSignal; watch?: ReplyWatch },
): AsyncGenerator<AgentEvent, TurnReply> {
  const stop = linkAbort(signal);
  try {
    return yield* readReply(model.stream(request, { signal: stop.signal }), { turn, stop, watch });
  } finally {
    stop.dispose();
  }
}

interface ReplyStop {
  signal: AbortSignal;
  abort: () => void;
  dispose: () => void;
}

/** A signal for one request, which ends with that of the run or before it, and leaves nothing behind there. */
function linkAbort(signal: AbortSignal): ReplyStop {
  const own = new AbortController();
  const forward = (): void => own.abort(signal.reason);
  if (signal.aborted) forward();
  signal.addEventListener("abort", forward, { once: true });
  return {
    signal: own.signal,
    abort: () => own.abort(),
    dispose: () => signal.removeEventListener("abort", forward),
  };
}

async function* readReply(
  events: AsyncIterable<ModelEvent>,
  { turn, stop, watch }: { turn: number; stop: ReplyStop; watch?: ReplyWatch | undefined },
): AsyncGenerator<AgentEvent, TurnReply> {
  let usage: Usage | undefined;
  for await (const event of events) {
    switch (event.type) {
      case "finished":
        if (usage) yield { type: "usage", turn, usage };
        return event.reply;
      case "usage":
        usage = event.usage;
        break;
      case "retry":
        yield {
          type: "warning",
          code: "retry",
          message: `${event.why} (trying again in ${Math.round(event.delayMs / 100) / 10} s)`,
        };
        break;
      default:
        yield event;
    }
    const stopped = watch?.take(event);
    if (stopped === undefined) continue;
    stop.abort();
    return { ...stopped.reply, stopped: stopped.code };
  }
  stop.signal.throwIfAborted();
  return { text: "", thinking: "", calls: [], finish: "cut" };
}

/**
 * The reply as it stands in the conversation. Calls that could not be used are kept as valid stubs, so that no server is ever
 * sent JSON that it may refuse; the result of such a call says what was wrong.
 */
export function toAssistantMessage(reply: ModelReply): AssistantMessage {
  const message: AssistantMessage = { role: "assistant", content: reply.text === "" ? null : reply.text };
  if (reply.thinking !== "") message.reasoning_content = reply.thinking;
  if (reply.calls.length > 0) message.tool_calls = reply.calls.map(toToolCall);
  else message.content ??= "";
  return message;
}

function toToolCall(call: ProposedCall): NonNullable<AssistantMessage["tool_calls"]>[number] {
  const usable = call.problem === undefined && call.arguments !== undefined;
  return {
    id: call.id,
    type: "function",
    function: {
      name: call.name === "" ? "unknown" : call.name,
      arguments: usable ? JSON.stringify(call.arguments) : "{}",
    },
  };
}
