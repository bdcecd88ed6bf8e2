export { createAuditLog } from "./audit-log.ts";
export { TRUST_KINDS, type TrustEntry } from "./trust-entry.ts";
export {
  createTrustStore,
  toCanonicalHash,
  toContentHash,
  type TrustItem,
  type TrustStore,
} from "./trust-store.ts";
export { readToolFiles, type ToolFile } from "./trust-tools.ts";
export { createApprovalStore, type ApprovalStore } from "./approvals.ts";
export { loadRules, type LoadedRules } from "./load-rules.ts";
export { toRuleFiles } from "./rule-files.ts";
export { createPolicy } from "./policy.ts";
export type { Rule, RuleLayer } from "./rule.ts";
