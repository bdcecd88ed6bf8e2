import { errorMessage, type AgentEvent } from "../../core/index.ts";
import type { Choose } from "../choice.ts";
import type { QueuedText } from "./bottom.ts";
import { findClosest, isLeaveWord, parseCommandLine, type CommandLine } from "./commands.ts";
import type { ScreenCommand, ScreenController, ScreenOutput } from "./controller.ts";
import { createQueue, parseQueued } from "./queue.ts";
import type { RunView } from "./run-view.ts";
import type { Transcript } from "./transcript.ts";

export interface PromptRunnerOptions {
  controller: ScreenController;
  view: RunView;
  transcript: Transcript;
  /** Clears the transcript and shows the controller's. */
  reload: () => void;
  /** Something that is shown has changed. */
  changed: () => void;
  /** What a run did not take: the user's again. */
  returnTexts: (texts: readonly string[]) => void;
  leave: () => void;
  choose: Choose;
  /** A run has begun. */
  started: () => void;
}

/** How long a run or a command may take to end when the user leaves. */
const END_MS = 3_000;

/**
 * Decides what a sent line is: a command, a prompt, or something for the run that is going. One run at a time, and none
 * while a command changes what a run would work on.
 */
export class PromptRunner {
  readonly #options: PromptRunnerOptions;
  readonly #queue = createQueue();
  #run: Promise<void> | undefined;
  /** A command that may not run beside a prompt. */
  #command: Promise<void> | undefined;
  /** Sent since that command began; sent again when it ends. */
  #waiting: string[] = [];

  constructor(options: PromptRunnerOptions) {
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#run !== undefined;
  }

  get queued(): readonly QueuedText[] {
    const waiting = this.#waiting.map((text): QueuedText => ({ text, when: "next" }));
    return [...this.#queue.texts, ...waiting];
  }

  /** A queued text reached the agent. */
  taken(text: string): void {
    this.#queue.take(text);
  }

  send(text: string): void {
    const { controller, changed, leave } = this.#options;
    if (isLeaveWord(text)) return leave();
    if (this.#command !== undefined) {
      this.#waiting.push(text);
      return changed();
    }
    const command = parseCommandLine(text);
    if (command !== undefined) return this.#startCommand(command, text);
    if (!this.isRunning) return this.#start(text, () => controller.submit(text));
    const queued = parseQueued(text);
    if (queued === undefined) return;
    if (queued.when === "next") controller.steer(queued.text);
    else controller.followUp(queued.text);
    this.#queue.add(queued);
  }

  /** Lets a run or a command end in order, but not for ever; what waited is not begun. */
  async stop(): Promise<void> {
    this.#waiting = [];
    if (this.#run !== undefined) this.#options.controller.interrupt();
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, END_MS).unref());
    await Promise.race([Promise.all([this.#run, this.#command]), timeout]);
  }

  #start(text: string, submit: () => AsyncIterable<AgentEvent>): void {
    const { view, started, changed, returnTexts } = this.#options;
    view.begin(text);
    started();
    this.#run = this.#consume(submit).finally(() => {
      this.#run = undefined;
      view.end();
      returnTexts(this.#queue.drain());
      changed();
    });
    changed();
  }

  async #consume(submit: () => AsyncIterable<AgentEvent>): Promise<void> {
    const { view, transcript, changed } = this.#options;
    try {
      for await (const event of submit()) {
        view.onEvent(event);
        changed();
      }
    } catch (error) {
      if (error instanceof Error && error.name === "AbortError") transcript.print("interrupted");
      else transcript.fail(errorMessage(error));
    }
  }

  #startCommand({ name, args }: CommandLine, text: string): void {
    const { controller, transcript, view } = this.#options;
    const command = controller.commands.find((candidate) => candidate.name === name);
    const events = this.isRunning ? undefined : command?.submit?.(args);
    if (events !== undefined) return this.#start(text, () => events);
    view.leaveBehind();
    transcript.echo(text);
    if (command === undefined) return this.#warn(toAdvice(name, controller));
    if (command.whileRunning === true) return void this.#runCommand(command, args);
    if (this.isRunning) {
      return this.#warn(`${name} has to wait until the run ends: press Esc to interrupt it.`);
    }
    this.#command = this.#runCommand(command, args).finally(() => {
      this.#command = undefined;
      for (const sent of this.#waiting.splice(0)) this.send(sent);
    });
  }

  async #runCommand(command: ScreenCommand, args: string): Promise<void> {
    const { transcript, changed } = this.#options;
    try {
      await command.run(args, this.#output());
    } catch (error) {
      transcript.fail(errorMessage(error));
    }
    changed();
  }

  #output(): ScreenOutput {
    const { transcript, reload, changed, choose } = this.#options;
    const shown = (show: (text: string) => void) => (text: string) => {
      show(text);
      changed();
    };
    return {
      print: shown(transcript.print),
      warn: shown(transcript.warn),
      reload,
      choose: (request) => choose(request, {}),
    };
  }

  #warn(text: string): void {
    this.#options.transcript.warn(text);
    this.#options.changed();
  }
}

function toAdvice(name: string, { commands }: ScreenController): string {
  const closest = findClosest(name, commands);
  return `There is no command ${name}. ${closest === undefined ? "/help lists them." : `Did you mean ${closest}?`}`;
}
