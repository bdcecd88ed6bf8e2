/** The door of custom tools: programs of a workspace that a model may call. Which of them are trusted is decided elsewhere. */
import type { ToolSource } from "./connection.ts";
import { parseDeclaration, type ParsedDeclaration } from "./declaration.ts";
import { createToolHost, type ToolHostOptions } from "./tool-host.ts";

export type { ToolSource } from "./connection.ts";
export { createCustomTool, CUSTOM_PREFIX, type CustomTool, type CustomToolOptions } from "./custom-tool.ts";
export { parseDeclaration, type ParsedDeclaration, type ToolDeclaration } from "./declaration.ts";

/** Runs a tool's set-up in the sandbox to learn what it says about itself. Throws like `Sandbox.start`. */
export async function readDeclaration(
  source: ToolSource,
  { signal, ...options }: ToolHostOptions & { signal: AbortSignal },
): Promise<ParsedDeclaration> {
  await using host = createToolHost(source, options);
  const loaded = await host.declare({ signal });
  return loaded.ok ? parseDeclaration(loaded.declaration) : { ok: false, error: loaded.error };
}
