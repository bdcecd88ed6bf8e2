import type { AgentEvent } from "./events.ts";
import type { TokenMeter } from "./token-meter.ts";

/** Measures how fast a server reads and writes, for those that do not tell. */
export class ReplyTimer {
  readonly #meter: TokenMeter;
  readonly #now: () => number;
  #startedAt = 0;
  #firstDeltaAt: number | undefined;
  #newTokens = 0;

  constructor(meter: TokenMeter, now: () => number) {
    this.#meter = meter;
    this.#now = now;
  }

  /** A request goes out of which the server has to read so many tokens. */
  start(newTokens: number): void {
    this.#startedAt = this.#now();
    this.#firstDeltaAt = undefined;
    this.#newTokens = newTokens;
  }

  note(event: AgentEvent): void {
    if (event.type === "text_delta" || event.type === "thinking_delta" || event.type === "call_progress")
      this.#firstDeltaAt ??= this.#now();
    // Sent again after a pause: its time says nothing.
    if (event.type === "warning" && event.code === "retry") this.start(this.#newTokens);
    if (event.type !== "usage" || this.#firstDeltaAt === undefined) return;
    const { promptTokens, cachedTokens } = event.usage;
    const counted =
      promptTokens === undefined || cachedTokens === undefined ? undefined : promptTokens - cachedTokens;
    this.#meter.noteTimes(event.usage, {
      toFirstDeltaMs: this.#firstDeltaAt - this.#startedAt,
      fromFirstDeltaMs: this.#now() - this.#firstDeltaAt,
      newTokens: counted ?? this.#newTokens,
    });
  }
}
