import type { UserMessage } from "./message.ts";

/**
 * What the user says while a run is going. Steering is put in after the tool calls under way; follow-ups wait until
 * the run would end and then continue it.
 */
export class Inbox {
  #steering: UserMessage[] = [];
  #followUps: UserMessage[] = [];

  steer(text: string): void {
    this.#steering.push({ role: "user", content: text });
  }

  followUp(text: string): void {
    this.#followUps.push({ role: "user", content: text });
  }

  takeSteering(): UserMessage[] {
    const taken = this.#steering;
    this.#steering = [];
    return taken;
  }

  takeFollowUp(): UserMessage | undefined {
    return this.#followUps.shift();
  }

  /** Drops what was not taken: after an interrupt it belongs to the user again. */
  clear(): void {
    this.#steering = [];
    this.#followUps = [];
  }
}
