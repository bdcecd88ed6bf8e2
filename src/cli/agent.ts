/**
 * Puts an agent together for one workspace: files, commands, tools, session and model, and runs prompts through the loop. Whatever the
 * first request does not need is made when it is first used.
 */
import { randomUUID } from "node:crypto";
import type { Approver, PermissionMode } from "../core/approval.ts";
import type { AgentEvent, WarningCode } from "../core/events.ts";
import { Inbox } from "../core/inbox.ts";
import { run } from "../core/loop.ts";
import type { Message } from "../core/message.ts";
import type { Model } from "../core/model.ts";
import { stricterMode } from "../core/permission.ts";
import { toSystemPrompt } from "../core/prompt.ts";
import type { RunResult } from "../core/run-options.ts";
import type { Session, SessionEntry, SessionStore } from "../core/session.ts";
import type { Todo } from "../core/todo.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import { createTools, createTodoList, type TodoList } from "../tools/index.ts";
import { readContextFiles, toPromptParts } from "./context-files.ts";
import type { ChosenModel } from "./model-choice.ts";
import type { Ground } from "./open-agent.ts";
import type { SessionSafeguards } from "./safeguards.ts";
import type { Settings } from "./settings.ts";
import { toLabel } from "./workspace-sandbox.ts";

export interface AgentParts {
  settings: Settings;
  /** Disposed together with the agent, as is the model. */
  ground: Ground;
  chosen: ChosenModel;
  approver: Approver;
}

/** One conversation that can be prompted again and again. */
export class Agent implements AsyncDisposable {
  readonly inbox = new Inbox();
  readonly #ground: Ground;
  readonly #settings: Settings;
  readonly #chosen: ChosenModel;
  readonly #approver: Approver;
  #session: Session | undefined;
  #sessionSafeguards: SessionSafeguards | undefined;
  #mode: PermissionMode;
  /** What the user wants, and whether they said so. */
  #asked: { mode: PermissionMode; given: boolean };
  /** Events that come from the user and not from the loop. */
  #notices: AgentEvent[] = [];
  #warned = false;
  #messages: Message[] = [];
  #todos: TodoList;
  #tools: readonly Tool[];

  constructor({ settings, ground, chosen, approver }: AgentParts) {
    this.#ground = ground;
    this.#settings = settings;
    this.#chosen = chosen;
    this.#approver = approver;
    this.#mode = settings.mode;
    this.#asked = { mode: settings.mode, given: settings.modeGiven };
    this.#todos = createTodoList();
    this.#tools = this.#createTools();
    const { safeguards, customTools } = ground;
    for (const message of [...safeguards.warnings, ...customTools.problems])
      this.#warn("settings_ignored", message);
    for (const { warning } of customTools.pending) this.#warn("tool_not_trusted", warning);
  }

  get workspace(): Workspace {
    return this.#ground.workspace;
  }

  get settings(): Settings {
    return this.#settings;
  }

  get sessions(): SessionStore {
    return this.#ground.sessions;
  }

  get model(): Model {
    return this.#chosen.model;
  }

