/** Tools and which of them may be called: OpenAI's fields, the old ones (`functions`, `function_call`) included. */
import * as z from "zod/mini";
import type { ToolSchema } from "../../core/model.ts";
import type { ChatRequest, ToolChoice } from "../chat/chat-request.ts";
import { refuse } from "./refuse.ts";

const optional = z.nullish;
const named = z.object({ name: z.string() });
const choiceOfFunction = z.object({ type: z.literal("function"), function: named });

const functionSchema = z.object({
  name: z.string().check(z.minLength(1)),
  description: optional(z.string()),
  parameters: optional(z.looseObject({})),
  strict: optional(z.boolean()),
});

export const toolFields = {
  tools: optional(z.array(z.object({ type: z.literal("function"), function: functionSchema }))),
  tool_choice: optional(
    z.union([
      z.enum(["none", "auto", "required"]),
      choiceOfFunction,
      z.object({
        type: z.literal("allowed_tools"),
        allowed_tools: z.object({ mode: z.enum(["auto", "required"]), tools: z.array(choiceOfFunction) }),
      }),
    ]),
  ),
  parallel_tool_calls: optional(z.boolean()),
  functions: optional(z.array(functionSchema)),
  function_call: optional(z.union([z.enum(["none", "auto"]), named])),
};

const parsed = z.object(toolFields);
type Fields = z.output<typeof parsed>;

/** Throws `ApiFailure` (400) for a choice among tools that are not there. */
export function toTools(body: Fields): Pick<
  ChatRequest,
  "tools" | "toolChoice" | "allowedTools" | "strictTools" | "parallelCalls"
> & {
  legacy: boolean;
} {
  const { functions, tools: given } = body;
  const legacy = (functions ?? []).length > 0 && (given ?? []).length === 0;
  const declared = legacy ? (functions ?? []) : (given ?? []).map((one) => one.function);
  const tools = declared.map(toTool);
  const strictTools = declared.filter(({ strict }) => strict === true).map(({ name }) => name);
  const choice = legacy ? toModernChoice(body.function_call) : body.tool_choice;
  const field = legacy ? "function_call" : "tool_choice";
  return {
    tools,
    ...toChoice(choice, tools, field),
    ...(strictTools.length === 0 ? {} : { strictTools }),
    // There is one place for a call in the old form.
    parallelCalls: !legacy && (body.parallel_tool_calls ?? true),
    legacy,
  };
}

function toModernChoice(choice: Fields["function_call"]): Fields["tool_choice"] {
  if (typeof choice !== "object" || choice === null) return choice;
  return { type: "function", function: choice };
}

function toChoice(
  choice: Fields["tool_choice"],
  tools: readonly ToolSchema[],
  field: string,
): { toolChoice: ToolChoice; allowedTools?: string[] } {
  if (choice === undefined || choice === null) return { toolChoice: "auto" };
  if (choice === "none" || choice === "auto") return { toolChoice: choice };
  if (tools.length === 0) throw refuse(`\`${field}\` asks for a call, but there are no \`tools\`.`, field);
  if (typeof choice === "string") return { toolChoice: choice };
  if (choice.type === "function") {
    const param = field === "function_call" ? `${field}.name` : `${field}.function.name`;
    return { toolChoice: { name: findTool(choice.function.name, tools, param) } };
  }
  const { mode, tools: allowed } = choice.allowed_tools;
  if (allowed.length === 0) return { toolChoice: "none" };
  const names = allowed.map((one, at) =>
    findTool(one.function.name, tools, `${field}.allowed_tools.tools.${at}.function.name`),
  );
  return { toolChoice: mode, allowedTools: names };
}

function findTool(name: string, tools: readonly ToolSchema[], param: string): string {
  if (tools.some((one) => one.function.name === name)) return name;
  throw refuse(`\`${param}\` is \`${name.slice(0, 80)}\`, which is not in \`tools\`.`, param);
}

function toTool({ name, description, parameters }: z.output<typeof functionSchema>): ToolSchema {
  return {
    type: "function",
    function: {
      name,
      description: description ?? "",
      parameters: parameters ?? { type: "object", properties: {} },
    },
  };
}
