import { coerceToSchema } from "../../core/coerce.ts";
import type { JsonSchema, ParsedArguments } from "../../core/tool.ts";

interface Property {
  type: string;
  enum?: readonly string[];
  items?: Property;
}

const KINDS: Readonly<Record<string, string>> = {
  string: "a text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
};

/** Checks arguments against parameters that `parseDeclaration` made; the words are those that built-in tools use. */
export function checkArguments(
  parameters: JsonSchema,
  input: unknown,
): ParsedArguments<Record<string, unknown>> {
  const properties = parameters["properties"] as Readonly<Record<string, Property>>;
  const required = (parameters["required"] ?? []) as readonly string[];
  const given = coerceToSchema(parameters, input);
  const problems =
    typeof given !== "object" || given === null || Array.isArray(given)
      ? ["the arguments must be a JSON object"]
      : findProblems(given as Record<string, unknown>, properties, required);
  if (problems.length === 0) return { ok: true, arguments: given as Record<string, unknown> };
  const form = Object.entries(properties).map(
    ([name, { type }]) => `${name}${required.includes(name) ? "" : "?"}: ${type}`,
  );
  return {
    ok: false,
    error: `Invalid arguments: ${problems.join("; ")}. Expected {${form.join(", ")}}.`,
  };
}

function findProblems(
  given: Readonly<Record<string, unknown>>,
  properties: Readonly<Record<string, Property>>,
  required: readonly string[],
): string[] {
  const missing = required
    .filter((name) => given[name] === undefined || given[name] === null)
    .map((name) => `\`${name}\` is missing`);
  const wrong = Object.entries(given)
    .filter(([name, value]) => value !== null && !fits(value, properties[name] as Property))
    .map(([name, value]) => {
      const { type, enum: values, items } = properties[name] as Property;
      const kind = items === undefined ? KINDS[type] : `a list of ${items.type}`;
      const wanted = values === undefined ? kind : `one of ${values.join(", ")}`;
      return `\`${name}\` must be ${wanted}, not ${JSON.stringify(value).slice(0, 80)}`;
    });
  return [...missing, ...wrong];
}

function fits(value: unknown, property: Property): boolean {
  switch (property.type) {
    case "string":
      return typeof value === "string" && (property.enum?.includes(value) ?? true);
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    case "boolean":
      return typeof value === "boolean";
    default:
      return Array.isArray(value) && value.every((item) => fits(item, property.items as Property));
  }
}
