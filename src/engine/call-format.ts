/** How a model writes its tool calls, as its chat template shows, and the grammar that keeps it to that form. */
import type { JsonSchema } from "../core/tool.ts";
import type { ToolSchema } from "../core/model.ts";
import { createGrammarBuilder, toLiteral } from "./gbnf.ts";
import type { CallGrammar } from "./protocol.ts";

/**
 * `hermes`: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. `qwen_xml`: the same tags around
 * `<function=name><parameter=key>value</parameter></function>`. `text`: another form; the text is left as it is.
 */
export type CallFormat = "hermes" | "qwen_xml" | "text";

export const CALL_OPEN = "<tool_call>";
export const CALL_CLOSE = "</tool_call>";
export const THINK_OPEN = "<think>";
export const THINK_CLOSE = "</think>";

export function detectCallFormat(template: string): CallFormat {
  if (!template.includes(CALL_OPEN)) return "text";
  return template.includes("<function=") ? "qwen_xml" : "hermes";
}

export interface CallGrammarOptions {
  format: CallFormat;
  /** `required` and a name make the reply a call and nothing else. */
  choice: "auto" | "required" | { name: string };
  parallel: boolean;
}

/** `undefined` when nothing is to be constrained: no tools, or an optional call in a form without a grammar. */
export function toCallGrammar(
  tools: readonly ToolSchema[],
  { format, choice, parallel }: CallGrammarOptions,
): CallGrammar | undefined {
  const offered =
    typeof choice === "object" ? tools.filter((tool) => tool.function.name === choice.name) : tools;
  if (offered.length === 0 || (choice === "auto" && format !== "hermes")) return undefined;
  const calls = createGrammarBuilder();
  const call = calls.rule("call", offered.map((tool) => callRule(calls, tool)).join(" | "));
  const body = `ws ${call} ws ${toLiteral(CALL_CLOSE)}`;
  return {
    afterOpen: calls.toText(body),
    ...(choice === "auto" ? {} : { fromStart: calls.toText(`${toLiteral(CALL_OPEN)} ${body}`) }),
    open: CALL_OPEN,
    close: CALL_CLOSE,
    single: !parallel || typeof choice === "object",
  };
}

function callRule(builder: ReturnType<typeof createGrammarBuilder>, { function: tool }: ToolSchema): string {
  const parameters: JsonSchema = { type: "object", ...tool.parameters };
  const expression = builder.schema(parameters, `${tool.name}-args`);
  const name = toLiteral(JSON.stringify(tool.name));
  return builder.rule(
    `${tool.name}-call`,
    `"{" ws "\\"name\\"" ws ":" ws ${name} ws "," ws "\\"arguments\\"" ws ":" ws ${expression} ws "}"`,
  );
}
