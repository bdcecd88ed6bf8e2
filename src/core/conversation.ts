import type { AgentEvent } from "./events.ts";
import { NO_ANSWER, type AssistantMessage, type Message, type UserMessage } from "./message.ts";

const PAUSE = "(pause)";

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

  *add(message: Message, note?: "steering" | "follow_up" | "nudge"): Generator<AgentEvent, void, undefined> {
    // Strict templates want turns to alternate, calls and results apart.
    if (message.role === "user" && this.#lastSpeaker() === "user")
      yield* this.add({ role: "assistant", content: PAUSE, note: "nudge" });
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

  #lastSpeaker(): "user" | "assistant" | undefined {
    const last = this.#messages.findLast(
      (message) => message.role === "user" || (message.role === "assistant" && !message.tool_calls?.length),
    );
    return last?.role === "user" || last?.role === "assistant" ? last.role : undefined;
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
