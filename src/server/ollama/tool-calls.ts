/** Tool calls as Ollama writes them: whole, with arguments as an object. */
import type { ToolCall } from "../../core/message.ts";
import { parseObject } from "../../core/json-object.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

export interface OllamaCall {
  id: string;
  function: { index: number; name: string; arguments: Record<string, unknown> };
}

/** `undefined` for a call that was cut off. */
export function toOllamaCall(
  call: { id: string; name: string; arguments: string },
  index: number,
): OllamaCall | undefined {
  const input = parseObject(call.arguments === "" ? "{}" : call.arguments);
  return input === undefined
    ? undefined
    : { id: call.id, function: { index, name: call.name, arguments: input } };
}

/** A cut call as the text that it is. */
export function toCutText({ name, arguments: input }: { name: string; arguments: string }): string {
  return `{"name": ${JSON.stringify(name)}, "arguments": ${input}`;
}

/** A call of the conversation so far. Throws `ApiFailure` (400) for arguments that are no object. */
export function toHistoryCall(
  call: { id?: string | null | undefined; function: { name: string; arguments?: unknown } },
  { id, param }: { id: string; param: string },
): ToolCall {
  const { name, arguments: input = {} } = call.function;
  const parsed = typeof input === "string" ? parseObject(input) : input;
  if (parsed === undefined) {
    const message = `\`${param}\` is \`${String(input).slice(0, 80)}\`, which is no JSON object.`;
    throw new ApiFailure(toApiError(400, message, { param }));
  }
  return { id: call.id || id, type: "function", function: { name, arguments: JSON.stringify(parsed) } };
}
