/** The door of the core: the contracts, the vocabulary and the loop. */
export { denyUnattended, PERMISSION_MODES } from "./approval.ts";
export type {
  ApprovalDecision,
  ApprovalRequest,
  Approver,
  CommandPlace,
  PermissionMode,
  RememberedCalls,
  RememberScope,
} from "./approval.ts";
export type { Audit, AuditRecord } from "./audit.ts";
export type {
  ChangeRecorder,
  CheckpointStore,
  FileChange,
  FileChangeKind,
  UndoOutcome,
} from "./checkpoint.ts";
export {
  DEFAULT_COMPACT_AT,
  FEWEST_WINDOW_TOKENS,
  toBudgets,
  type BudgetOptions,
  type Budgets,
} from "./budget.ts";
export { compactNow, type CompactNowOptions } from "./compact-now.ts";
export {
  applyCompaction,
  type CompactedPart,
  type Compaction,
  type CompactionCause,
  type CompactionMethod,
} from "./compaction.ts";
export {
  CONTEXT_PARTS,
  toContextUse,
  type ContextPart,
  type ContextUse,
  type ContextUseOptions,
} from "./context-use.ts";
export { defineTool, type ToolDefinition } from "./define-tool.ts";
export { AgentError, ERROR_CODES, errnoOf, errorMessage } from "./errors.ts";
export type { AgentErrorOptions, ErrorCode } from "./errors.ts";
export { END_REASONS, unreachable } from "./events.ts";
export type { AgentEvent, AgentEventOf, EndReason, WarningCode } from "./events.ts";
export { Inbox } from "./inbox.ts";
export { run } from "./loop.ts";
export { DEFAULT_LIMITS, type RunLimits, type RunOptions, type RunResult } from "./run-options.ts";
export { messageText } from "./message.ts";
export type {
  AssistantMessage,
  ContentPart,
  Message,
  OwnNote,
  SystemMessage,
  ToolCall,
  ToolMessage,
  UserMessage,
} from "./message.ts";
export type {
  FinishReason,
  Model,
  ModelEvent,
  ModelInfo,
  ModelProfile,
  ModelReply,
  ModelRequest,
  ProbeFindings,
  ProposedCall,
  ServerKind,
  ToolSchema,
  Usage,
} from "./model.ts";
export type { OutputFile, OutputLog } from "./output-log.ts";
export { decidePermission, modePolicy, stricterMode, toPermissionMode } from "./permission.ts";
export type { PermissionCall, PermissionDecision, PermissionPolicy } from "./permission.ts";
export { PLAN_RISKS, PLAN_STATUSES, PLAN_STEP_STATUSES } from "./plan.ts";
export type {
  Plan,
  PlanDecision,
  PlanReviewer,
  PlanRisk,
  PlanStatus,
  PlanStep,
  PlanStepStatus,
} from "./plan.ts";
export {
  isPlanning,
  PLAN_PROPOSE,
  PLAN_UNATTENDED_ADVICE,
  planningPolicy,
  toPlanRequest,
} from "./plan-mode.ts";
export { parseProposal, type ParsedPlan } from "./plan-proposal.ts";
export { planFromText, rescuePlans, type PlanFromText } from "./plan-rescue.ts";
export { currentStep } from "./plan-steps.ts";
export { parsePlanText, toPlanText } from "./plan-text.ts";
export { toSystemPrompt, type PromptParts } from "./prompt.ts";
export { createRedactor, NO_REDACTION, type RedactedStream, type Redactor } from "./redact.ts";
export { redactSandbox } from "./redact-sandbox.ts";
export { SANDBOX_LIMITS } from "./sandbox.ts";
export type { Sandbox, SandboxBackend, SandboxResult, SandboxRunOptions } from "./sandbox.ts";
export type {
  Session,
  SessionEntry,
  SessionHeader,
  SessionRecord,
  SessionRequest,
  SessionServer,
  SessionState,
  SessionStore,
  SessionSummary,
} from "./session.ts";
export { describeOpenWork, describeState, type AgentState } from "./state-note.ts";
export { describeCounts, type TaskState, type TaskStateChange } from "./task-state.ts";
export { applyTaskStateRecord, toTaskStateRecord, type TaskStateRecord } from "./task-state-record.ts";
export { TokenMeter } from "./token-meter.ts";
export { TODO_STATUSES, type Todo, type TodoStatus } from "./todo.ts";
export type {
  CallPreview,
  JsonSchema,
  ParsedArguments,
  Tool,
  ToolAccess,
  ToolContext,
  ToolEvent,
  ToolFailure,
  ToolResult,
  ToolSuccess,
} from "./tool.ts";
export type {
  EditOutcome,
  FindFilesOptions,
  FoundFiles,
  ReadTextOptions,
  SearchTextOptions,
  TextChange,
  TextEncoding,
  TextRead,
  TextSearch,
  Workspace,
  WorkspaceEntry,
  WriteOutcome,
} from "./workspace.ts";
