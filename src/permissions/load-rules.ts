/** Gathers the rules of all layers. */
import { AgentError } from "../core/errors.ts";
import { readRuleFile } from "./rule-file.ts";
import { RULE_FILE_NAME, toRuleFiles, type RuleFilesOptions } from "./rule-files.ts";
import type { Rule, RuleSource } from "./rule.ts";

export interface LoadedRules {
  rules: readonly Rule[];
  /** In words for the user. */
  warnings: readonly string[];
}

/**
 * Throws `AgentError` `config_invalid` when the file of the administrator or the user cannot be relied on. Of the workspace's file every
 * rule that would allow is left out with a warning; when that file cannot be used at all, every call is asked about.
 */
export async function loadRules(options: RuleFilesOptions): Promise<LoadedRules> {
  const files = toRuleFiles(options);
  const admin = await readRuleFile({ layer: "admin", file: files.admin });
  const user = await readRuleFile({ layer: "user", file: files.user, workspace: options.workspace });
  const local = await readWorkspaceRules({ layer: "workspace", file: files.workspace });
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
        `Rule ${id.split(":")[1]} of \`${source.file}\` allows something, which files in a workspace cannot; it does not count. Rules of your own go into \`${RULE_FILE_NAME}\` in the folder of your settings.`,
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
