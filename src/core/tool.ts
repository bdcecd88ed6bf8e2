/** The contract of a tool: what the model may call. One tool a file in `src/tools`, made with `defineTool`. */
import type { CommandPlace } from "./approval.ts";
import type { Plan } from "./plan.ts";
import type { TaskState } from "./task-state.ts";
import type { Todo } from "./todo.ts";

/** A JSON Schema object (https://json-schema.org/draft/2020-12), as sent to the server. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * What a call can do, which decides when the user is asked: `read` looks at the workspace, `write` changes files
 * in it, `execute` runs a command, `network` leaves the machine, `control` touches only the agent's own lists.
 */
export type ToolAccess = "read" | "write" | "execute" | "network" | "control";

/** A result as the model sees it, in JSON. `output` may be cut to the budget by the loop. */
export type ToolResult = ToolSuccess | ToolFailure;

export interface ToolSuccess {
  ok: true;
  output: string;
  readonly [field: string]: unknown;
}

export interface ToolFailure {
  ok: false;
  error: string;
  readonly [field: string]: unknown;
}

export type ToolEvent =
  | { type: "output"; text: string }
  | { type: "todos_changed"; todos: readonly Todo[] }
  | { type: "plan_changed"; plan: Plan }
  | { type: "task_state_changed"; state: TaskState }
  /** What the user should know of what the call did, such as making a file that other programs run. */
  | { type: "warning"; message: string };

export interface ToolContext {
  callId: string;
  signal: AbortSignal;
  /** Most bytes of `output` that reach the model; a tool that can cut better than the middle does so itself. */
  resultBytes: number;
  /** Reports progress while the call runs; never throws and never waits. */
  emit(event: ToolEvent): void;
}

/** What the user is shown before a call, and what decides whether they are asked. */
export interface CallPreview {
  kind: "diff" | "command" | "text";
  /** A unified diff, a command line, or prose. */
  text: string;
  /** Reasons to ask even where the mode would run it, such as "writes to `.git/hooks`". */
  concerns: readonly string[];
  /** A concern that auto mode does not wave through: the call is refused there. */
  refuseInAuto?: boolean;
  /** For commands: the line itself, before anything is made visible in it. */
  command?: string;
  /** For commands: where it would run. */
  place?: CommandPlace;
  /** Of a tool whose text can change: its SHA-256. An answer that is remembered holds for this text only. */
  version?: string;
  /** The files that the call writes, relative to the workspace. */
  writes?: readonly string[];
  /** For `execute`: every part of the command is known to be harmless, so normal mode runs it. */
  harmless?: boolean;
}

export type ParsedArguments<Arguments> = { ok: true; arguments: Arguments } | { ok: false; error: string };

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonSchema;
  readonly access: ToolAccess;
  /** Checks unknown arguments; what is plainly meant ("5" for 5, null for absent) is accepted. */
  parse(input: unknown): ParsedArguments<unknown>;
  /** `input` is what `parse` returned. Must not change anything. Throws only `AgentError`, and then the call fails with it. */
  preview(input: unknown): Promise<CallPreview>;
  /** Expected failure is `{ok: false}`; a thrown `AgentError` becomes one. Stops promptly on `context.signal`. */
  execute(input: unknown, context: ToolContext): Promise<ToolResult>;
}
