export { createAuditLog, type AuditLog, type AuditLogOptions } from "./audit-log.ts";
export { TRUST_KINDS, type TrustEntry, type TrustKind } from "./trust-entry.ts";
export {
  createTrustStore,
  toCanonicalHash,
  toContentHash,
  type Agreement,
  type TrustFilter,
  type TrustItem,
  type TrustState,
  type TrustStore,
  type TrustStoreOptions,
} from "./trust-store.ts";
export { readToolFiles, type FoundTools, type ToolFile } from "./trust-tools.ts";
export { createApprovalStore, type ApprovalStore, type KeptApproval } from "./approvals.ts";
export { loadRules, type LoadedRules } from "./load-rules.ts";
export { ADMIN_RULES, toRuleFiles, type RuleFiles, type RuleFilesOptions } from "./rule-files.ts";
export { createPolicy, type PolicyOptions, type RulePolicy } from "./policy.ts";
export { describeRule, type Rule, type RuleDecision, type RuleLayer } from "./rule.ts";
