/** The requests of one run: what of the conversation is sent, and how results reach it. */
import type { RequestChanges } from "./call-review.ts";
import { PrefixContract, selectMessages, toResultForm } from "./context.ts";
import type { Conversation } from "./conversation.ts";
import type { AgentEvent } from "./events.ts";
import type { ModelInfo, ModelRequest, ToolSchema } from "./model.ts";
import type { ResultForm } from "./result.ts";
import type { RunOptions } from "./run-options.ts";

export class ContextWindow {
  readonly #prefix = new PrefixContract();
  readonly #options: RunOptions;
  readonly #conversation: Conversation;
  readonly #info: ModelInfo;
  readonly #tools: readonly ToolSchema[];

  constructor(
    options: RunOptions,
    {
      conversation,
      info,
      tools,
    }: { conversation: Conversation; info: ModelInfo; tools: readonly ToolSchema[] },
  ) {
    this.#options = options;
    this.#conversation = conversation;
    this.#info = info;
    this.#tools = tools;
  }

  get results(): ResultForm {
    return toResultForm(this.#info);
  }

  /** The next request. */
  *next(changes: RequestChanges): Generator<AgentEvent, ModelRequest, undefined> {
    const { profile } = this.#info;
    const request = this.#toRequest(changes);
    const bytes = this.#prefix.check(request.messages, request.tools);
    if (bytes > 0)
      yield {
        type: "prefix_broken",
        why: `the \`${profile.name}\` profile sends only the newest request`,
        bytes,
      };
    return request;
  }

  #toRequest(changes: RequestChanges): ModelRequest {
    const { profile } = this.#info;
    const { slot } = this.#options;
    const temperature = profile.temperature ?? this.#options.temperature;
    return {
      messages: [...selectMessages(this.#conversation.messages, profile)],
      tools: this.#tools,
      ...(temperature === undefined ? {} : { temperature }),
      ...(profile.maxTokens === undefined ? {} : { maxTokens: profile.maxTokens }),
      ...(slot === undefined ? {} : { slot }),
      ...changes,
    };
  }
}
