/** Asking a person. What decides when is `permission.ts`; who answers is chosen in a composition root. */
import type { SandboxBackend, SandboxNetwork } from "./sandbox.ts";
import type { CallPreview } from "./tool.ts";

export const PERMISSION_MODES = ["auto", "normal", "manual"] as const;

/** How often we ask; never what the sandbox allows. */
export type PermissionMode = (typeof PERMISSION_MODES)[number];

/** For how long an answer like this one is given without asking: in this conversation, or in this workspace until revoked. */
export type RememberScope = "session" | "workspace";

/** What an answer can be remembered for: a tool, and of a command only those that start with these words. */
export interface RememberedCalls {
  tool: string;
  prefix?: readonly string[];
  /** Of a tool whose text can change: which one is meant, as in `CallPreview.version`. */
  version?: string;
}

/** Where a command would run. */
export interface CommandPlace {
  backend: SandboxBackend;
  isolated: boolean;
  network: SandboxNetwork;
}

export interface ApprovalRequest {
  callId: string;
  tool: string;
  arguments: Readonly<Record<string, unknown>>;
  preview: CallPreview;
  /** Why we ask, in words for the user. */
  why: string;
  /** SHA-256, in hex, of the session, the turn, the call and its exact arguments; an answer has to carry it. */
  digest: string;
  /** Present when the answer may be remembered: for exactly this. */
  offer?: RememberedCalls;
}

export type ApprovalDecision =
  /** `digest`: that of the request this answers. It holds for one call, started within five minutes. */
  | { decision: "allow"; digest: string; remember?: RememberScope }
  /** `note` goes to the model. `unattended`: nobody was there to ask. */
  | { decision: "deny"; note?: string; unattended?: boolean };

export interface Approver {
  /** Never throws but for an abort; no human means a denial with `unattended`. One request at a time. */
  ask(request: ApprovalRequest, options: { signal: AbortSignal }): Promise<ApprovalDecision>;
}

/** What to do when nobody could be asked. */
export const UNATTENDED_ADVICE =
  "Run it in a terminal, allow it by a rule in `permissions.yaml`, or use `--permission auto`.";

/** For runs with nobody to ask: every question is answered with no. */
export const denyUnattended: Approver = {
  ask: async () => ({ decision: "deny", unattended: true }),
};
