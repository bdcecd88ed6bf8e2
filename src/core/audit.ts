/** The record of what was decided about a call: who or what let it run or kept it from running. Kept outside the workspace. */
import type { PermissionMode } from "./approval.ts";

export interface AuditRecord {
  /** `decided` is written before a call runs, `ended` after it. */
  type: "decided" | "ended";
  callId: string;
  tool: string;
  /** SHA-256 of the tool's name and its arguments, in hex. */
  digest: string;
  mode: PermissionMode;
  /** For `decided`. */
  decision?: "run" | "refuse";
  /** Who decided: the mode's matrix, a rule, a person, or that nobody was there. */
  by?: "mode" | "rule" | "person" | "unattended";
  why?: string;
  /** The rule that decided, in words. */
  rule?: string;
  /** For `ended`. */
  ok?: boolean;
  /** Where a command ran, such as `bubblewrap`, and how it ended. */
  sandbox?: string;
  exitCode?: number;
}

/** Must not throw or reject. A call waits until what was decided about it is recorded. */
export type Audit = (record: AuditRecord) => void | Promise<void>;
