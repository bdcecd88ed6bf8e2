import { join } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import { createApprovalStore, createTrustStore, loadRules } from "../../permissions/index.ts";
import type { Settings } from "../settings.ts";
import type { DoctorCheck } from "./checks.ts";

/** The rules, and what the user has decided for later: broken files of these stop a run or make it ask more. */
export async function checkDecisions({ home }: Settings, workspace: string): Promise<readonly DoctorCheck[]> {
  const now = (): Date => new Date();
  return [
    await checkRules(home, workspace),
    check("answers", () => {
      const kept = createApprovalStore({ file: join(home, "approvals.json"), now }).list(workspace).length;
      return `${kept} kept for this workspace`;
    }),
    check("trust", () => {
      const entries = createTrustStore({ file: join(home, "trust.json"), now }).list({ workspace });
      return `${entries.length} trusted in this workspace`;
    }),
  ];
}

async function checkRules(home: string, workspace: string): Promise<DoctorCheck> {
  const name = "rules";
  try {
    const { rules, warnings } = await loadRules({ home, workspace });
    if (warnings.length > 0) return { name, status: "note", detail: warnings.join(" ") };
    return { name, status: "ok", detail: `${rules.length} in force` };
  } catch (error) {
    return { name, status: "broken", detail: errorMessage(error) };
  }
}

/** The messages of these files name the way out themselves. */
function check(name: string, look: () => string): DoctorCheck {
  try {
    return { name, status: "ok", detail: look() };
  } catch (error) {
    return { name, status: "broken", detail: errorMessage(error) };
  }
}
