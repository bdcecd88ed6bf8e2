export { createAuditLog, type AuditLogOptions } from "./audit-log.ts";
