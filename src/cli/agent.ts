/**
 * Puts an agent together for one workspace: files, commands, tools, session and model, and runs prompts through the loop. Whatever the
 * first request does not need is made when it is first used.
 */
import { randomUUID } from "node:crypto";
import type { Approver, PermissionMode } from "../core/approval.ts";
import type { ContextUse } from "../core/context-use.ts";
import type { FileChange, UndoOutcome } from "../core/checkpoint.ts";
import type { AgentEvent, WarningCode } from "../core/events.ts";
import { Inbox } from "../core/inbox.ts";
import { run } from "../core/loop.ts";
import type { Message } from "../core/message.ts";
import type { Model } from "../core/model.ts";
import { stricterMode } from "../core/permission.ts";
import type { Plan, PlanReviewer } from "../core/plan.ts";
import type { RunOptions, RunResult } from "../core/run-options.ts";
import type { Session, SessionRequest, SessionStore, TokenTotals } from "../core/session.ts";
import type { TaskState } from "../core/task-state.ts";
import type { Todo } from "../core/todo.ts";
import type { Tool } from "../core/tool.ts";
import type { Workspace } from "../core/workspace.ts";
import { readSystemMessage } from "./context-files.ts";
import { LiveSession } from "./live-session.ts";
import type { ChosenModel } from "./model-choice.ts";
import type { Ground } from "./open-agent.ts";
import { openToOthers } from "./open-to-others.ts";
import { RequestCheckpoints } from "./request-checkpoints.ts";
import type { SessionSafeguards } from "./safeguards.ts";
import { createSessionTools, renewSessionTools, type SessionToolOptions } from "./session-tools.ts";
import type { Settings } from "./settings.ts";
import { tidyCheckpoints, toCheckpoints } from "./tidy-checkpoints.ts";
import { toLabel } from "./workspace-sandbox.ts";

export interface AgentParts {
  settings: Settings;
  /** Disposed together with the agent, as is the model. */
  ground: Ground;
  chosen: ChosenModel;
  approver: Approver;
  reviewer: PlanReviewer;
}

export interface PromptOptions {
  signal?: AbortSignal;
  /** Plan first, and change nothing before the user has approved the plan. */
  plan?: boolean;
}

export interface UndoneRequests extends UndoOutcome {
  /** Oldest first; empty when conflicts kept everything as it is. */
  requests: readonly SessionRequest[];
}

/** One conversation that can be prompted again and again. */
export class Agent implements AsyncDisposable {
  readonly inbox = new Inbox();
  readonly #ground: Ground;
  readonly #settings: Settings;
  readonly #chosen: ChosenModel;
  readonly #approver: Approver;
  readonly #toolOptions: SessionToolOptions;
  #session: Session | undefined;
  #live = new LiveSession();
  #sessionSafeguards: SessionSafeguards | undefined;
  #mode: PermissionMode;
  /** What the user wants, and whether they said so. */
  #asked: { mode: PermissionMode; given: boolean };
  /** Events that come from the user and not from the loop. */
  #notices: AgentEvent[] = [];
  #warned = false;
  #tools: readonly Tool[];

  constructor({ settings, ground, chosen, approver, reviewer }: AgentParts) {
    this.#ground = ground;
    this.#settings = settings;
    this.#chosen = chosen;
    this.#approver = approver;
    this.#toolOptions = { ground, settings, reviewer };
    this.#mode = settings.mode;
    this.#asked = { mode: settings.mode, given: settings.modeGiven };
    this.#tools = createSessionTools(this.#live, this.#toolOptions);
    const { safeguards, customTools } = ground;
    for (const message of [...safeguards.warnings, ...customTools.problems])
      this.warn("settings_ignored", message);
    for (const { warning } of customTools.pending) this.warn("tool_not_trusted", warning);
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
    return this.#live.messages;
  }

  get todos(): readonly Todo[] {
    return this.#live.todos.todos;
  }

  get plan(): Plan | undefined {
    return this.#live.plan.plan;
  }

  get taskState(): TaskState | undefined {
    return this.#live.taskState.state;
  }

