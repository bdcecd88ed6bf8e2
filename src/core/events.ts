/**
 * Everything that happens in a run. One vocabulary for the terminal, `--json`, the browser, the editor, the bridge and the
 * session log: flat, serialisable, in pairs. See ARCHITECTURE.md for the order within one prompt.
 */
import type { ApprovalDecision, ApprovalRequest, PermissionMode } from "./approval.ts";
import type { Message } from "./message.ts";
import type { FinishReason, ModelInfo, Usage } from "./model.ts";
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
  | "tool_not_trusted";

export type AgentEvent =
  | { type: "run_started"; runId: string; sessionId?: string; mode: PermissionMode }
  /** The server was asked what it is and how much fits. */
  | { type: "model_ready"; model: ModelInfo }
  | { type: "turn_started"; turn: number }
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
  | { type: "mode_changed"; mode: PermissionMode }
  /** `usage` is the server's own count of this turn. */
  | { type: "usage"; turn: number; usage: Usage }
  /** Bytes of earlier prompt that could not be reused, and what broke it. */
  | { type: "prefix_broken"; why: string; bytes: number }
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
