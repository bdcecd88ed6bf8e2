/** Calls and their results as short signatures: what can be compared over a long run without being kept. */
import { toCanonicalJson } from "./digest.ts";
import { fingerprint } from "./fingerprint.ts";
import type { ToolAccess, ToolResult } from "./tool.ts";

export interface ObservedCall {
  name: string;
  access: ToolAccess | "unknown";
  /** Of call and result together, from `signCall`. */
  signature: string;
  /** Of the result without what the call itself said, so that an echo is nothing new. */
  resultSignature: string;
  ok: boolean;
  /** For the user and the model: the call in few words. */
  label: string;
  /** Of a failed call: its error without names and numbers. */
  error?: string;
  /** A command that lets time pass before it looks. */
  waits?: true;
}

/** `sleep 30; cat build.log`: a second or more. */
const WAITING = /(?:^|[\s;&|({])sleep\s+0*[1-9]/;
const LABEL_CHARS = 60;
const MAX_ECHOED = 20;

/** What the detector needs to know of a call and its result. `signature`: of an earlier result, when this one was not fetched anew. */
export function observeCall(
  call: { id: string; name: string; arguments: unknown },
  {
    result,
    access,
    signature,
  }: { result: ToolResult; access: ToolAccess | "unknown"; signature?: string | undefined },
): ObservedCall {
  const own = signCall(call, result);
  // What a list of our own says in numbers is how far it is, not an echo.
  const numbers = access !== "control";
  return {
    name: call.name,
    access,
    ok: result.ok,
    signature: signature ?? own,
    resultSignature: fingerprint(
      `${call.name} ${withoutEcho(toResultText(call, result), call.arguments, { numbers })}`,
    ),
    label: labelOf(call),
    ...(access === "execute" && isWaiting(call.arguments) ? { waits: true } : {}),
    ...(result.ok ? {} : { error: fingerprint(withoutNames(withoutEcho(result.error, call.arguments))) }),
  };
}

/** The same for the same call with the same result. */
export function signCall(call: { id: string; name: string; arguments: unknown }, result: ToolResult): string {
  return fingerprint(`${call.name} ${toCanonicalJson(call.arguments)} ${toResultText(call, result)}`);
}

/** The path of a saved output holds the id of its call, which is another one each time. */
function toResultText({ id }: { id: string }, result: ToolResult): string {
  const text = toCanonicalJson(result);
  return id.length < 4 ? text : text.replaceAll(id, "");
}

function isWaiting(args: unknown): boolean {
  const command = typeof args === "object" && args !== null && "command" in args ? args.command : undefined;
  return typeof command === "string" && WAITING.test(command);
}

/** Takes the texts of the arguments, and their numbers too, out of what came back. */
function withoutEcho(text: string, args: unknown, { numbers = true } = {}): string {
  if (typeof args !== "object" || args === null) return text;
  let rest = text;
  for (const value of Object.values(args).slice(0, MAX_ECHOED)) {
    const echoed = typeof value === "number" && numbers ? String(value) : value;
    if (typeof echoed !== "string" || echoed === "") continue;
    rest = rest.replaceAll(JSON.stringify(echoed).slice(1, -1), "").replaceAll(echoed, "");
  }
  return rest;
}

function withoutNames(error: string): string {
  return error.replace(/`[^`]*`|"[^"]*"|'[^']*'|\S*[/\\.]\S+|\d+/g, "_");
}

/** A call in few words: its tool and the first thing it names. */
function labelOf({ name, arguments: args }: { name: string; arguments: unknown }): string {
  const values = typeof args === "object" && args !== null ? Object.values(args) : [];
  const first = values.find((value) => typeof value === "string" && value.trim() !== "");
  if (typeof first !== "string") return `\`${name}\``;
  const [line = ""] = first.trim().split("\n");
  return `\`${name}\` (${line.length > LABEL_CHARS ? `${line.slice(0, LABEL_CHARS).replace(/[\uD800-\uDBFF]$/, "")}…` : line})`;
}
