/** Gathers the rules of all layers. */
import { join } from "node:path";
import { AgentError } from "../core/errors.ts";
import { readRuleFile } from "./rule-file.ts";
import type { Rule, RuleSource } from "./rule.ts";

/** Rules for all users of a machine, of its administrator. */
export const ADMIN_RULES = "/etc/lmagent/permissions.yaml";
const FILE_NAME = "permissions.yaml";

export interface RuleFilesOptions {
  /** `LMAGENT_HOME`. */
  home: string;
  /** Absolute path of the workspace. */
  workspace: string;
  /** Default `ADMIN_RULES`. */
  adminFile?: string;
}

export interface LoadedRules {
  rules: readonly Rule[];
  /** In words for the user. */
  warnings: readonly string[];
}

/**
 * Throws `AgentError` `config_invalid` when the file of the administrator or the user cannot be relied on. Of the workspace's file every
 * rule that would allow is left out with a warning; when that file cannot be used at all, every call is asked about.
 */
export async function loadRules({
  home,
  workspace,
  adminFile = ADMIN_RULES,
}: RuleFilesOptions): Promise<LoadedRules> {
  const admin = await readRuleFile({ layer: "admin", file: adminFile });
  const user = await readRuleFile({ layer: "user", file: join(home, FILE_NAME) });
  const local = await readWorkspaceRules({
    layer: "workspace",
    file: join(workspace, ".lmagent", FILE_NAME),
  });
  return { rules: [...admin, ...user, ...local.rules], warnings: local.warnings };
}

async function readWorkspaceRules(source: RuleSource): Promise<LoadedRules> {
  let rules: readonly Rule[];
  try {
    rules = await readRuleFile(source);
  } catch (error) {
    if (!AgentError.is(error, "config_invalid")) throw error;
    return {
      rules: [askAlways(source)],
      warnings: [`${error.message} Until then every call is asked about.`],
    };
  }
  const allowing = rules.filter(({ decision }) => decision === "allow");
  return {
    rules: rules.filter(({ decision }) => decision !== "allow"),
    warnings: allowing.map(
      ({ id }) =>
        `Rule ${id.split(":")[1]} of \`${source.file}\` allows something, which files in a workspace cannot; it does not count. Rules of your own go into \`${FILE_NAME}\` in the folder of your settings.`,
    ),
  };
}

/** It was meant to make something stricter; nobody can tell what. */
function askAlways({ layer }: RuleSource): Rule {
  return {
    id: `${layer}:0`,
    layer,
    tool: "*",
    decision: "ask",
    reason: "the permission rules of this workspace cannot be used",
    matchExamples: [],
    notMatchExamples: [],
  };
}
