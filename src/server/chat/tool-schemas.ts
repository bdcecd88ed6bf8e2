/** Which schemas of a request's tools no grammar can keep: said in the log, or refused by name where the tool is strict. */
import type { ToolSchema } from "../../core/model.ts";
import { addSchema } from "../../engine/schema/compile.ts";
import { Grammar } from "../../engine/schema/grammar.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import type { ChatRequest } from "./chat-request.ts";

/** Tools stay the same from turn to turn, and looking at one takes some milliseconds. */
const known = new Map<string, string | undefined>();
const KNOWN_LIMIT = 256;

/**
 * One line for each tool of which something is not kept, the first time that it comes. Throws `ApiFailure` (400,
 * `schema_not_supported`) for a strict one: what a call's grammar leaves out nobody checks later, as the call is on its way by then.
 */
export function checkToolSchemas(
  { tools, toolChoice, allowedTools, strictTools = [] }: ChatRequest,
  log: (line: string) => void,
): void {
  if (toolChoice === "none") return;
  for (const tool of tools) {
    const { name } = tool.function;
    const isOffered =
      (typeof toolChoice === "string" || toolChoice.name === name) && allowedTools?.includes(name) !== false;
    if (!isOffered) continue;
    const strict = strictTools.includes(name);
    const fault = findFault(tool, { strict, log });
    if (strict && fault !== undefined) throw refuse(name, fault);
  }
}

function findFault(
  { function: { name, parameters } }: ToolSchema,
  { strict, log }: { strict: boolean; log: (line: string) => void },
): string | undefined {
  const key = JSON.stringify([name, parameters, strict]);
  if (known.has(key)) return known.get(key);
  const fault = describeFault(parameters, strict);
  if (known.size >= KNOWN_LIMIT) known.clear();
  known.set(key, fault);
  if (fault !== undefined && !strict) log(`The schema of the tool \`${name}\` is not kept: ${fault}.`);
  return fault;
}

function describeFault(
  parameters: ToolSchema["function"]["parameters"],
  strict: boolean,
): string | undefined {
  const schema = { type: "object", ...parameters };
  const result = addSchema(new Grammar(), schema, { strict, name: "arguments" });
  if (!result.ok) {
    const { keyword, path, why } = result.refusal;
    return `\`${keyword}\` at \`${path}\` ${why}`;
  }
  const left = [...result.unenforced, ...result.ignored].map((pointer) => `\`${pointer}\``);
  return left.length === 0 ? undefined : `no grammar can see to ${left.join(", ")}`;
}

function refuse(name: string, fault: string): ApiFailure {
  const message = `The schema of the strict tool \`${name}\` cannot be kept: ${fault}. Change it, or leave out \`strict\`.`;
  return new ApiFailure(toApiError(400, message, { code: "schema_not_supported", param: "tools" }));
}
