/** What the screen needs from whoever composes the agent. The screen renders and asks; it decides nothing about runs. */
import type { ChoiceRequest } from "../choice.ts";
import type { AgentEvent, Message, PermissionMode, Plan, TaskState, Todo } from "../../core/index.ts";

export interface ScreenController {
  /** Runs one user prompt; the screen renders the events as they come. Called only when no run is going. */
  submit(text: string): AsyncIterable<AgentEvent>;
  /** For the running agent, as soon as its calls of this turn are done. */
  steer(text: string): void;
  /** For when the running agent would end. */
  followUp(text: string): void;
  /** Stops the run; its events still end with `run_finished`. What was queued and not taken is dropped: the screen gives it back to the user. */
  interrupt(): void;
  readonly commands: readonly ScreenCommand[];
  /** Workspace-relative paths that begin with or contain `prefix`, best first. */
  completeFiles(prefix: string): Promise<readonly string[]>;
  readonly history: ScreenHistory;
  /** Read often; must be cheap. */
  status(): ScreenStatus;
  /** Conversation so far, shown at the start and after `ScreenOutput.reload`. */
  transcript(): readonly Message[];
  /** How far the work of that conversation is, shown while the agent goes on with it. */
  progress?(): ScreenProgress;
}

export interface ScreenProgress {
  todos?: readonly Todo[];
  plan?: Plan | undefined;
  taskState?: TaskState | undefined;
}

export interface ScreenHistory {
  /** Oldest first. */
  load(): Promise<readonly string[]>;
  add(text: string): Promise<void>;
}

export interface ScreenCommand {
  /** With its slash: `/help`. */
  name: string;
  description: string;
  /** May run while the agent works. Others tell the user to interrupt first. */
  whileRunning?: boolean;
  /** Values for the argument that begin with `prefix`. */
  complete?(prefix: string): Promise<readonly string[]>;
  /** For what runs like a prompt, such as `/plan TASK`: its events. `undefined`: these arguments are for `run`. */
  submit?(args: string): AsyncIterable<AgentEvent> | undefined;
  /** `args` is what follows the name, trimmed. */
  run(args: string, out: ScreenOutput): Promise<void>;
}

/** Where a command shows its result. All text is made safe here. */
export interface ScreenOutput {
  /** Text as it stands; lines keep their breaks. */
  print(text: string): void;
  warn(text: string): void;
  /** Starts over with the controller's transcript: after a new, resumed or undone session. */
  reload(): void;
  /** Asks in the place of the input; only in commands that do not run beside a prompt. `undefined`: the user has left. */
  choose<Value>(request: ChoiceRequest<Value>): Promise<Value | undefined>;
}

export interface ScreenStatus {
  model: string;
  server: string;
  /** Size of the window, when the server says. */
  contextTokens?: number;
  /** Tokens in use after the last turn. */
  usedTokens?: number;
  mode: PermissionMode;
  sandbox?: string;
  sessionId?: string;
  workspace: string;
  /** What goes on while nothing was asked for, in one line. */
  background?: string;
}
