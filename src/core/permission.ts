import type { PermissionMode } from "./approval.ts";
import type { CallPreview, ToolAccess } from "./tool.ts";

export type PermissionDecision =
  | { decision: "run" }
  | { decision: "ask"; why: string }
  | { decision: "refuse"; why: string };

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