  get requests(): readonly SessionRequest[] {
    return this.#live.requests;
  }

  /** As the server has counted the requests of this session. */
  get tokens(): Readonly<TokenTotals> {
    return this.#live.tokens;
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
    await this.#goOnFrom(new LiveSession(session.state));
    const { mode, given } = this.#asked;
    this.#mode = given || session.state.mode === undefined ? mode : stricterMode(session.state.mode, mode);
    return session;
  }

  /** The next prompt starts a new session. */
  async reset(): Promise<void> {
    await this.#close();
    await this.#goOnFrom(new LiveSession());
  }

  /** Runs one request. What must survive is on disk before the event that tells of it comes out. */
  async *prompt(
    input: string,
    { signal, plan = false }: PromptOptions = {},
  ): AsyncGenerator<AgentEvent, RunResult | undefined> {
    const session = await this.#openSession();
    const text = plan ? await this.#beginPlan(session, input) : input;
    const checkpoints = new RequestCheckpoints(this.#ground.checkpoints, session.id);
    const options = await this.#toRunOptions(session, signal);
    const request = plan ? options : openToOthers(options, this.#live);
    const events = run({ ...request, input: text, changes: checkpoints });
    return yield* this.#follow(session, events, checkpoints);
  }

  /** Shortens the conversation now. `focus`: what matters most, in the user's words. */
  async *compact(focus: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<AgentEvent> {
    const session = await this.#openSession();
    const { compactNow } = await import("../core/compact-now.ts");
    yield* this.#follow(session, compactNow(await this.#toRunOptions(session, signal), { focus }));
  }

  /** Removes checkpoints that no session needs. For when there is time; gives way to runs. */
  async tidy(): Promise<void> {
    const { checkpoints, sessions } = this.#ground;
    await tidyCheckpoints({ checkpoints, sessions, open: this.#session?.id, requests: this.requests });
  }

  /** The user gives up the plan, and the job that the task state is about. */
  async giveUpPlan(): Promise<void> {
    for (const entry of this.#live.giveUp()) await this.#session?.append(entry);
  }

  /** Where the tokens of the next request would be. Throws what `Model.describe` throws. */
  async contextUse(): Promise<ContextUse> {
    const { toContextUse } = await import("../core/context-use.ts");
    const info = await this.model.describe({});
    const { messages: sent, meter } = this.#live;
    const messages = sent.length > 0 ? sent : [await readSystemMessage(this.workspace)];
    return toContextUse({ info, messages, tools: this.#tools, meter, compactAt: this.#settings.compactAt });
  }

  /** What the newest `count` requests have changed in files, all of them by default. */
  async diff(count = this.requests.length): Promise<FileChange[]> {
    return this.#ground.checkpoints.diff(toCheckpoints(this.requests.slice(-count)));
  }

  /**
   * Takes the newest `count` requests back: files first, then the conversation. With files that were changed since nothing happens, unless
   * `conflicts` says what to do with them.
   */
  async undo(
    count: number,
    { conflicts = "stop" }: { conflicts?: "stop" | "skip" | "force" } = {},
  ): Promise<UndoneRequests> {
    const session = this.#session;
    const requests = count > 0 ? this.requests.slice(-count) : [];
    if (session === undefined || requests.length === 0)
      return { requests: [], restored: [], conflicts: [], failed: [] };
    const outcome = await this.#ground.checkpoints.undo(toCheckpoints(requests), { conflicts });
    if (conflicts === "stop" && outcome.conflicts.length > 0) return { ...outcome, requests: [] };
    await this.#goOnFrom(new LiveSession(await session.undo(requests.length), this.#live));
    return { ...outcome, requests };
  }

  /** Undoes checkpoints by their names, oldest first, in files alone: what an undo has overwritten, or could not restore. */
  async restore(
    checkpoints: readonly string[],
    { conflicts = "stop" }: { conflicts?: "stop" | "skip" | "force" } = {},
  ): Promise<UndoOutcome> {
    return this.#ground.checkpoints.undo(checkpoints, { conflicts });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#close();
    } finally {
      await Promise.allSettled([this.#ground[Symbol.asyncDispose](), this.#chosen[Symbol.asyncDispose]()]);
    }
  }

  async #toRunOptions(session: Session, signal: AbortSignal | undefined): Promise<RunOptions> {
    const live = this.#live;
    const { safeguards, workspace } = this.#ground;
    const { policy, audit } = (this.#sessionSafeguards ??= safeguards.forSession(session.id, (message) =>
      this.warn("settings_ignored", message),
    ));
    const { maxTurns, maxTimeMs, temperature, compactAt, enforcePlan } = this.#settings;
    const options: RunOptions = {
      model: this.model,
      tools: this.#tools,
      messages: live.messages,
      mode: () => this.#mode,
      approver: this.#approver,
      policy,
      audit,
      redactor: safeguards.redactor,
      inbox: this.inbox,
      limits: { turns: maxTurns, timeMs: maxTimeMs },
      temperature,
      outputs: workspace.outputs,
      compactAt,
      meter: live.meter,
      stateNote: () => live.stateNote(),
      ...(enforcePlan ? { completionGate: () => live.openWork() } : {}),
      runId: randomUUID(),
      sessionId: session.id,
      ...(signal === undefined ? {} : { signal }),
    };
    if (live.plan.plan === undefined) return options;
    const { followPlan } = await import("./plan-mode.ts");
    return followPlan(options, live.plan);
  }

  async #beginPlan(session: Session, input: string): Promise<string> {
    const { beginPlan } = await import("./plan-mode.ts");
    const isNew = this.plan === undefined;
    const text = beginPlan(input, this.#live.plan);
    const { plan } = this;
    if (plan !== undefined) {
      this.#notices.push({ type: "plan_changed", plan });
      await session.append({ type: "plan", plan });
    }
    // The tools for it are offered from now on.
    if (isNew) await this.#renewTools();
    return text;
  }

  /** Passes events on after what must survive of them is on disk. */
  async *#follow<Result>(
    session: Session,
    events: AsyncGenerator<AgentEvent, Result>,
    checkpoints?: RequestCheckpoints,
  ): AsyncGenerator<AgentEvent, Result> {
    try {
      for (;;) {
        const { done, value } = await events.next();
        if (done) return value;
        await this.#record(session, value);
        if (value.type === "message_added" && value.note === "follow_up") checkpoints?.next();
        yield* this.#notices.splice(0);
        yield value;
        if (value.type === "tool_started") yield* this.#warnOnce();
      }
    } finally {
      // A consumer that stops listening, or a disk that is full, ends the run and its commands too.
      await events.return(undefined as never);
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
    if (event.type === "model_ready") await this.#live.keepSlot(this.model, event.model);
    const server = event.type === "run_finished" ? this.#live.toServer() : undefined;
    if (server !== undefined) session.append(server).catch(() => {});
    const entry = this.#live.note(event, { model: this.model.id });
    if (entry === undefined) return;
    const written = session.append(entry);
    // Records are written in order, and after a failure none is taken any more: waiting for the messages is enough.
    const { type } = entry;
    if (type === "message" || type === "compaction" || type === "run_finished") await written;
    else written.catch(() => {});
  }

  /** The session to go on with, or a new one; with its system message, which is written once and never again. */
  async #openSession(): Promise<Session> {
    const session = (this.#session ??= await this.sessions.create());
    if (this.messages.length > 0) return session;
    const message = await readSystemMessage(this.workspace);
    this.#live.begin(message);
    // On disk together with the first request, which waits for both.
    session.append({ type: "message", message }).catch(() => {});
    session.append({ type: "mode", mode: this.#mode }).catch(() => {});
    return session;
  }

  async #goOnFrom(live: LiveSession): Promise<void> {
    this.#live = live;
    await this.#renewTools();
  }

  async #renewTools(): Promise<void> {
    this.#tools = await renewSessionTools(this.#live, this.#toolOptions);
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
  warn(code: WarningCode, message: string): void {
    this.#notices.push({ type: "warning", code, message });
  }
}
