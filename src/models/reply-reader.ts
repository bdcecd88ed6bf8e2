import type { FinishReason, ModelEvent, ModelReply, ProposedCall, Usage } from "../core/model.ts";
import type { CallAssembler } from "./assemble-calls.ts";
import { createCallAssembler } from "./assemble-calls.ts";
import type { Delta } from "./completion.ts";
import type { CallScope } from "./proposed-call.ts";
import { toProposedCall, toRescuedCall } from "./proposed-call.ts";
import type { FormedCall } from "./rescue/marked.ts";
import type { TextGate } from "./rescue/gate.ts";
import { createTextGate } from "./rescue/gate.ts";
import { createQuotations } from "./rescue/quotation.ts";
import { rescueFromText, rescueFromThinking } from "./rescue/rescue.ts";
import type { ThinkingSegment } from "./thinking.ts";
import { ThinkingSplitter } from "./thinking.ts";
import { readForcedCall, readForcedName } from "./forced-call.ts";
import { mergeUsage } from "./usage.ts";

export interface ReplyReaderOptions extends Omit<CallScope, "complete"> {
  /** The text is a call, held to `toCallFormat`: nothing of it is for the user. */
  schemaCall?: boolean;
}

/** A held-back call shorter than this is not worth a sign of life. */
const SHOWN_CALL_CHARS = 80;

/**
 * Makes one reply out of frames. What is shown on the way is a preview that never shows a call; the reply itself is made
 * from the whole text at the end, so that it does not depend on how the text was cut into pieces.
 */
export class ReplyReader {
  readonly #options: ReplyReaderOptions;
  readonly #splitter = new ThinkingSplitter();
  readonly #assembler: CallAssembler;
  #gate: TextGate;
  #text = "";
  #shown = "";
  #thinking = "";
  #begun = false;
  #finish: FinishReason | undefined;
  #usage: Usage | undefined;
  #failure: string | undefined;

  constructor(options: ReplyReaderOptions) {
    this.#options = options;
    this.#assembler = createCallAssembler(options.tools.map((tool) => tool.function.name));
    this.#gate = this.#createGate();
  }

  /** Something of a reply has come: sending the request again would show it twice. */
  get begun(): boolean {
    return this.#begun;
  }

  /** The server has given a reason for the end. */
  get finished(): boolean {
    return this.#finish !== undefined;
  }

  /** What the server said when it broke off; nothing that came so far is complete then, whatever reason for the end it gave. */
  noteFailure(words: string): void {
    this.#failure = words;
    this.#finish = undefined;
  }

  /** Takes one frame and returns what to show for it. */
  take(delta: Delta): ModelEvent[] {
    const { text, thinking, calls, progress, finish, usage } = delta;
    this.#begun ||= text !== "" || thinking !== "" || calls.length > 0;
    this.#finish = finish ?? this.#finish;
    if (usage) this.#usage = mergeUsage(this.#usage, usage);
    const events: ModelEvent[] = progress ? [{ type: "prefill_progress", ...progress }] : [];
    if (thinking !== "") events.push(this.#takeThinking(thinking));
    if (text !== "") events.push(...this.#splitter.push(text).flatMap((one) => this.#takeSegment(one)));
    for (const call of calls) events.push({ type: "call_progress", ...this.#assembler.push(call) });
    return events;
  }

  /** The last events. `ended`: the server itself said that the reply is over. */
  end({ ended }: { ended: boolean }): ModelEvent[] {
    const events = this.#splitter.end().flatMap((one) => this.#takeSegment(one));
    const reply = this.#toReply(this.#finish ?? (ended ? "stop" : "cut"));
    const rest = reply.text.startsWith(this.#shown) ? reply.text.slice(this.#shown.length) : "";
    if (rest !== "") events.push({ type: "text_delta", text: rest });
    if (this.#usage) events.push({ type: "usage", usage: this.#usage });
    return [...events, { type: "finished", reply }];
  }

  #createGate(): TextGate {
    return createTextGate({ tools: this.#options.tools });
  }

  #takeThinking(text: string): ModelEvent {
    this.#thinking += text;
    return { type: "thinking_delta", text };
  }

  #takeSegment(segment: ThinkingSegment): ModelEvent[] {
    if (segment.type === "thinking") return [this.#takeThinking(segment.text)];
    if (segment.type === "reclassify") {
      this.#thinking += this.#text;
      this.#text = "";
      this.#shown = "";
      this.#gate = this.#createGate();
      return [];
    }
    this.#text += segment.text;
    if (this.#options.schemaCall) {
      return [{ type: "call_progress", name: readForcedName(this.#text), bytes: this.#text.length }];
    }
    const ready = this.#gate.push(segment.text);
    this.#shown += ready;
    if (ready !== "") return [{ type: "text_delta", text: ready }];
    const { heldChars, heldName } = this.#gate;
    return heldChars > SHOWN_CALL_CHARS ? [{ type: "call_progress", name: heldName, bytes: heldChars }] : [];
  }

  #toReply(finish: FinishReason): ModelReply {
    const scope = {
      ...this.#options,
      complete: finish === "stop" || finish === "tool_calls",
      quotations: createQuotations(this.#options.sources ?? []),
    };
    const native = this.#assembler.end().map((call) => toProposedCall(call, scope));
    const { text, calls: written } = this.#readWritten(native, scope);
    const calls = [...native, ...written];
    const thinking = this.#thinking.trim();
    if (calls.length === 0 && text === "" && scope.complete) {
      calls.push(...rescueFromThinking(thinking, scope).map((call) => toRescuedCall(call, scope)));
    }
    return {
      text,
      thinking,
      calls,
      finish: toFinish(finish, calls),
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }

  #readWritten(native: readonly ProposedCall[], scope: CallScope): { text: string; calls: ProposedCall[] } {
    const forced = this.#options.schemaCall ? readForcedCall(this.#text, scope) : undefined;
    if (forced) return { text: "", calls: native.length > 0 ? [] : [forced] };
    const { text, calls } = rescueFromText(this.#text.trim(), scope);
    return { text, calls: toNewCalls(calls, native, scope) };
  }
}

/** Some servers leave a call in the text that they also deliver as a native one. */
function toNewCalls(
  written: readonly FormedCall[],
  native: readonly ProposedCall[],
  scope: CallScope,
): ProposedCall[] {
  const known = new Set(native.map(toSignature));
  return written.map((call) => toRescuedCall(call, scope)).filter((call) => !known.has(toSignature(call)));
}

function toSignature({ name, arguments: args, raw }: ProposedCall): string {
  return JSON.stringify([name, args ?? raw]);
}

function toFinish(finish: FinishReason, calls: readonly ProposedCall[]): FinishReason {
  if (finish !== "stop" && finish !== "tool_calls") return finish;
  return calls.length > 0 ? "tool_calls" : "stop";
}
