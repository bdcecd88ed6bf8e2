import type { AgentEvent } from "./events.ts";
import { messageText, type AssistantMessage, type Message, type UserMessage } from "./message.ts";

/** The messages of a run. They only get more, and each that joins is an event. */
export class Conversation {
  #messages: Message[];
  readonly #before: number;

  constructor(messages: readonly Message[]) {
    this.#messages = [...messages];
    this.#before = messages.length;
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** What has joined, in order. */
  get added(): readonly Message[] {
    return this.#messages.slice(this.#before);
  }

  get newestRequest(): string {
    const request = this.#messages.findLast(({ role }) => role === "user");
    return request === undefined ? "" : messageText(request);
  }

  *add(message: Message, note?: "steering" | "follow_up" | "nudge"): Generator<AgentEvent, void, undefined> {
    this.#messages.push(message);
    yield { type: "message_added", message, ...(note === undefined ? {} : { note }) };
  }

  /** Two requests in a row are refused by templates that want turns to alternate. */
  *addRequest(message: UserMessage): Generator<AgentEvent, void, undefined> {
    if (this.#messages.at(-1)?.role === "user")
      yield* this.add({ role: "assistant", content: "(interrupted)" });
    yield* this.add(message);
  }

  /** Words of ours to the model, which no compaction has to keep. */
  *nudge(text: string): Generator<AgentEvent, void, undefined> {
    yield* this.add({ role: "user", content: text, note: "nudge" }, "nudge");
  }

  /** A message whose event somebody else has made. */
  take(message: Message): void {
    this.#messages.push(message);
  }
}

export function toInterruptedMessage(text: string): AssistantMessage {
  return { role: "assistant", content: `${text.trimEnd()}\n(interrupted)` };
}
