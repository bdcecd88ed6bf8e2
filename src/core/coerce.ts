import type { JsonSchema } from "./tool.ts";

/**
 * Accepts what small models plainly mean: "5" for 5, "true" for true, null for an absent optional field, one string for a list of
 * strings, "In progress" for a choice `in_progress`, and the same within lists. Anything else is left for the check to refuse.
 */
export function coerceToSchema(schema: JsonSchema, input: unknown): unknown {
  if (input === undefined || input === null) return {};
  if (typeof input !== "object" || Array.isArray(input)) return input;
  const properties = (schema["properties"] ?? {}) as Record<string, JsonSchema>;
  const required = new Set((schema["required"] ?? []) as string[]);
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(input)) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (property === undefined) continue;
    if (value === null && !required.has(key)) continue;
    result[key] = coerceValue(property, value);
  }
  return result;
}

function coerceValue(schema: JsonSchema, value: unknown): unknown {
  const type = schema["type"];
  if ((type === "integer" || type === "number") && typeof value === "string") return toNumber(value);
  if (type === "boolean" && typeof value === "string") return toBoolean(value);
  if (typeof value === "string" && Array.isArray(schema["enum"])) return toChoice(value, schema["enum"]);
  if (type === "string" && (typeof value === "number" || typeof value === "boolean")) return String(value);
  if (type === "array") return coerceList(schema, typeof value === "string" ? toList(value) : value);
  if (type === "object" && typeof value === "string") return toObject(value);
  return value;
}

function coerceList(schema: JsonSchema, value: unknown): unknown {
  const items = schema["items"];
  if (!Array.isArray(value) || typeof items !== "object" || items === null) return value;
  return value.map((item) => coerceValue(items as JsonSchema, item));
}

function toChoice(text: string, choices: readonly unknown[]): unknown {
  if (choices.includes(text)) return text;
  const plain = text
    .trim()
    .toLowerCase()
    .replace(/[\s-]+/g, "_");
  return choices.find((choice) => choice === plain) ?? text;
}

function toNumber(text: string): number | string {
  return /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;
}

function toBoolean(text: string): boolean | string {
  const lower = text.trim().toLowerCase();
  return lower === "true" ? true : lower === "false" ? false : text;
}

function toList(text: string): unknown {
  if (!text.trimStart().startsWith("[")) return [text];
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return [text];
  }
}

function toObject(text: string): unknown {
  if (!text.trimStart().startsWith("{")) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
