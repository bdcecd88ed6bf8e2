/**
 * Tools of a Responses request, as a model knows them: functions, each under one name. What the call looks like on its way back
 * depends on what it was declared as: a function, a function in a namespace (Codex's MCP servers), or a tool that takes bare text.
 */
import * as z from "zod/mini";
import type { ToolSchema } from "../../core/model.ts";
import { parseField } from "../http/body.ts";
import type { ToolChoice } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

export interface ToolIdentity {
  type: "function" | "custom";
  name: string;
  namespace?: string;
}

export interface ToolTable {
  schemas: readonly ToolSchema[];
  /** Names of those whose schema must be kept to the letter. */
  strict: readonly string[];
  /** By the name that the model knows. */
  identities: ReadonlyMap<string, ToolIdentity>;
  choice: ToolChoice;
  /** As the response repeats them. */
  echo: readonly unknown[];
}

/** Codex declares these in every request and works without them; here nothing could run them. */
const IGNORED = /^(web_search(_preview)?(_\d{4}_\d{2}_\d{2})?|image_generation|tool_search|local_shell)$/;

/** Codex's name for what stands in no namespace. */
const DEFAULT_NAMESPACE = "functions";

const name = z.string().check(z.minLength(1));
const functionTool = z.object({
  name,
  description: z.nullish(z.string()),
  parameters: z.nullish(z.looseObject({})),
  strict: z.nullish(z.boolean()),
});
const customTool = z.object({
  name,
  description: z.nullish(z.string()),
  format: z.nullish(
    z.object({ type: z.string(), syntax: z.nullish(z.string()), definition: z.nullish(z.string()) }),
  ),
});
const typed = z.looseObject({ type: z.string() });
const namespaceTool = z.object({ name, tools: z.array(typed) });
const choice = z.union([
  z.enum(["none", "auto", "required"]),
  z.looseObject({ type: z.string(), name: z.optional(z.string()) }),
]);
const allowedTools = z.object({
  mode: z.nullish(z.enum(["auto", "required"])),
  tools: z.array(z.looseObject({ type: z.string(), name: z.optional(z.string()) })).check(z.maxLength(1_000)),
});

/** The name under which the model knows a tool. */
export function toModelName(tool: string, namespace: string | null | undefined): string {
  return namespace === null || namespace === undefined || namespace === "" || namespace === DEFAULT_NAMESPACE
    ? tool
    : `${namespace}__${tool}`;
}

/** `tools` and `tool_choice` of the body. Throws `ApiFailure` (400) that names the tool. */
export function parseTools(tools: readonly unknown[], toolChoice: unknown): ToolTable {
  const found = tools.flatMap((tool, index) => readTool(tool, ["tools", index]));
  // The newest declaration counts, as with arguments of any other kind.
  const byName = new Map(found.map((one) => [one.schema.function.name, one]));
  const all = [...byName.values()];
  const { choice: wanted, allowed } = readChoice(toolChoice, all);
  const kept = allowed === undefined ? all : all.filter((one) => allowed.has(one));
  return {
    schemas: kept.map(({ schema }) => schema),
    strict: kept.filter(({ isStrict }) => isStrict).map(({ schema }) => schema.function.name),
    identities: new Map(all.map(({ schema, identity }) => [schema.function.name, identity])),
    choice: wanted,
    echo: all.map((one) => one.echo),
  };
}

interface FoundTool {
  schema: ToolSchema;
  identity: ToolIdentity;
  /** It says so itself: what OpenAI takes for granted otherwise is more than clients mean. */
  isStrict: boolean;
  echo: unknown;
}

type Path = readonly (string | number)[];

