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
