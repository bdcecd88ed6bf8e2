/** Asking a person. The matrix that decides when is `permission.ts`; who answers is chosen in a composition root. */
import type { CallPreview } from "./tool.ts";

export const PERMISSION_MODES = ["auto", "normal", "manual"] as const;

/** How often we ask; never what the sandbox allows. */
export type PermissionMode = (typeof PERMISSION_MODES)[number];

export interface ApprovalRequest {
  callId: string;
  tool: string;
  arguments: Readonly<Record<string, unknown>>;
  preview: CallPreview;
  /** Why we ask, in words for the user. */
  why: string;
}

export type ApprovalDecision =
  | { decision: "allow" }
  /** `note` goes to the model. `unattended`: nobody was there to ask. */
  | { decision: "deny"; note?: string; unattended?: boolean };

export interface Approver {
  /** Never throws but for an abort; no human means a denial with `unattended`. One request at a time. */
  ask(request: ApprovalRequest, options: { signal: AbortSignal }): Promise<ApprovalDecision>;
}

/** For runs with nobody to ask: every question is answered with no. */
export const denyUnattended: Approver = {
  ask: async () => ({ decision: "deny", unattended: true }),
};