function readTool(tool: unknown, at: Path, namespace?: string): FoundTool[] {
  const { type, ...rest } = parseField(tool, typed, at);
  // Chat completions have one level more, and some clients keep it.
  const fields = type === "function" && typeof rest["function"] === "object" ? rest["function"] : rest;
  if (type === "function") return [readFunction(parseField(fields, functionTool, at), namespace)];
  if (type === "custom") return [readCustom(parseField(fields, customTool, at), namespace)];
  if (type === "namespace" && namespace === undefined) {
    const { name: outer, tools } = parseField(rest, namespaceTool, at);
    return tools.flatMap((one, index) => readTool(one, [...at, "tools", index], outer));
  }
  if (IGNORED.test(type)) return [];
  const param = [...at, "type"].join(".");
  const message = `\`${param}\` is \`${type}\`: this server runs no tools itself. It takes the types \`function\`, \`custom\` and \`namespace\`.`;
  throw new ApiFailure(toApiError(400, message, { param, code: "unsupported" }));
}

function readFunction(
  { name: tool, description, parameters, strict }: z.output<typeof functionTool>,
  namespace: string | undefined,
): FoundTool {
  const schema = parameters ?? { type: "object", properties: {} };
  return {
    schema: toSchema(toModelName(tool, namespace), description ?? "", schema),
    identity: toIdentity("function", tool, namespace),
    isStrict: strict === true,
    echo: {
      type: "function",
      name: tool,
      description: description ?? null,
      parameters: schema,
      strict: strict ?? true,
      ...(namespace === undefined ? {} : { namespace }),
    },
  };
}

/** The text goes through a JSON string: the only form in which small models were taught to call. */
function readCustom(
  { name: tool, description, format }: z.output<typeof customTool>,
  namespace: string | undefined,
): FoundTool {
  const grammar =
    typeof format?.definition === "string"
      ? `\n\nThe input follows this ${format.syntax ?? ""} grammar:\n${format.definition}`
      : "";
  const schema = { type: "object", properties: { input: { type: "string" } }, required: ["input"] };
  return {
    schema: toSchema(toModelName(tool, namespace), `${description ?? ""}${grammar}`, schema),
    identity: toIdentity("custom", tool, namespace),
    isStrict: false,
    echo: {
      type: "custom",
      name: tool,
      description: description ?? null,
      format: format ?? { type: "text" },
    },
  };
}

function toSchema(tool: string, description: string, parameters: Record<string, unknown>): ToolSchema {
  return { type: "function", function: { name: tool, description, parameters } };
}

function toIdentity(type: ToolIdentity["type"], tool: string, namespace: string | undefined): ToolIdentity {
  return namespace === undefined || namespace === DEFAULT_NAMESPACE
    ? { type, name: tool }
    : { type, name: tool, namespace };
}

function readChoice(
  value: unknown,
  tools: readonly FoundTool[],
): { choice: ToolChoice; allowed?: ReadonlySet<FoundTool> } {
  if (value === undefined || value === null) return { choice: "auto" };
  const wanted = parseField(value, choice, ["tool_choice"]);
  if (wanted === "none" || wanted === "auto") return { choice: wanted };
  if (tools.length === 0)
    throw refuse("`tool_choice` asks for a call, but there are no `tools` that a client can run.");
  if (typeof wanted === "string") return { choice: wanted };
  if (wanted.type === "allowed_tools") {
    const { mode, tools: names } = parseField(wanted, allowedTools, ["tool_choice"]);
    const allowed = new Set(
      names.filter(({ type }) => !IGNORED.test(type)).map((one) => findTool(one, tools)),
    );
    return { choice: mode ?? "auto", allowed };
  }
  return { choice: { name: findTool(wanted, tools).schema.function.name } };
}

function findTool(
  { type, name: tool, ...rest }: { type: string; name?: string | undefined },
  tools: readonly FoundTool[],
): FoundTool {
  if (type !== "function" && type !== "custom")
    throw refuse(`\`tool_choice\` names the type \`${type}\`, which this server does not run.`);
  const nested = (rest as { function?: { name?: unknown } }).function?.name;
  const wanted = tool ?? (typeof nested === "string" ? nested : "");
  const found = tools.find(
    ({ identity, schema }) => identity.name === wanted || schema.function.name === wanted,
  );
  if (found === undefined) throw refuse(`\`tool_choice\` names \`${wanted}\`, which is not in \`tools\`.`);
  return found;
}

function refuse(message: string): ApiFailure {
  return new ApiFailure(toApiError(400, message, { param: "tool_choice" }));
}
