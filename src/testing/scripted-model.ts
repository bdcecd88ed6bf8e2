import type {
  Model,
  ModelEvent,
  ModelInfo,
  ModelProfile,
  ModelReply,
  ModelRequest,
  ProposedCall,
} from "../core/model.ts";

/** What one request is answered with: events that end in `finished`, a reply, or an error to throw. */
export type ScriptedReply =
  | Partial<ModelReply>
  | Error
  | ((request: ModelRequest, signal: AbortSignal) => AsyncIterable<ModelEvent>);

export interface ScriptedModel extends Model {
  /** The requests so far, as they were when they came. */
  readonly requests: readonly ModelRequest[];
}

export interface ScriptedModelOptions {
  contextTokens?: number;
  profile?: ModelProfile;
}

/** A model that answers from a list, for tests of what happens around it. Past the end of the list it throws. */
export function createScriptedModel(
  replies: readonly ScriptedReply[],
  options: ScriptedModelOptions = {},
): ScriptedModel {
  const requests: ModelRequest[] = [];
  const info: ModelInfo = {
    id: "scripted",
    server: "openai-compatible",
    baseUrl: "http://127.0.0.1:0",
    profile: options.profile ?? { name: "default" },
    ...(options.contextTokens === undefined ? {} : { contextTokens: options.contextTokens }),
  };
  return {
    id: info.id,
    requests,
    describe: async () => info,
    async *stream(request, { signal }) {
      requests.push(structuredClone<ModelRequest>(request));
      const reply =
        replies[requests.length - 1] ?? new Error(`The script ends before request ${requests.length}.`);
      if (reply instanceof Error) throw reply;
      if (typeof reply === "function") yield* reply(request, signal);
      else yield* toEvents(reply);
    },
  };
}

function* toEvents(reply: Partial<ModelReply>): Generator<ModelEvent> {
  const whole: ModelReply = {
    text: "",
    thinking: "",
    calls: [],
    finish: reply.calls ? "tool_calls" : "stop",
    ...reply,
  };
  if (whole.thinking !== "") yield { type: "thinking_delta", text: whole.thinking };
  if (whole.text !== "") yield { type: "text_delta", text: whole.text };
  yield { type: "finished", reply: whole };
}

let nextCall = 1;

/** A usable call for a script. */
export function scriptedCall(
  name: string,
  args: Record<string, unknown>,
  id = `call_${nextCall++}`,
): ProposedCall {
  return { id, name, arguments: args, raw: JSON.stringify(args) };
}
