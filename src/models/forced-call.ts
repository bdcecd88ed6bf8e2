/**
 * A call that must come: by tool choice where a server can do that, else by a JSON schema that only a call fits. What a server refuses,
 * or takes and does not do, is not tried again.
 */
import type { ProposedCall, ServerKind, ToolSchema } from "../core/model.ts";
import type { CallScope } from "./proposed-call.ts";
import { toRescuedCall } from "./proposed-call.ts";
import { parseCallArguments } from "./call-arguments.ts";
import { CUT_OFF } from "./rescue/form.ts";

export type CallForce = "tool_choice" | "json_schema";

/**
 * The ways to force a call, the surest first. LM Studio takes `required` and then answers with nothing (lmstudio-bug-tracker#1904), Ollama
 * ignores it (ollama/ollama#11171). llama-server lets any text come before the call that it requires, and a weak model ends there; a
 * schema holds from the first token after the thinking. In all of them the prompt stays the same.
 */
const WAYS: Readonly<Partial<Record<ServerKind, readonly CallForce[]>>> = {
  lmstudio: ["json_schema"],
  ollama: ["json_schema"],
  "llama-server": ["json_schema", "tool_choice"],
};
const USUAL_WAYS: readonly CallForce[] = ["tool_choice", "json_schema"];

export interface ForceChoice {
  server: ServerKind | undefined;
  /** What a probe has found; absent: not probed. */
  found: CallForce | "none" | undefined;
  /** Ways that came to nothing with this server. */
  failed: ReadonlySet<CallForce>;
}

/** `undefined`: ask without force. */
export function chooseForce({ server, found, failed }: ForceChoice): CallForce | undefined {
  if (found === "none") return undefined;
  const ways = (server === undefined ? undefined : WAYS[server]) ?? USUAL_WAYS;
  const preferred = found !== undefined && !failed.has(found) ? found : undefined;
  return preferred ?? ways.find((way) => !failed.has(way));
}

/** `response_format` that only one call fits. The name stands with its own parameters, so that they cannot be mixed up. */
export function toCallFormat(tools: readonly ToolSchema[]): unknown {
  const calls = tools.map(({ function: { name, parameters } }) => ({
    type: "object",
    properties: { name: { const: name }, arguments: toInnerSchema(parameters) },
    required: ["name", "arguments"],
    additionalProperties: false,
  }));
  const schema = calls.length === 1 ? calls[0] : { type: "object", anyOf: calls };
  return { type: "json_schema", json_schema: { name: "tool_call", strict: true, schema } };
}

/** References count from the root of the whole schema, where they would point at nothing now. */
function toInnerSchema(parameters: unknown): unknown {
  return JSON.stringify(parameters ?? {}).includes('"$ref":') ? { type: "object" } : parameters;
}

/** How many characters the name of a call may be away from its beginning. */
const NAME_CHARS = 200;

/** The tool that the beginning of such a reply names; empty when it does not yet. */
export function readForcedName(text: string): string {
  return /"name"\s*:\s*"([^"\\]*)"/.exec(text.slice(0, NAME_CHARS))?.[1] ?? "";
}

/** The call that a reply held to `toCallFormat` is; `undefined` when it is text after all, since the server did not hold it. */
export function readForcedCall(text: string, scope: CallScope): ProposedCall | undefined {
  const body = text.replace(/^\s*```\w*\s*/, "").trim();
  if (!body.startsWith("{")) return undefined;
  const form = "JSON schema";
  const raw = text.trim();
  if (!scope.complete) {
    return toRescuedCall(
      { name: readForcedName(body), arguments: undefined, raw, form, problem: CUT_OFF },
      scope,
    );
  }
  const read = parseCallArguments(body.replace(/\s*```\s*$/, ""), { complete: true });
  if ("problem" in read) {
    return toRescuedCall(
      { name: readForcedName(body), arguments: undefined, raw, form, problem: read.problem },
      scope,
    );
  }
  const { name, arguments: args } = read.arguments;
  if (typeof name !== "string") return undefined;
  return toRescuedCall({ name, arguments: args, raw, form }, scope);
}
