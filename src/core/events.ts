/**
 * Everything that happens in a run. One vocabulary for the terminal, `--json`, the browser, the editor, the bridge and the
 * session log: flat, serialisable, in pairs. See ARCHITECTURE.md for the order within one prompt.
 */
import type { ApprovalDecision, ApprovalRequest, PermissionMode } from "./approval.ts";
import type { Compaction } from "./compaction.ts";
import type { Message } from "./message.ts";
import type { FinishReason, ModelInfo, Usage } from "./model.ts";
import type { Plan } from "./plan.ts";
import type { TaskState } from "./task-state.ts";
import type { Todo } from "./todo.ts";
import type { ToolAccess, ToolResult } from "./tool.ts";

export const END_REASONS = [
  "done",
  "waiting",
  "turn_limit",
  "time_limit",
  "aborted",
  "denied",
  "loop",
  "blocked",
  "overflow",
  "empty",
  "truncated",
  "model_unavailable",
  "error",
] as const;

/** Why a run ended; every run ends with exactly one. */
export type EndReason = (typeof END_REASONS)[number];

export type WarningCode =
  | "empty_reply"
  | "thinking_only"
  | "promised_action"
  | "reply_truncated"
  | "reply_cut"
  | "call_rescued"
  | "call_unusable"
  | "loop_suspected"
  | "retry"
  | "sandbox_not_isolated"
  /** Commands can reach other machines. */
  | "sandbox_network"
  /** A command made something in the workspace that other programs run. */
  | "workspace_guard"
  /** A call was allowed for longer than this once, and that could not be kept. */
  | "approval_not_kept"
  /** A file of settings, rules, trust or records could not be used or was not heeded. */
  | "settings_ignored"
  /** The workspace brings a tool that the user has not agreed to. */
  | "tool_not_trusted"
  /** The model thought for longer than its budget of this turn and was stopped. */
  | "thinking_budget"
  /** The model wrote the same text again and again and was stopped. */
  | "text_repeated"
  /** The model wanted to be done while its plan or task state says that it is not. */
  | "completion_refused"
  /** What a call changes could not be recorded, so it cannot be undone. */
  | "checkpoint_incomplete"
  /** What is sent to the server and back is not kept any more, though it was to be. */
  | "recording_ended"
  /** The user wanted the conversation shortened, and too little could go. */
  | "nothing_compacted"
  /** The server has left out the beginning of the prompt without a word. */
  | "prompt_cut";

export type AgentEvent =
  | { type: "run_started"; runId: string; sessionId?: string; mode: PermissionMode }
  /** The server was asked what it is and how much fits. */
  | { type: "model_ready"; model: ModelInfo }
  /**
   * Tokens of the request, and how many of them the server has not read yet, as far as is known; `prefillSeconds` from the rate measured so
   * far, absent before there is one.
   */
  | { type: "turn_started"; turn: number; promptTokens?: number; newTokens?: number; prefillSeconds?: number }
  /** A message joined the conversation. What a session log stores; once it is out it is never changed. */
  | { type: "message_added"; message: Message; note?: "steering" | "follow_up" | "nudge" }
  | { type: "prefill_progress"; processed: number; total: number; cached: number }
  | { type: "thinking_delta"; text: string }
  | { type: "text_delta"; text: string }
  | { type: "call_progress"; name: string; bytes: number }
  | {
      type: "tool_proposed";
      callId: string;
      name: string;
      access: ToolAccess | "unknown";
      arguments: unknown;
    }
  | { type: "approval_requested"; request: ApprovalRequest }
  | { type: "approval_resolved"; callId: string; decision: ApprovalDecision }
  | { type: "tool_started"; callId: string; name: string }
  | { type: "tool_output"; callId: string; text: string }
  | { type: "tool_finished"; callId: string; name: string; result: ToolResult; durationMs: number }
  | { type: "todos_changed"; todos: readonly Todo[] }
  | { type: "plan_changed"; plan: Plan }
  | { type: "task_state_changed"; state: TaskState }
  /** The first change of this request was recorded. */
  | { type: "checkpoint_made"; id: string }
  | { type: "mode_changed"; mode: PermissionMode }
  /** `usage` is the server's own count of this turn. */
  | { type: "usage"; turn: number; usage: Usage }
  /** The conversation was shortened; what follows is counted in the new one. */
  | ({ type: "context_compacted" } & Compaction)
  /** Earlier prompt that could not be reused, what broke it, and what reading it again costs; `seconds` once a rate is known. */
  | { type: "prefix_broken"; why: string; bytes: number; tokens?: number; seconds?: number }
  | { type: "warning"; code: WarningCode; message: string }
  | { type: "turn_finished"; turn: number; finish: FinishReason; calls: number }
  | {
      type: "run_finished";
      reason: EndReason;
      /** What the user should know or do, for every reason but `done`. */
      message?: string;
      /** The final answer, when there is one. */
      text?: string;
      turns: number;
      toolCalls: number;
      durationMs: number;
      /** Calls that were refused, by name. */
      denied: readonly string[];
      /** Calls that were recovered from text or broken JSON. */
      rescued: number;
    };

export type AgentEventOf<Type extends AgentEvent["type"]> = Extract<AgentEvent, { type: Type }>;

/** Makes a `switch` over a union complete at compile time. */
export function unreachable(value: never): never {
  throw new TypeError(`Unhandled case: ${JSON.stringify(value)}`);
}
