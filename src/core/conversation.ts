import type { AgentEvent } from "./events.ts";
import { messageText, NO_ANSWER, type AssistantMessage, type Message, type UserMessage } from "./message.ts";
import { isOwnRequest } from "./transcript.ts";

/** The messages of a run. They only get more, but for a compaction; each that joins is an event. */
export class Conversation {
  #messages: Message[];
  readonly #added: Message[] = [];

  constructor(messages: readonly Message[]) {
    this.#messages = [...messages];
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** What has joined, in order. */
  get added(): readonly Message[] {
    return this.#added;
  }

  get newestRequest(): string {
    const request = this.#messages.findLast(isOwnRequest);
    return request === undefined ? "" : messageText(request);
  }

  *add(message: Message, note?: "steering" | "follow_up" | "nudge"): Generator<AgentEvent, void, undefined> {
    this.take(message);
    yield { type: "message_added", message, ...(note === undefined ? {} : { note }) };
  }

  /** Two requests in a row are refused by templates that want turns to alternate. */
  *addRequest(message: UserMessage): Generator<AgentEvent, void, undefined> {
    if (this.#messages.at(-1)?.role === "user") yield* this.add({ role: "assistant", content: NO_ANSWER });
    yield* this.add(message);
  }

  /** Words of ours to the model, which no compaction has to keep. */
  *nudge(text: string): Generator<AgentEvent, void, undefined> {
    yield* this.add({ role: "user", content: text, note: "nudge" }, "nudge");
  }

  /** A message whose event somebody else has made. */
  take(message: Message): void {
    this.#messages.push(message);
    this.#added.push(message);
  }

  /** After a compaction. */
  replace(messages: readonly Message[]): void {
    this.#messages = [...messages];
  }
}

export function toInterruptedMessage(text: string): AssistantMessage {
  return { role: "assistant", content: `${text.trimEnd()}\n(interrupted)` };
}
