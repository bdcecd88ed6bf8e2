/**
 * What a custom tool says about itself, made into what a model may see. It comes from a process that may be hostile: it is built anew
 * from the few things that are known, and anything else that would change its meaning is refused.
 */
import type { JsonSchema } from "../../core/tool.ts";

export interface ToolDeclaration {
  description: string;
  /** A flat JSON Schema object of texts, numbers, booleans and lists of them. */
  parameters: JsonSchema;
  /** Most time for a call. */
  timeoutMs: number;
}

export type ParsedDeclaration = { ok: true; declaration: ToolDeclaration } | { ok: false; error: string };

const MAX_DESCRIPTION = 300;
const MAX_PARAMETERS_BYTES = 4_096;
const MAX_PARAMETERS = 20;
const MAX_PARAMETER_DESCRIPTION = 200;
const MAX_ENUM = 50;
const MAX_ENUM_CHARACTERS = 100;
const PARAMETER_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/;

export const CALL_TIMEOUT_MS = { default: 30_000, min: 1_000, max: 120_000 } as const;

/** Left out without harm: the tool can check these itself. */
const OVERLOOKED = new Set(
  "$schema title default examples minimum maximum exclusiveMinimum exclusiveMaximum minLength maxLength minItems maxItems uniqueItems format additionalProperties".split(
    " ",
  ),
);
const TYPES = new Set(["string", "integer", "number", "boolean", "array"]);

class Refused extends Error {}

/** Takes anything. What is refused is said in one line that names the field. */
export function parseDeclaration(value: unknown): ParsedDeclaration {
  try {
    const { description, parameters, timeoutSeconds } = toRecord(value, "the declaration");
    return {
      ok: true,
      declaration: {
        description: toDescription(description),
        parameters: toParameters(parameters),
        timeoutMs: toTimeoutMs(timeoutSeconds),
      },
    };
  } catch (error) {
    if (error instanceof Refused) return { ok: false, error: error.message };
    throw error;
  }
}

function toDescription(value: unknown): string {
  const text = typeof value === "string" ? toPlainLine(value, MAX_DESCRIPTION) : "";
  if (text !== "") return text;
  throw new Refused('`description` is missing: `export const description = "what the tool does"`');
}

/** One line without signs that cannot be seen or that change how the rest is read. */
function toPlainLine(text: string, maxCharacters: number): string {
  const plain = text
    .slice(0, maxCharacters * 8)
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .replaceAll(/[\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, "")
    .trim();
  return Array.from(plain).slice(0, maxCharacters).join("").trim();
}

function toParameters(value: unknown): JsonSchema {
  if (value === undefined || value === null) return { type: "object", properties: {} };
  const schema = toRecord(value, "`parameters`");
  refuseUnknownKeys(schema, "`parameters`", ["type", "properties", "required", "description"]);
  if (schema["type"] !== "object")
    throw new Refused('`parameters` must be a JSON Schema with type: "object"');
  const given = Object.entries(toRecord(schema["properties"] ?? {}, "`parameters.properties`"));
  if (given.length > MAX_PARAMETERS)
    throw new Refused(`\`parameters\` has ${given.length} properties, at most ${MAX_PARAMETERS} are allowed`);
  const properties: Record<string, JsonSchema> = {};
  for (const [name, property] of given)
    properties[toParameterName(name)] = toProperty(property, `\`${name}\``);
  const required = toRequired(schema["required"], properties);
  const parameters = { type: "object", properties, ...(required.length === 0 ? {} : { required }) };
  const bytes = Buffer.byteLength(JSON.stringify(parameters));
  if (bytes <= MAX_PARAMETERS_BYTES) return parameters;
  throw new Refused(`\`parameters\` has ${bytes} bytes, at most ${MAX_PARAMETERS_BYTES} are allowed`);
}

function toParameterName(name: string): string {
  if (PARAMETER_NAME.test(name) && !(name in {})) return name;
  throw new Refused(
    `the parameter name ${JSON.stringify(name.slice(0, 60))} cannot be used: use letters, digits and _, at most 40`,
  );
}

/** One level: a list holds only plain values, so that nothing here can be deep. */
function toProperty(value: unknown, field: string, { isItem = false } = {}): JsonSchema {
  const property = toRecord(value, field);
  refuseUnknownKeys(property, field, ["type", "description", "enum", "items"]);
  const values = property["enum"];
  const type = property["type"] ?? (values === undefined ? undefined : "string");
  if (typeof type !== "string" || !TYPES.has(type) || (isItem && type === "array"))
    throw new Refused(
      `${field} must have one of the types string, integer, number, boolean${isItem ? "" : " or array of these"}`,
    );
  const description = property["description"];
  return {
    type,
    ...(typeof description === "string" && !isItem
      ? { description: toPlainLine(description, MAX_PARAMETER_DESCRIPTION) }
      : {}),
    ...(values === undefined ? {} : { enum: toEnum(values, type, field) }),
    ...(type === "array"
      ? {
          items: toProperty(property["items"] ?? { type: "string" }, `the items of ${field}`, {
            isItem: true,
          }),
        }
      : {}),
  };
}

function toEnum(value: unknown, type: string, field: string): readonly string[] {
  const isText = (item: unknown): boolean =>
    typeof item === "string" &&
    item.length <= MAX_ENUM_CHARACTERS &&
    toPlainLine(item, MAX_ENUM_CHARACTERS) === item;
  if (
    type === "string" &&
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_ENUM &&
    value.every(isText)
  )
    return value as string[];
  throw new Refused(`the enum of ${field} must be a list of 1 to ${MAX_ENUM} short texts`);
}

function toRequired(value: unknown, properties: Readonly<Record<string, JsonSchema>>): string[] {
  if (value === undefined) return [];
  const isKnown = (name: unknown): name is string =>
    typeof name === "string" && Object.hasOwn(properties, name);
  if (Array.isArray(value) && value.length <= MAX_PARAMETERS && value.every(isKnown))
    return [...new Set(value)];
  throw new Refused("`required` must be a list of names that stand in `properties`");
}

function refuseUnknownKeys(value: Record<string, unknown>, field: string, known: readonly string[]): void {
  const unknown = Object.keys(value).find((key) => !known.includes(key) && !OVERLOOKED.has(key));
  if (unknown === undefined) return;
  throw new Refused(
    `${field} uses ${JSON.stringify(unknown.slice(0, 60))}, which a custom tool cannot have: keep the parameters flat and check the rest in the tool`,
  );
}

function toTimeoutMs(value: unknown): number {
  const { default: usual, min, max } = CALL_TIMEOUT_MS;
  if (value === undefined || value === null) return usual;
  if (typeof value === "number" && value * 1_000 >= min && value * 1_000 <= max) return value * 1_000;
  throw new Refused(`\`timeoutSeconds\` must be a number from ${min / 1_000} to ${max / 1_000}`);
}

function toRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Refused(`${what} must be an object`);
}
