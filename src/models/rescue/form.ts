import type { ToolSchema } from "../../core/model.ts";
import type { Quotations } from "./quotation.ts";

/**
 * A way in which models write calls into their text when the server or its template does not turn them into native ones.
 * One file a family; `forms.ts` is the table.
 */
export interface CallForm {
  /** Shown in `ProposedCall.rescued`. */
  name: string;
  /** Literal beginnings; no other text can be a call of this form. Also what the live view holds back. */
  openers: readonly string[];
  /** What ends a block, for readers that must leave its inside alone; none: nothing marks the end. */
  closers: readonly string[];
  /** Reads the block that begins with an opener at `at`; `undefined` when it is not this form after all. */
  read(text: string, at: number, scope: FormScope): FoundBlock | undefined;
}

export interface FormScope {
  tools: readonly ToolSchema[];
  /** The model ended its answer by itself, so a missing last tag is a slip and not a cut. */
  complete: boolean;
  /** What the model was given and may only repeat. */
  quotations?: Quotations;
}

export interface FoundBlock {
  /** Where the block ends in the text. */
  end: number;
  calls: readonly WrittenCall[];
}

export interface WrittenCall {
  /** As written; empty when there was none to read. */
  name: string;
  /** Text of JSON, or an object. */
  arguments: unknown;
  /** What the model wrote. */
  raw: string;
  /** Why this call cannot be used although it was meant as one. */
  problem?: string;
}

export const CUT_OFF =
  "The call was cut off before it was complete and did not run. Send it again, in smaller parts if it was long.";

/** The declared parameters of a tool, by name. */
export function parametersOf(
  tools: readonly ToolSchema[],
  name: string,
): Readonly<Record<string, { type?: unknown }>> {
  const tool = tools.find((one) => one.function.name === name);
  return (tool?.function.parameters["properties"] ?? {}) as Record<string, { type?: unknown }>;
}

/** A value written as plain text, for a parameter whose declared type says what it stands for. */
export function toParameter(type: unknown, text: string): unknown {
  if (type === "string") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    const word = text.trim().toLowerCase();
    return word === "true" ? true : word === "false" ? false : word === "none" ? null : text;
  }
}

/** Steps over white space. */
export function skipSpace(text: string, at: number): number {
  const space = /\s*/y;
  space.lastIndex = at;
  return at + (space.exec(text)?.[0].length ?? 0);
}
