/** What an open conversation holds, kept up to date by its events: the same that a resume restores from its log. */
import type { AgentEvent } from "../core/events.ts";
import { applyCompaction } from "../core/compaction.ts";
import { messageText, type Message } from "../core/message.ts";
import type { Model, ModelInfo } from "../core/model.ts";
import type {
  SessionEntry,
  SessionRequest,
  SessionServer,
  SessionState,
  TokenTotals,
} from "../core/session.ts";
import { describeOpenWork, describeState, type AgentState } from "../core/state-note.ts";
import { toTaskStateRecord } from "../core/task-state-record.ts";
import type { TaskState } from "../core/task-state.ts";
import { TokenMeter } from "../core/token-meter.ts";
import { beginsRequest } from "../core/transcript.ts";
import { toTask } from "../sessions/index.ts";
import {
  createPlanHolder,
  createTaskStateHolder,
  createTodoList,
  type PlanHolder,
  type TaskStateHolder,
  type TodoList,
} from "../tools/index.ts";
import { MAIN_ROLE } from "./model-choice.ts";

/** What todos, plan and task state may take of the window after a compaction, and in any case. */
const NOTE_SHARE = 0.1;
const NOTE_BYTES = 2_000;

export class LiveSession {
  readonly meter: TokenMeter;
  readonly todos: TodoList;
  readonly plan: PlanHolder;
  readonly taskState: TaskStateHolder;
  readonly tokens: TokenTotals;
  #messages: Message[];
  #requests: SessionRequest[];
  #model: ModelInfo | undefined;
  /** What the process before knew of the server. */
  readonly #before: SessionServer | undefined;
  /** KV slot of the server, where it has several. */
  #slot: number | undefined;
  /** As the log has it. */
  #loggedTaskState: TaskState | undefined;

  constructor(
    state: Partial<
      Pick<SessionState, "messages" | "todos" | "plan" | "taskState" | "requests" | "server">
    > = {},
    { tokens }: { tokens?: Readonly<TokenTotals> } = {},
  ) {
    this.tokens = { prompt: 0, cached: 0, completion: 0, counted: 0, ...state.server?.tokens, ...tokens };
    this.#before = state.server;
    this.meter = new TokenMeter({ bytesPerToken: state.server?.bytesPerToken });
    this.#messages = [...(state.messages ?? [])];
    this.#requests = [...(state.requests ?? [])];
    this.todos = createTodoList(state.todos);
    this.plan = createPlanHolder(state.plan);
    this.taskState = createTaskStateHolder(state.taskState);
    this.#loggedTaskState = state.taskState;
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  get requests(): readonly SessionRequest[] {
    return this.#requests;
  }

  /** The system message of a new session. */
  begin(message: Message): void {
    this.#messages = [message];
  }

  /** What is still open, for the model that wants to be done. */
  openWork(): string | undefined {
    return describeOpenWork(this.#agentState);
  }

  /** Todos, plan and task state in words. */
  stateNote(): string {
    const { contextTokens = 0 } = this.#model ?? {};
    const maxBytes = Math.max(NOTE_BYTES, Math.floor(contextTokens * NOTE_SHARE * this.meter.bytesPerToken));
    return describeState(this.#agentState, { maxBytes });
  }

  /** The user gives up the plan and the job: nothing holds up the end of a run any more. Returns what the log is to keep of it. */
  giveUp(): SessionEntry[] {
    const { plan } = this.plan;
    const entries: SessionEntry[] = [];
    if (plan !== undefined) {
      const abandoned = { ...plan, status: "abandoned" } as const;
      this.plan.set(abandoned);
      entries.push({ type: "plan", plan: abandoned });
    }
    if (this.taskState.state !== undefined) {
      this.taskState.set(undefined);
      entries.push(this.#noteTaskState({}));
    }
    return entries;
  }

  /** The slot that this conversation had before may still hold its prompt. */
  async keepSlot(model: Model, { baseUrl }: ModelInfo): Promise<void> {
    const prefer = this.#before?.baseUrl === baseUrl ? this.#before.slot : undefined;
    this.#slot = await model.acquireSlot?.(MAIN_ROLE, prefer === undefined ? {} : { prefer });
  }

  /** What the next process should know of the server; `undefined` when nothing was learned. */
  toServer(): SessionEntry | undefined {
    const slot = this.#slot;
    if (this.#model === undefined || (slot === undefined && !this.meter.calibrated)) return undefined;
    return {
      type: "server",
      baseUrl: this.#model.baseUrl,
      ...(slot === undefined ? {} : { slot }),
      ...(this.meter.calibrated ? { bytesPerToken: this.meter.bytesPerToken } : {}),
      ...(this.tokens.counted > 0 ? { tokens: { ...this.tokens } } : {}),
    };
  }

  /** Takes over what an event says. Returns what the log is to keep of it. */
  note(event: AgentEvent, { model }: { model: string }): SessionEntry | undefined {
    switch (event.type) {
      case "model_ready":
        this.#model = event.model;
        return undefined;
      case "message_added":
        return this.#addMessage(event);
      case "context_compacted": {
        const { type: _type, ...compaction } = event;
        this.#messages = applyCompaction(this.#messages, compaction.parts) ?? this.#messages;
        return { type: "compaction", ...compaction };
      }
      case "usage":
        return this.#count(event.usage);
      case "todos_changed":
        return { type: "todos", todos: event.todos };
      case "plan_changed":
        return { type: "plan", plan: event.plan };
      case "task_state_changed":
        return this.#noteTaskState(event.state);
      case "checkpoint_made":
        return this.#noteCheckpoint(event.id);
      case "run_started":
        return { type: "run_started", model };
      case "run_finished":
        return { type: "run_finished", reason: event.reason };
      default:
        return undefined;
    }
  }

  get #agentState(): AgentState {
    return { todos: this.todos.todos, plan: this.plan.plan, taskState: this.taskState.state };
  }

  #addMessage({ message, note }: Extract<AgentEvent, { type: "message_added" }>): SessionEntry {
    this.#messages.push(message);
    if (beginsRequest(message, note)) this.#requests.push({ text: toTask(messageText(message)) });
    return { type: "message", message, ...(note === undefined ? {} : { note }) };
  }

  #noteTaskState(state: TaskState): SessionEntry {
    const record = toTaskStateRecord(this.#loggedTaskState, state);
    this.#loggedTaskState = state;
    return { type: "task_state", ...record };
  }

  /** The first one says what the files were before the request. */
  #noteCheckpoint(checkpoint: string): SessionEntry {
    const request = this.#requests.at(-1);
    if (request !== undefined && request.checkpoint === undefined)
      this.#requests = [...this.#requests.slice(0, -1), { ...request, checkpoint }];
    return { type: "checkpoint", checkpoint };
  }

  #count({
    promptTokens = 0,
    cachedTokens,
    completionTokens = 0,
  }: Extract<AgentEvent, { type: "usage" }>["usage"]): undefined {
    this.tokens.completion += completionTokens;
    if (cachedTokens === undefined) return;
    this.tokens.counted += 1;
    this.tokens.prompt += promptTokens;
    this.tokens.cached += cachedTokens;
  }
}
