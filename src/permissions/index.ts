export { createAuditLog, type AuditLogOptions } from "./audit-log.ts";
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
export { readToolFiles, TOOLS_FOLDER, type FoundTools, type ToolFile } from "./trust-tools.ts";
export { createApprovalStore, type ApprovalStore, type KeptApproval } from "./approvals.ts";
export { ADMIN_RULES, loadRules, type LoadedRules, type RuleFilesOptions } from "./load-rules.ts";
export { createPolicy, type PolicyOptions } from "./policy.ts";
export { describeRule, type Rule, type RuleDecision, type RuleLayer } from "./rule.ts";
