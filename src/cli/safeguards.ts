/** What stands between the model and its calls beside the sandbox: rules, remembered answers, the audit log, redaction. */
import { join } from "node:path";
import type { Audit } from "../core/audit.ts";
import type { PermissionPolicy } from "../core/permission.ts";
import { createRedactor, type Redactor } from "../core/redact.ts";
import { knownSecrets } from "./secrets.ts";
import type { Settings } from "./settings.ts";

export interface Safeguards {
  redactor: Redactor;
  /** What is wrong with files of rules, in words for the user. */
  warnings: readonly string[];
  /** For one conversation: what is remembered for a session ends with it. `onProblem` gets words for the user. */
  forSession(sessionId: string, onProblem: (message: string) => void): SessionSafeguards;
}

export interface SessionSafeguards extends AsyncDisposable {
  policy: PermissionPolicy;
  audit: Audit;
}

/** Throws `AgentError` `config_invalid` when the rules of the user or of the administrator cannot be relied on. */
export async function openSafeguards(settings: Settings, workspace: string): Promise<Safeguards> {
  const { createApprovalStore, createAuditLog, createPolicy, loadRules } =
    await import("../permissions/index.ts");
  const now = (): Date => new Date();
  const { rules, warnings } = await loadRules({ home: settings.home, workspace });
  const approvals = createApprovalStore({ file: join(settings.home, "approvals.json"), now });
  const file = join(settings.home, "logs", "audit.jsonl");
  return {
    redactor: createRedactor(knownSecrets(settings, process.env)),
    warnings,
    forSession(sessionId, onProblem) {
      const audit = createAuditLog({ file, sessionId, now, onProblem });
      return {
        policy: createPolicy({ rules, workspace, approvals, onProblem }),
        audit,
        [Symbol.asyncDispose]: () => audit[Symbol.asyncDispose](),
      };
    },
  };
}
