import type { ToolSchema } from "../../src/core/model.ts";

type Type = "string" | "integer" | "boolean" | "object";

function tool(name: string, properties: Record<string, Type>, required: string[] = []): ToolSchema {
  const typed = Object.fromEntries(Object.entries(properties).map(([key, type]) => [key, { type }]));
  return {
    type: "function",
    function: { name, description: name, parameters: { type: "object", properties: typed, required } },
  };
}

/** What the tests offer to the model. */
export const TOOLS: readonly ToolSchema[] = [
  tool("read", { path: "string", offset: "integer", limit: "integer" }, ["path"]),
  tool("write", { path: "string", content: "string" }, ["path", "content"]),
  tool("edit", { path: "string", old: "string", new: "string", all: "boolean" }, ["path", "old", "new"]),
  tool("shell", { command: "string", timeout: "integer" }, ["command"]),
  tool("git_status", {}),
  tool("get_time", {}),
  tool("todo_add", { text: "string", notes: "string" }, ["text"]),
  tool("ls", { path: "string" }),
];
