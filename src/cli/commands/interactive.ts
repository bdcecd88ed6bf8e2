import { denyUnattended, type Approver } from "../../core/approval.ts";
import type { AgentEvent } from "../../core/events.ts";
import type { ModelInfo } from "../../core/model.ts";
import { reviewUnattended, type PlanReviewer } from "../../core/plan.ts";
import {
  createScreen,
  type InteractiveScreen,
  type ScreenController,
  type ScreenProgress,
  type ScreenStatus,
} from "../../tui/screen/index.ts";
import type { Agent } from "../agent.ts";
import { openHistory } from "../history.ts";
import { createIdleProbe, isFreeToProbe, type IdleProbe } from "../idle-probe.ts";
import type { TaskFlags } from "../main.ts";
import { openAgent } from "../open-agent.ts";
import { packageVersion } from "../package-root.ts";
import { openProfiles, type Profiles } from "../profiles.ts";
import { createReplCommands } from "../repl-commands.ts";
import { resumeSession } from "../resume.ts";
import type { Settings } from "../settings.ts";
import { useColour } from "../terminal-approver.ts";

const COMPLETIONS = 50;

/** The interactive screen: requests one after another in one session. */
export async function runInteractive(settings: Settings, flags: TaskFlags): Promise<number> {
  let screen: InteractiveScreen | undefined;
  const approver: Approver = {
    ask: (request, options) => (screen?.approver ?? denyUnattended).ask(request, options),
  };
  const reviewer: PlanReviewer = {
    review: (plan, options) => (screen?.planReviewer ?? reviewUnattended).review(plan, options),
  };
  const profiles = await openProfiles(settings);
  await using agent = await openAgent(settings, { approver, reviewer, profiles });
  await resumeSession(agent, flags);
  screen = createScreen({ banner: await toBanner(agent, settings), colour: useColour(process.stdout) });
  await using controller = new AgentScreen(agent, { settings, profiles });
  await screen.run(controller);
  if (agent.sessionId !== undefined)
    process.stdout.write(`Session ${agent.sessionId}. Go on with: lmagent --continue\n`);
  return 0;
}

async function toBanner(agent: Agent, settings: Settings): Promise<string[]> {
  const lines = [`LMAgent ${packageVersion()} in ${agent.workspace.root}`];
  const chosenForUser = settings.baseUrl === undefined && settings.model === undefined;
  if (chosenForUser) {
    const info = await agent.model.describe({}).catch(() => undefined);
    lines.push(...(info?.profile.notice ?? []));
  }
  if (agent.sessionId !== undefined) lines.push(`Resumed session ${agent.sessionId}, mode ${agent.mode}.`);
  return lines;
}

/** What the screen needs of an agent. */
class AgentScreen implements ScreenController, AsyncDisposable {
  readonly commands;
  readonly history;
  readonly #agent: Agent;
  readonly #settings: Settings;
  #model: ModelInfo | undefined;
  #usedTokens: number | undefined;
  #running: AbortController | undefined;
  /** `--plan` is about the first request. */
  #plansFirst: boolean;
  readonly #probe: IdleProbe;
  #background: string | undefined;

  constructor(agent: Agent, { settings, profiles }: { settings: Settings; profiles: Profiles }) {
    this.#agent = agent;
    this.#settings = settings;
    this.#plansFirst = settings.plan;
    this.#probe = createIdleProbe({
      model: agent.model,
      profiles,
      notify: (line) => (this.#background = line),
    });
    this.commands = createReplCommands(agent, (start) => this.#follow(start));
    this.history = openHistory(settings.home);
    // For the status line; what is wrong with the server is said by the first request.
    agent.model.describe({}).then(
      (info) => {
        this.#model = info;
        this.#probeWhileIdle();
      },
      () => {},
    );
  }

  submit(text: string): AsyncIterable<AgentEvent> {
    const plan = this.#plansFirst;
    this.#plansFirst = false;
    return this.#follow((signal) => this.#agent.prompt(text, { signal, plan }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#probe[Symbol.asyncDispose]();
  }

  steer(text: string): void {
    this.#agent.inbox.steer(text);
  }

  followUp(text: string): void {
    this.#agent.inbox.followUp(text);
  }

  interrupt(): void {
    this.#agent.inbox.clear();
    this.#running?.abort();
  }

  async completeFiles(prefix: string): Promise<readonly string[]> {
    const pattern = prefix.includes("*") ? prefix : `**/*${prefix.replace(/[[\]{}()!?]/g, "")}*`;
    const { paths } = await this.#agent.workspace.findFiles(pattern, { limit: COMPLETIONS });
    return paths;
  }

  status(): ScreenStatus {
    const { workspace, mode, sessionId } = this.#agent;
    const sandbox = this.#agent.sandboxLabel;
    return {
      workspace: workspace.root,
      mode,
      model: this.#model?.id ?? this.#settings.model ?? this.#agent.model.id,
      server: this.#model?.server ?? "…",
      ...(this.#model?.contextTokens === undefined ? {} : { contextTokens: this.#model.contextTokens }),
      ...(this.#usedTokens === undefined ? {} : { usedTokens: this.#usedTokens }),
      ...(sandbox === undefined ? {} : { sandbox }),
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(this.#background === undefined ? {} : { background: this.#background }),
    };
  }

  transcript(): Agent["messages"] {
    return this.#agent.messages.slice(1);
  }

  progress(): ScreenProgress {
    const { todos, plan, taskState } = this.#agent;
    return { todos, plan, taskState };
  }

  async *#follow(start: (signal: AbortSignal) => AsyncIterable<AgentEvent>): AsyncIterable<AgentEvent> {
    const controller = new AbortController();
    this.#running = controller;
    try {
      await this.#probe.stop();
      for await (const event of start(controller.signal)) {
        this.#note(event);
        yield event;
      }
    } finally {
      this.#running = undefined;
    }
    // The user reads now, and the model has nothing to do.
    if (controller.signal.aborted) return;
    this.#probeWhileIdle();
    // What cannot be tidied now stays for another time.
    this.#agent.tidy().catch(() => {});
  }

  /** Only where it costs nothing and pushes nothing out of the server's memory that this conversation needs. */
  #probeWhileIdle(): void {
    const model = this.#model;
    if (model === undefined || this.#running !== undefined || !isFreeToProbe(model)) return;
    const { slots = 1 } = model;
    if (slots < 2 && this.#agent.messages.length > 0) return;
    this.#probe.start();
    void this.#probe.settled().then(() => (this.#background = undefined));
  }

  #note(event: AgentEvent): void {
    if (event.type === "model_ready") this.#model = event.model;
    if (event.type === "context_compacted") this.#usedTokens = event.tokensAfter;
    if (event.type !== "usage") return;
    const { promptTokens, completionTokens } = event.usage;
    if (promptTokens !== undefined) this.#usedTokens = promptTokens + (completionTokens ?? 0);
  }
}
