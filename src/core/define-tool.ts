import type * as z from "zod/mini";
import { coerceToSchema } from "./coerce.ts";
import type {
  CallPreview,
  JsonSchema,
  ParsedArguments,
  Tool,
  ToolAccess,
  ToolContext,
  ToolResult,
} from "./tool.ts";

export interface ToolDefinition<Parameters extends z.ZodMiniObject> {
  name: string;
  /** As short as a small model can still use: every byte is paid for on each cold prompt. */
  description: string;
  /** Flat: small models fill flat schemas best. */
  parameters: Parameters;
  access: ToolAccess;
  /** Other names that models give a parameter, by its name; taken where the name itself is missing. */
  aliases?: Readonly<Record<string, readonly string[]>>;
  preview?: (input: z.output<Parameters>) => Promise<CallPreview>;
  execute: (input: z.output<Parameters>, context: ToolContext) => Promise<ToolResult>;
}

/** Makes a tool from a zod object: its JSON schema, its check and the types of `execute` come from one place. */
export function defineTool<Parameters extends z.ZodMiniObject>(definition: ToolDefinition<Parameters>): Tool {
  const { name, description, access, execute } = definition;
  const parameters = toObjectSchema(definition.parameters.def.shape);
  return {
    name,
    description,
    parameters,
    access,
    parse: (input) => parseArguments(definition.parameters, parameters, withNames(input, definition.aliases)),
    preview: async (input) =>
      definition.preview
        ? definition.preview(input as z.output<Parameters>)
        : { kind: "text", text: JSON.stringify(input), concerns: [] },
    execute: (input, context) => execute(input as z.output<Parameters>, context),
  };
}

/**
 * Only what a model needs to fill the form: no dialect marker, no bounds that grammars choke on. Written out for the few types
 * that flat parameters have, since zod's general conversion takes a third of a millisecond per tool at every start.
 */
function toObjectSchema(shape: z.core.$ZodShape): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  const required: string[] = [];
  for (const [name, parameter] of Object.entries(shape)) {
    const def = definitionOf(parameter);
    if (def.type !== "optional") required.push(name);
    properties[name] = toPropertySchema(def);
  }
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}) };
}

type Definition = z.core.$ZodTypes["_zod"]["def"];

function toPropertySchema(def: Definition): JsonSchema {
  switch (def.type) {
    case "string":
    case "boolean":
      return { type: def.type };
    case "number":
      return { type: "format" in def ? "integer" : "number" };
    case "enum":
      return { type: "string", enum: Object.values(def.entries) };
    case "array":
      return { type: "array", items: toPropertySchema(definitionOf(def.element)) };
    case "object":
      return toObjectSchema(def.shape);
    case "record":
      return { type: "object" };
    case "optional":
      return toPropertySchema(definitionOf(def.innerType));
    default:
      throw new TypeError(`A tool cannot have a parameter of the type ${def.type}.`);
  }
}

function definitionOf(schema: z.core.$ZodType): Definition {
  return (schema as z.core.$ZodTypes)._zod.def;
}

function withNames(input: unknown, aliases: Readonly<Record<string, readonly string[]>> = {}): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  const given = new Map<string, unknown>(Object.entries(input));
  const isMissing = (name: string): boolean => (given.get(name) ?? undefined) === undefined;
  const renamed = Object.entries(aliases).flatMap(([name, others]) => {
    const other = isMissing(name) ? others.find((each) => !isMissing(each)) : undefined;
    return other === undefined ? [] : [[name, given.get(other)] as const];
  });
  return renamed.length === 0 ? input : { ...input, ...Object.fromEntries(renamed) };
}

function parseArguments<Parameters extends z.ZodMiniObject>(
  parameters: Parameters,
  schema: JsonSchema,
  input: unknown,
): ParsedArguments<z.output<Parameters>> {
  const parsed = parameters.safeParse(coerceToSchema(schema, input));
  if (parsed.success) return { ok: true, arguments: parsed.data };
  return { ok: false, error: describeIssues(parsed.error.issues, schema, input) };
}

const KINDS: Readonly<Record<string, string>> = {
  string: "a text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
};

/** What is wrong, with what was given, and the whole form: a small model then gets it right more often than from the fault alone. */
function describeIssues(issues: readonly z.core.$ZodIssue[], schema: JsonSchema, input: unknown): string {
  const properties = schema["properties"] as Record<string, { type?: string; enum?: readonly string[] }>;
  const required = (schema["required"] ?? []) as readonly string[];
  const given = (typeof input === "object" && input !== null ? input : {}) as Record<string, unknown>;
  const problems = issues.map((issue) => {
    const [field] = issue.path;
    if (typeof field !== "string") return "the arguments must be a JSON object";
    if (given[field] === undefined || given[field] === null) return `\`${field}\` is missing`;
    if (issue.code === "too_small") return `\`${field}\` must be at least ${issue.minimum}`;
    const { type = "", enum: values } = properties[field] ?? {};
    const wanted = values ? `one of ${values.join(", ")}` : (KINDS[type] ?? "something else");
    return `\`${field}\` must be ${wanted}, not ${JSON.stringify(given[field]).slice(0, 80)}`;
  });
  const form = Object.entries(properties).map(
    ([key, { type = "any" }]) => `${key}${required.includes(key) ? "" : "?"}: ${type}`,
  );
  return `Invalid arguments: ${problems.join("; ")}. Expected {${form.join(", ")}}.`;
}
