import type { PermissionMode, RememberedCalls, RememberScope } from "./approval.ts";
import { AgentError } from "./errors.ts";
import type { CallPreview, ToolAccess } from "./tool.ts";

export type PermissionDecision = (
  | { decision: "run" }
  | { decision: "ask"; why: string; offer?: RememberedCalls }
  | { decision: "refuse"; why: string }
) & {
  /** The rule that decided, in words; absent when the mode's matrix did. */
  rule?: string;
};

export interface PermissionCall {
  tool: string;
  access: ToolAccess;
  /** What the tool's `parse` returned. */
  input: unknown;
  preview: CallPreview;
  mode: PermissionMode;
  /** Calls of this turn that write, before this one. */
  writesInTurn: number;
}

/** Decides about every call: the mode's matrix (`decidePermission`) together with the rules of user, administrator and workspace. */
export interface PermissionPolicy {
  decide(call: PermissionCall): PermissionDecision;
  /** Keeps an answer for calls like this one. Called only with the `offer` of a decision. Throws `AgentError` when it cannot be kept. */
  remember(calls: RememberedCalls, scope: RememberScope): Promise<void>;
}

/**
 * When a person is asked. A mode decides how often we ask; what a command can reach is the sandbox's business and is the same in
 * every mode.
 */
export function decidePermission(
  mode: PermissionMode,
  access: ToolAccess,
  preview: CallPreview,
): PermissionDecision {
  const concerns = preview.concerns.join("; ");
  if (mode === "manual") return ask("manual mode asks for every call", concerns);
  if (mode === "auto") {
    if (concerns !== "" && preview.refuseInAuto)
      return { decision: "refuse", why: `auto mode does not allow this: ${concerns}` };
    return { decision: "run" };
  }
  if (concerns !== "") return ask(concerns);
  if (access === "network") return ask("it leaves this machine");
  if (access === "execute" && !preview.harmless)
    return ask("normal mode asks before commands that can change something");
  return { decision: "run" };
}

function ask(...reasons: readonly string[]): PermissionDecision {
  return { decision: "ask", why: reasons.filter((reason) => reason !== "").join("; ") };
}

/** Any text that is not exactly a mode means the strictest one. */
export function toPermissionMode(text: string): PermissionMode {
  const lower = text.trim().toLowerCase();
  return lower === "auto" || lower === "normal" ? lower : "manual";
}

/** Decides by the mode alone and remembers nothing. */
export const modePolicy: PermissionPolicy = {
  decide: ({ mode, access, preview }) => decidePermission(mode, access, preview),
  remember: () => Promise.reject(new AgentError("usage", "There is nowhere to keep an answer.")),
};
