/** Reads the inside of one `<tool_call>` block, once it is complete. */
import { isObject, parseObject } from "../../core/json-object.ts";
import { createJsonScanner } from "../../engine/json-scanner.ts";

export interface ParsedCall {
  name: string;
  /** JSON text of an object. */
  arguments: string;
}

/** `{"name": …, "arguments": {…}}` in any order; arguments that are JSON inside a string are unwrapped. */
export function parseJsonCall(text: string): ParsedCall | undefined {
  const call = parseObject(text);
  const name = call?.["name"];
  if (typeof name !== "string" || name === "") return undefined;
  const input = call?.["arguments"] ?? call?.["parameters"] ?? {};
  const unwrapped = typeof input === "string" ? parseObject(input) : input;
  return isObject(unwrapped) ? { name, arguments: JSON.stringify(unwrapped) } : undefined;
}

const FUNCTION = /^\s*<function=([^>\s]+)>([\s\S]*?)(?:<\/function>\s*)?$/;
const PARAMETER = /<parameter=([^>\s]+)>\n?([\s\S]*?)\n?<\/parameter>/g;

/** `<function=name><parameter=key>value</parameter></function>`: values are bare text, so the declared type decides how to read them. */
export function parseXmlCall(
  text: string,
  typeOf: (tool: string, parameter: string) => unknown,
): ParsedCall | undefined {
  const [, name, body] = FUNCTION.exec(text) ?? [];
  if (name === undefined || body === undefined) return undefined;
  const entries = [...body.matchAll(PARAMETER)].map(([, key, value]) => [
    key,
    toValue(value as string, typeOf(name, key as string)),
  ]);
  return { name, arguments: JSON.stringify(Object.fromEntries(entries)) };
}

/**
 * Whether the inside of a block is a call whose end is still to come: a value may contain the closing tag, and what was cut off is no
 * call. `complete`: nothing more may come, and a missing last tag is a slip.
 */
export function isOpenCall(text: string, { complete }: { complete: boolean }): boolean {
  const inside = text.trimStart();
  if (inside.startsWith("{")) return createJsonScanner().push(inside) === undefined;
  if (!inside.startsWith("<function=")) return false;
  const open = inside.lastIndexOf("<parameter=");
  if (open >= 0 && !inside.includes("</parameter>", open)) return true;
  return !complete && !inside.includes("</function>", Math.max(open, 0));
}

function toValue(text: string, type: unknown): unknown {
  if (type === "string") return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