  get mode(): PermissionMode {
    return this.#mode;
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  get todos(): readonly Todo[] {
    return this.#todos.todos;
  }

  get tools(): readonly Tool[] {
    return this.#tools;
  }

  /** Absent before the first command. */
  get sandboxLabel(): string | undefined {
    const chosen = this.#ground.sandbox.chosen();
    return chosen === undefined ? undefined : toLabel(chosen);
  }

  async describeSandbox(): Promise<string> {
    const chosen = await this.#ground.sandbox.choose();
    return chosen.warning === undefined ? toLabel(chosen) : `${toLabel(chosen)}: ${chosen.warning}`;
  }

  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  /** The user's own switch; no tool can reach it. It holds for this and every later session of this agent. */
  async setMode(mode: PermissionMode): Promise<void> {
    this.#mode = mode;
    this.#asked = { mode, given: true };
    this.#notices.push({ type: "mode_changed", mode });
    await this.#session?.append({ type: "mode", mode });
  }

  /**
   * Continues a stored session. It lies in the workspace, so its mode can only make things stricter; a mode that the user
   * gave on the command line or with `/mode` holds in any case.
   */
  async resume(id: string): Promise<Session> {
    const session = await this.sessions.open(id);
    await this.#close();
    this.#session = session;
    this.#messages = [...session.state.messages];
    this.#todos = createTodoList(session.state.todos);
    this.#tools = this.#createTools();
    const { mode, given } = this.#asked;
    this.#mode = given || session.state.mode === undefined ? mode : stricterMode(session.state.mode, mode);
    return session;
  }

  /** The next prompt starts a new session. */
  async reset(): Promise<void> {
    await this.#close();
    this.#messages = [];
    this.#todos = createTodoList();
    this.#tools = this.#createTools();
  }

  /** Runs one request. What must survive is on disk before the event that tells of it comes out. */
  async *prompt(
    input: string,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<AgentEvent, RunResult | undefined> {
    const session = await this.#openSession();
    const { policy, audit } = (this.#sessionSafeguards ??= this.#ground.safeguards.forSession(
      session.id,
      (message) => this.#warn("settings_ignored", message),
    ));
    const events = run({
      model: this.model,
      tools: this.#tools,
      messages: this.#messages,
      input,
      mode: () => this.#mode,
      approver: this.#approver,
      policy,
      audit,
      redactor: this.#ground.safeguards.redactor,
      inbox: this.inbox,
      limits: { turns: this.#settings.maxTurns, timeMs: this.#settings.maxTimeMs },
      temperature: this.#settings.temperature,
      runId: randomUUID(),
      sessionId: session.id,
      ...(signal === undefined ? {} : { signal }),
    });
    try {
      for (;;) {
        const { done, value } = await events.next();
        if (done) return value;
        await this.#record(session, value);
        yield* this.#notices.splice(0);
        yield value;
        if (value.type === "tool_started") yield* this.#warnOnce();
      }
    } finally {
      // A consumer that stops listening, or a disk that is full, ends the run and its commands too.
      await events.return(undefined as never);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#close();
    } finally {
      await Promise.allSettled([this.#ground[Symbol.asyncDispose](), this.#chosen[Symbol.asyncDispose]()]);
    }
  }

  /** Without isolation, or with a network, the user is told at the first command of this agent. */
  *#warnOnce(): Generator<AgentEvent> {
    const { sandbox, warning } = this.#ground.sandbox.chosen() ?? {};
    if (warning === undefined || this.#warned) return;
    this.#warned = true;
    const code = sandbox?.isolated ? "sandbox_network" : "sandbox_not_isolated";
    yield { type: "warning", code, message: warning };
  }

  async #record(session: Session, event: AgentEvent): Promise<void> {
    if (event.type === "message_added") this.#messages.push(event.message);
    const entry = toSessionEntry(event, this.model.id);
    if (entry === undefined) return;
    const written = session.append(entry);
    // Records are written in order, and after a failure none is taken any more: waiting for the messages is enough.
    if (entry.type === "message" || entry.type === "run_finished") await written;
    else written.catch(() => {});
  }

  /** The session to go on with, or a new one; with its system message, which is written once and never again. */
  async #openSession(): Promise<Session> {
    const session = (this.#session ??= await this.sessions.create());
    if (this.#messages.length > 0) return session;
    const files = await readContextFiles(this.workspace);
    const message: Message = { role: "system", content: toSystemPrompt(toPromptParts(files)) };
    this.#messages = [message];
    // On disk together with the first request, which waits for both.
    session.append({ type: "message", message }).catch(() => {});
    session.append({ type: "mode", mode: this.#mode }).catch(() => {});
    return session;
  }

  async #close(): Promise<void> {
    const session = this.#session;
    const safeguards = this.#sessionSafeguards;
    this.#session = undefined;
    this.#sessionSafeguards = undefined;
    try {
      await session?.[Symbol.asyncDispose]();
    } finally {
      await safeguards?.[Symbol.asyncDispose]();
    }
  }

  /** Comes out with the next event. */
  #warn(code: WarningCode, message: string): void {
    this.#notices.push({ type: "warning", code, message });
  }

  #createTools(): readonly Tool[] {
    const tools = createTools({
      workspace: this.workspace,
      sandbox: this.#ground.sandbox.sandbox,
      ...(this.#settings.todos ? { todos: this.#todos } : {}),
      now: () => new Date(),
      allowUnsandboxed: this.#settings.allowUnsandboxed,
    });
    return [...tools, ...this.#ground.customTools.tools];
  }
}

function toSessionEntry(event: AgentEvent, model: string): SessionEntry | undefined {
  switch (event.type) {
    case "message_added":
      return {
        type: "message",
        message: event.message,
        ...(event.note === undefined ? {} : { note: event.note }),
      };
    case "todos_changed":
      return { type: "todos", todos: event.todos };
    case "run_started":
      return { type: "run_started", model };
    case "run_finished":
      return { type: "run_finished", reason: event.reason };
    default:
      return undefined;
  }
}
