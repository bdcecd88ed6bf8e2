import type { CallMemory } from "./call-memory.ts";
import type { Approver, PermissionMode } from "./approval.ts";
import type { Audit } from "./audit.ts";
import type { ChangeRecorder } from "./checkpoint.ts";
import type { ProposedCall } from "./model.ts";
import type { Naming } from "./naming.ts";
import type { PermissionPolicy } from "./permission.ts";
import type { Redactor } from "./redact.ts";
import type { ResultForm } from "./result.ts";
import type { CallPreview, Tool, ToolAccess, ToolResult } from "./tool.ts";

export interface CallOptions {
  tools: readonly Tool[];
  mode: () => PermissionMode;
  approver: Approver;
  /** How results reach the model. */
  results: ResultForm;
  /** Given when only what the requests plainly ask for may be changed (`namedPathsOnly` of a profile). */
  naming?: Naming | undefined;
  signal: AbortSignal;
  now: () => number;
  /** Default: the matrix of the modes alone. */
  policy?: PermissionPolicy | undefined;
  audit?: Audit | undefined;
  redactor?: Redactor | undefined;
  /** Records files before they are changed, for undo. */
  changes?: ChangeRecorder | undefined;
  sessionId?: string | undefined;
  /** Number of the turn within its run. */
  turn: number;
  /** Answers repeated calls that need not run; absent: every call runs. */
  memory?: CallMemory | undefined;
}

export interface CallOutcome {
  call: ProposedCall;
  result: ToolResult;
  /** The call never ran, because it could not be used at all. */
  unusable: boolean;
  /** Absent: the call did not get as far as its tool. */
  access?: ToolAccess;
  /** The call was answered from memory; the signature of the result that it had before. */
  recalled?: string;
  /** The call was refused by a person, by the mode or a rule, or because nobody was there. */
  denied?: "person" | "mode" | "unattended";
}

/** A call that may run, with exactly the input that was decided about. */
export interface ReadyCall {
  call: ProposedCall;
  tool: Tool;
  input: unknown;
  preview?: CallPreview;
  /** When a person allowed it. */
  approvedAt?: number;
}

export type Prepared = { ready: ReadyCall } | { outcome: CallOutcome };
