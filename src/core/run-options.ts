import type { Approver, PermissionMode } from "./approval.ts";
import type { Audit } from "./audit.ts";
import type { ChangeRecorder } from "./checkpoint.ts";
import type { EndReason } from "./events.ts";
import type { Inbox } from "./inbox.ts";
import type { Message, UserMessage } from "./message.ts";
import type { Model } from "./model.ts";
import type { OutputLog } from "./output-log.ts";
import type { PermissionPolicy } from "./permission.ts";
import type { Redactor } from "./redact.ts";
import type { TokenMeter } from "./token-meter.ts";
import type { Tool } from "./tool.ts";

export interface RunLimits {
  /** Requests to the model. */
  turns: number;
  timeMs: number;
  toolCalls: number;
}

export const DEFAULT_LIMITS: RunLimits = { turns: 500, timeMs: Number.POSITIVE_INFINITY, toolCalls: 2_000 };

export interface RunOptions {
  model: Model;
  tools: readonly Tool[];
  /** The conversation so far, the one system message first. It is not changed; what joins it comes as `message_added`. */
  messages: readonly Message[];
  /** The new request; absent to go on where the conversation stands. */
  input?: UserMessage["content"];
  /** Asked before every call, since the user may change it while a run is going. */
  mode: () => PermissionMode;
  approver: Approver;
  /** Default: the matrix of the modes alone. */
  policy?: PermissionPolicy;
  audit?: Audit;
  /** Takes known secrets out of what calls say, before anything of it becomes an event or a message. */
  redactor?: Redactor;
  inbox?: Inbox;
  limits?: Partial<RunLimits>;
  temperature?: number;
  /** Where originals go that a compaction leaves out; absent: they are only in the session log. */
  outputs?: OutputLog;
  /** Compact at so many tokens of prompt, or earlier where the window is smaller (`SUMMARIZATION_THRESHOLD`). */
  compactAt?: number;
  /** Learns bytes per token and rates from the server's counts; keep one per conversation. Default: a new one. */
  meter?: TokenMeter;
  /** Records files before they are changed, for undo. */
  changes?: ChangeRecorder;
  /** Todos, plan and task state as they are now, word for word, for what a compaction leaves; empty when there are none. */
  stateNote?: () => string;
  /** What is still open according to plan or task state, in words for the model; absent or `undefined`: nothing. */
  completionGate?: () => string | undefined;
  /** What that said before the user made this request, which may be about something else. */
  openBefore?: string | undefined;
  runId?: string;
  sessionId?: string;
  signal?: AbortSignal;
  now?: () => number;
}

export interface RunResult {
  reason: EndReason;
  text?: string;
  /** What joined the conversation, in order. */
  messages: readonly Message[];
}

/** How a run ends. */
export interface RunEnd {
  reason: EndReason;
  /** What the user should know or do, for every reason but `done`. */
  message?: string;
  /** The final answer, when there is one. */
  text?: string;
}
