/**
 * Calls that a model writes into its text in another form than its template's: found by the same readers that the agent's client uses.
 * Text that is or may become such a call is held back; it comes out as a call, or as the text that it was.
 */
import type { ToolSchema } from "../../core/model.ts";
import { parseCallArguments } from "../../models/call-arguments.ts";
import type { FormedCall } from "../../models/rescue/marked.ts";
import { createTextGate } from "../../models/rescue/gate.ts";
import { createQuotations } from "../../models/rescue/quotation.ts";
import { rescueFromText, rescueFromThinking } from "../../models/rescue/rescue.ts";
import { resolveToolName } from "../../models/tool-names.ts";
import type { ParsedCall } from "./call-text.ts";

export interface CallRescue {
  /** Takes text and returns what is certainly no call. */
  push(text: string): string;
  /** Everything held, as text: a call has come in the template's form, so none is looked for any more. */
  release(): string;
  /** `complete`: the model came to its own end. What was cut off stays text. */
  flush(options: { complete: boolean }): { text: string; calls: ParsedCall[] };
  /** Calls with which thinking ends, for a reply that has nothing else. */
  fromThinking(thinking: string): ParsedCall[];
  /** Characters held back right now. */
  readonly held: number;
}

export interface CallRescueOptions {
  tools: readonly ToolSchema[];
  /** Tool results and user messages: a call that stands in one is a quotation. */
  sources: readonly string[];
}

export function createCallRescue(options: CallRescueOptions): CallRescue {
  return new TextCallRescue(options);
}

class TextCallRescue implements CallRescue {
  readonly #tools: readonly ToolSchema[];
  readonly #sources: readonly string[];
  readonly #gate;
  #text = "";
  /** The end of the text that nobody has seen yet. */
  #held = "";
  #begun = false;
  #released = false;

  constructor({ tools, sources }: CallRescueOptions) {
    this.#tools = tools;
    this.#sources = sources;
    this.#gate = createTextGate({ tools });
  }

  get held(): number {
    return this.#held.length;
  }

  push(text: string): string {
    this.#text += text;
    this.#held += text;
    if (this.#released) return this.#take(this.#held.length);
    const passed = this.#gate.push(text).length;
    if (passed === 0) return "";
    // The gate leaves out white space at the beginning.
    const lead = this.#begun ? 0 : this.#held.length - this.#held.trimStart().length;
    this.#begun = true;
    return this.#take(lead + passed);
  }

  release(): string {
    this.#released = true;
    return this.#take(this.#held.length);
  }

  flush({ complete }: { complete: boolean }): { text: string; calls: ParsedCall[] } {
    const rescue = this.#released
      ? { text: "", calls: [] }
      : rescueFromText(this.#text.trim(), this.#toScope(complete));
    const read = rescue.calls.map((call) => ({ call, parsed: this.#parse(call, complete) }));
    const calls = read.flatMap(({ parsed }) => (parsed === undefined ? [] : [parsed]));
    if (calls.length === 0) return { text: this.#take(this.#held.length), calls };
    const broken = read.filter(({ parsed }) => parsed === undefined).map(({ call }) => call.raw);
    const text = [rescue.text, ...broken].filter(Boolean).join("\n\n");
    const shown = this.#text.slice(0, this.#text.length - this.#held.length).trimStart();
    this.#held = "";
    return { text: text.startsWith(shown) ? text.slice(shown.length) : "", calls };
  }

  fromThinking(thinking: string): ParsedCall[] {
    return rescueFromThinking(thinking.trim(), this.#toScope(true)).flatMap((call) => {
      const parsed = this.#parse(call, true);
      return parsed === undefined ? [] : [parsed];
    });
  }

  #toScope(complete: boolean): Parameters<typeof rescueFromText>[1] {
    return { tools: this.#tools, complete, quotations: createQuotations(this.#sources) };
  }

  #parse(
    { name: written, arguments: given, problem }: FormedCall,
    complete: boolean,
  ): ParsedCall | undefined {
    if (problem !== undefined) return undefined;
    const resolved = resolveToolName(
      written,
      this.#tools.map((tool) => tool.function.name),
    );
    const args = parseCallArguments(given, { complete });
    if ("problem" in resolved || "problem" in args) return undefined;
    return { name: resolved.name, arguments: JSON.stringify(args.arguments) };
  }

  #take(length: number): string {
    const text = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return text;
  }
}
