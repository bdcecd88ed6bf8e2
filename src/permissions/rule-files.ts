/** Where rules lie. */
import { join } from "node:path";

/** Rules for all users of a machine, of its administrator. */
export const ADMIN_RULES = "/etc/lmagent/permissions.yaml";
export const RULE_FILE_NAME = "permissions.yaml";

export interface RuleFilesOptions {
  /** `LMAGENT_HOME`. */
  home: string;
  /** Absolute path of the workspace. */
  workspace: string;
  /** Default `ADMIN_RULES`. */
  adminFile?: string;
}

/** Absolute paths; none of them has to exist. */
export interface RuleFiles {
  admin: string;
  user: string;
  workspace: string;
}

export function toRuleFiles({ home, workspace, adminFile = ADMIN_RULES }: RuleFilesOptions): RuleFiles {
  return {
    admin: adminFile,
    user: join(home, RULE_FILE_NAME),
    workspace: join(workspace, ".lmagent", RULE_FILE_NAME),
  };
}
