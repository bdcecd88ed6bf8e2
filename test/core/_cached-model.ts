import type { Message } from "../../src/core/message.ts";
import type { Model, ModelReply, ModelRequest } from "../../src/core/model.ts";
import { AgentError } from "../../src/core/errors.ts";
import { createPromptCache } from "../../src/testing/prompt-cache.ts";

export interface CachedModel extends Model {
  readonly requests: readonly ModelRequest[];
  /** Tokens (a quarter of the bytes) that were not at the beginning of what was read before. */
  readonly evaluated: number;
  readonly overflows: number;
}

export type Answer = (request: ModelRequest, turn: number) => Partial<ModelReply>;

/** A server with one slot and a perfect prefix cache, that refuses what does not fit. */
export function createCachedModel(contextTokens: number, answer: Answer): CachedModel {
  const requests: ModelRequest[] = [];
  const cache = createPromptCache();
  let evaluated = 0;
  let overflows = 0;
  return {
    id: "cached",
    requests,
    get evaluated() {
      return evaluated;
    },
    get overflows() {
      return overflows;
    },
    describe: async () => ({
      id: "cached",
      server: "llama-server",
      baseUrl: "",
      contextTokens,
      profile: { name: "default" },
    }),
    async *stream(request) {
      const text = JSON.stringify(request.tools) + request.messages.map(toText).join("");
      const promptTokens = cache.toTokens(text);
      if (promptTokens > contextTokens) {
        overflows += 1;
        throw new AgentError("context_overflow", "too long", { data: { promptTokens, contextTokens } });
      }
      const { cachedTokens } = cache.read(text);
      evaluated += promptTokens - cachedTokens;
      requests.push(request);
      const turn = requests.filter(({ toolChoice }) => toolChoice !== "none").length;
      const reply: ModelReply = {
        text: "",
        thinking: "",
        calls: [],
        finish: "stop",
        ...answer(request, turn),
      };
      yield {
        type: "usage",
        usage: {
          promptTokens,
          cachedTokens,
          completionTokens: 20,
          prefillTokensPerSecond: 100,
        },
      };
      yield { type: "finished", reply };
    },
  };
}

export function toText(message: Message): string {
  return JSON.stringify(message, (key, value: unknown) => (key === "note" ? undefined : value));
}
