/** Tools of a Messages request, and how a call is asked for. */
import * as z from "zod/mini";
import type { ToolSchema } from "../../core/model.ts";
import { parseField } from "../http/body.ts";
import type { ToolChoice } from "../chat/chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

const typed = z.looseObject({ type: z.nullish(z.string()) });
const customTool = z.object({
  name: z.string().check(z.minLength(1)),
  description: z.nullish(z.string()),
  input_schema: z.looseObject({}),
  strict: z.nullish(z.boolean()),
});

export const toolChoice = z.discriminatedUnion("type", [
  z.object({ type: z.literal("auto"), disable_parallel_tool_use: z.nullish(z.boolean()) }),
  z.object({ type: z.literal("any"), disable_parallel_tool_use: z.nullish(z.boolean()) }),
  z.object({
    type: z.literal("tool"),
    name: z.string(),
    disable_parallel_tool_use: z.nullish(z.boolean()),
  }),
  z.object({ type: z.literal("none") }),
]);

/** Throws `ApiFailure` (400) that names a tool which only Anthropic's servers, or its models, know. */
export function parseTools(tools: readonly unknown[]): {
  schemas: ToolSchema[];
  /** Names of those whose schema must be kept to the letter. */
  strict: string[];
} {
  const read = tools.map((tool, index) => {
    const { type } = parseField(tool, typed, ["tools", index]);
    if (typeof type === "string" && type !== "custom") throw refuseServerTool(type, index);
    return parseField(tool, customTool, ["tools", index]);
  });
  return {
    schemas: read.map(({ name, description, input_schema: parameters }) => ({
      type: "function",
      function: { name, description: description ?? "", parameters },
    })),
    strict: read.filter(({ strict }) => strict === true).map(({ name }) => name),
  };
}

function refuseServerTool(type: string, index: number): ApiFailure {
  const param = `tools.${index}.type`;
  const message = `\`${param}\` is \`${type}\`: this server runs no tools itself and knows no tools of Anthropic's. Declare it with a name and an \`input_schema\`.`;
  return new ApiFailure(toApiError(400, message, { param, code: "unsupported" }));
}

/** Throws `ApiFailure` (400) when it asks for what is not in `tools`. */
export function toChoice(
  choice: z.output<typeof toolChoice> | null | undefined,
  tools: readonly ToolSchema[],
): { toolChoice: ToolChoice; parallelCalls: boolean } {
  if (choice === null || choice === undefined) return { toolChoice: "auto", parallelCalls: true };
  if (choice.type === "none") return { toolChoice: "none", parallelCalls: true };
  const parallelCalls = choice.disable_parallel_tool_use !== true;
  if (choice.type === "auto") return { toolChoice: "auto", parallelCalls };
  if (tools.length === 0)
    throw refuse("`tool_choice` asks for a call, but there are no `tools`.", "tool_choice");
  if (choice.type === "any") return { toolChoice: "required", parallelCalls };
  const { name } = choice;
  if (tools.some((tool) => tool.function.name === name)) return { toolChoice: { name }, parallelCalls };
  throw refuse(
    `\`tool_choice.name\` is \`${name.slice(0, 80)}\`, which is not in \`tools\`.`,
    "tool_choice.name",
  );
}

function refuse(message: string, param: string): ApiFailure {
  return new ApiFailure(toApiError(400, message, { param }));
}
