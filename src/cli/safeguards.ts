/** What stands between the model and its calls beside the sandbox: rules, remembered answers, the audit log, redaction. */
import { join } from "node:path";
import type { Audit, AuditRecord } from "../core/audit.ts";
import type { PermissionPolicy } from "../core/permission.ts";
import { createRedactor, type Redactor } from "../core/redact.ts";
// Not through the door, which would load all that rules need at every start.
import { toRuleFiles } from "../permissions/rule-files.ts";
import { mayBeThere } from "./may-be-there.ts";
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

/**
 * Without a file of rules nothing is loaded before the first call needs it. Throws `AgentError` `config_invalid` when the rules of the
 * user or of the administrator cannot be relied on.
 */
export async function openSafeguards(settings: Settings, workspace: string): Promise<Safeguards> {
  const load = once(() => loadPermissions(settings, workspace));
  const files = Object.values(toRuleFiles({ home: settings.home, workspace }));
  const hasRules = files.some(mayBeThere);
  return {
    redactor: createRedactor(knownSecrets(settings, process.env)),
    warnings: hasRules ? (await load()).warnings : [],
    forSession: (sessionId, onProblem) =>
      openLater(async () => (await load()).forSession(sessionId, onProblem)),
  };
}

function openLater(open: () => Promise<SessionSafeguards>): SessionSafeguards {
  let opened: Promise<SessionSafeguards> | undefined;
  const get = once(() => (opened = open()));
  /** Records come one after another, also those from before the log was open. */
  let recorded: Promise<void> = Promise.resolve();
  const record = async (each: AuditRecord): Promise<void> => {
    await (await get()).audit(each);
  };
  return {
    policy: {
      decide: async (call) => (await get()).policy.decide(call),
      remember: async (calls, scope) => (await get()).policy.remember(calls, scope),
    },
    // Rules that broke since the start are told of by what asks about a call.
    audit: (each) => (recorded = recorded.then(() => record(each)).catch(() => {})),
    async [Symbol.asyncDispose]() {
      await recorded;
      const session = await opened?.catch(() => undefined);
      await session?.[Symbol.asyncDispose]();
    },
  };
}

async function loadPermissions(
  settings: Settings,
  workspace: string,
): Promise<Pick<Safeguards, "warnings" | "forSession">> {
  const { createApprovalStore, createAuditLog, createPolicy, loadRules } =
    await import("../permissions/index.ts");
  const now = (): Date => new Date();
  const { rules, warnings } = await loadRules({ home: settings.home, workspace });
  const approvals = createApprovalStore({ file: join(settings.home, "approvals.json"), now });
  const file = join(settings.home, "logs", "audit.jsonl");
  return {
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

/** What failed is tried again: the user may have mended a file meanwhile. */
function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return async () => {
    try {
      return await (made ??= make());
    } catch (error) {
      made = undefined;
      throw error;
    }
  };
}
