/**
 * When a person is asked. A mode decides how often we ask; what a command can reach is the sandbox's business and is the same in
 * every mode.
 */
import {
  PERMISSION_MODES,
  type PermissionMode,
  type RememberedCalls,
  type RememberScope,
} from "./approval.ts";
import { AgentError } from "./errors.ts";
import { findRisk } from "./risky-command.ts";
import { parseShellLine } from "./shell-line.ts";
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
  /** Files that the calls of this turn have written before this one, since a person last allowed one. */
  writesInTurn: number;
  /** Number of the turn within its run. */
  turn?: number;
}

/** Decides about every call: the mode's matrix (`decidePermission`) together with the rules of user, administrator and workspace. */
export interface PermissionPolicy {
  decide(call: PermissionCall): PermissionDecision | Promise<PermissionDecision>;
  /** Keeps an answer for calls like this one. Called only with the `offer` of a decision. Throws `AgentError` when it cannot be kept. */
  remember(calls: RememberedCalls, scope: RememberScope): Promise<void>;
}

type Verdict = PermissionDecision["decision"];

/** What a call does, as far as asking goes; the first class that fits counts. */
export type CallClass = keyof typeof MATRIX;

/** The matrix of the modes, one line a class. */
const MATRIX = {
  // A command that nothing keeps from the machine or the network, or that throws work away.
  refusedCommand: { auto: "refuse", normal: "ask", manual: "ask" },
  acceptedCommand: { auto: "run", normal: "ask", manual: "ask" },
  openCommand: { auto: "ask", normal: "ask", manual: "ask" },
  riskyCommand: { auto: "ask", normal: "ask", manual: "ask" },
  // Files that other programs run, and those that every later conversation starts with.
  protectedFile: { auto: "refuse", normal: "ask", manual: "ask" },
  notableFile: { auto: "run", normal: "ask", manual: "ask" },
  manyFiles: { auto: "run", normal: "ask", manual: "ask" },
  harmlessCommand: { auto: "run", normal: "run", manual: "ask" },
  command: { auto: "run", normal: "ask", manual: "ask" },
  network: { auto: "ask", normal: "ask", manual: "ask" },
  write: { auto: "run", normal: "run", manual: "ask" },
  look: { auto: "run", normal: "run", manual: "ask" },
} as const satisfies Record<string, Record<PermissionMode, Verdict>>;

/** Files written in one turn before a person should look. */
const MANY_FILES = 20;

export interface Classified {
  class: CallClass;
  why: string;
}

/** What kind of call it is, and why that is a reason to ask. */
export function classifyCall({ access, preview, writesInTurn }: PermissionCall): Classified {
  const concerns = preview.concerns.join("; ");
  const { place } = preview;
  const isCommand = access === "execute" || place !== undefined;
  const risk = isCommand ? findRiskOf(preview) : undefined;
  if (isCommand && place?.isolated !== true) {
    const why = concerns || (place ? "it runs without isolation" : "nothing says where it runs");
    if (preview.refuseInAuto === true) return { class: "refusedCommand", why };
    // `false`, and not merely absent: the user has accepted commands without isolation.
    const accepted = place !== undefined && preview.refuseInAuto === false && risk === undefined;
    return { class: accepted ? "acceptedCommand" : "openCommand", why: join(why, risk) };
  }
  // Git's own tools speak to nobody.
  if (access === "execute" && place?.network !== "none")
    return { class: "openCommand", why: join(concerns, "it can reach the network", risk) };
  if (risk !== undefined) return { class: "riskyCommand", why: join(concerns, risk) };
  if (preview.refuseInAuto === true) return { class: "protectedFile", why: concerns };
  if (concerns !== "") return { class: "notableFile", why: concerns };
  if (access === "write" && writesInTurn + (preview.writes?.length ?? 1) > MANY_FILES)
    return { class: "manyFiles", why: `more than ${MANY_FILES} files are written in one turn` };
  if (access === "execute") {
    const harmless = preview.harmless === true;
    return {
      class: harmless ? "harmlessCommand" : "command",
      why: "normal mode asks before commands that can change something",
    };
  }
  if (access === "network") return { class: "network", why: "it leaves this machine" };
  return { class: access === "write" ? "write" : "look", why: "" };
}

function findRiskOf({ command, place }: CallPreview): string | undefined {
  if (command === undefined) return undefined;
  return findRisk(parseShellLine(command), { network: place?.network !== "none" });
}

/** What the mode alone says. */
export function decidePermission(call: PermissionCall): PermissionDecision {
  // Whatever is no mode is the strictest one.
  const mode = PERMISSION_MODES.find((each) => each === call.mode) ?? "manual";
  const { class: kind, why } = classifyCall(call);
  const decision = MATRIX[kind][mode];
  if (decision === "run") return { decision };
  if (decision === "refuse") return { decision, why: `auto mode does not allow this: ${why}` };
  if (mode !== "manual") return { decision, why };
  const reason = kind === "command" || kind === "network" ? "" : why;
  return { decision, why: join("manual mode asks for every call", reason) };
}

function join(...reasons: readonly (string | undefined)[]): string {
  return [...new Set(reasons)].filter(Boolean).join("; ");
}

/** Decides by the mode alone and remembers nothing. */
export const modePolicy: PermissionPolicy = {
  decide: decidePermission,
  remember: () => Promise.reject(new AgentError("usage", "There is nowhere to keep an answer.")),
};

/** Any text that is not exactly a mode means the strictest one. */
export function toPermissionMode(text: string): PermissionMode {
  const lower = text.trim().toLowerCase();
  return lower === "auto" || lower === "normal" ? lower : "manual";
}

/** The mode that asks more often; for what inherits a mode and may never exceed it. */
export function stricterMode(a: PermissionMode, b: PermissionMode): PermissionMode {
  const strictness = (mode: PermissionMode): number => {
    const index = PERMISSION_MODES.indexOf(mode);
    return index === -1 ? PERMISSION_MODES.length : index;
  };
  return strictness(a) > strictness(b) ? a : b;
}
