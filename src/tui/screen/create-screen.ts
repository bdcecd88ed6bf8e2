/**
 * The interactive screen. `Screen` owns the terminal from `run` until the user leaves: it routes keys, runs prompts one
 * at a time and asks for permissions. What is drawn lives in `frame.ts` (transcript) and `bottom.ts` (the rest).
 */
import { Editor, isKeyRelease, matchesKey, TUI, type Component, type Terminal } from "@mariozechner/pi-tui";
import {
  errorMessage,
  type ApprovalDecision,
  type ApprovalRequest,
  type Approver,
} from "../../core/index.ts";
import { toStyle } from "../style.ts";
import { createScreenApprover } from "./approver.ts";
import { createBlock } from "./block.ts";
import { createBottom, type BottomState, type QueuedText } from "./bottom.ts";
import { findClosest, isLeaveWord, parseCommandLine } from "./commands.ts";
import { createCompletion } from "./completion.ts";
import type { ScreenController, ScreenOutput } from "./controller.ts";
import { Frame } from "./frame.ts";
import { createMarkdownBlock } from "./markdown.ts";
import { holdProcessTerminal, suspendProcess } from "./process-terminal.ts";
import { Question } from "./question.ts";
import { toTranscriptBlocks } from "./replay.ts";
import { RunView } from "./run-view.ts";
import { createScreenTerminal, type ScreenTerminal } from "./terminal.ts";
import { createNoteBlock, wrapText } from "./text-blocks.ts";
import { createTheme, type Theme } from "./theme.ts";

export interface ScreenOptions {
  /** Lines shown at the top, made safe; the first one stands out. */
  banner: readonly string[];
  /** Default: the terminal of this process. */
  terminal?: Terminal;
  /** Default true. */
  colour?: boolean;
  /** Milliseconds, monotonic; default `performance.now`. */
  now?: () => number;
}

export interface InteractiveScreen {
  /** Asks on the screen; denies as unattended while none is shown. */
  readonly approver: Approver;
  /** Shows the screen until the user leaves; the terminal is given back however it ends. */
  run(controller: ScreenController): Promise<void>;
}

export function createScreen(options: ScreenOptions): InteractiveScreen {
  let screen: Screen | undefined;
  return {
    approver: createScreenApprover(() => screen?.showQuestion),
    async run(controller) {
      screen = new Screen(controller, options);
      try {
        await screen.run();
      } finally {
        screen = undefined;
      }
    },
  };
}

/** Pressing Ctrl-C twice within this time leaves. */
const LEAVE_MS = 2_000;
const SPINNER_MS = 100;
/** How long a run may take to end when the user leaves. */
const RUN_END_MS = 3_000;
/** Long enough for the screen library to draw the last frame. */
const LAST_FRAME_MS = 40;
const QUESTION_GUARD_MS = 150;
/** Someone who typed this recently is in the middle of a word. */
const TYPING_MS = 600;

class Screen {
  readonly #controller: ScreenController;
  readonly #options: ScreenOptions;
  readonly #now: () => number;
  readonly #theme: Theme;
  readonly #terminal: ScreenTerminal;
  readonly #tui: TUI;
  readonly #frame: Frame;
  readonly #editor: Editor;
  readonly #view: RunView;
  #queue: QueuedText[] = [];
  #run: Promise<void> | undefined;
  #question: Question | undefined;
  #notice: { text: string; until: number } | undefined;
  #ctrlCAt = Number.NEGATIVE_INFINITY;
  #typedAt = Number.NEGATIVE_INFINITY;
  #spinnerFrame = 0;
  #leave: () => void = () => {};

  constructor(controller: ScreenController, options: ScreenOptions) {
    this.#controller = controller;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#theme = createTheme(toStyle({ colour: options.colour ?? true }));
    this.#terminal = createScreenTerminal(options.terminal);
    this.#tui = new TUI(this.#terminal, false);
    this.#editor = this.#createEditor();
    this.#frame = new Frame({
      rows: () => this.#terminal.rows,
      bottom: createBottom({
        style: this.#theme.style,
        rows: () => this.#terminal.rows,
        state: () => this.#bottomState(),
        input: (): Component => this.#question ?? this.#editor,
      }),
      redrawAll: () => this.#tui.requestRender(true),
    });
    this.#view = new RunView({
      theme: this.#theme,
      now: this.#now,
      add: (block) => this.#frame.add(block),
      taken: (text) => this.#unqueue(text),
    });
  }

  async run(): Promise<void> {
    const left = new Promise<void>((resolve) => (this.#leave = resolve));
    const release =
      this.#options.terminal === undefined
        ? holdProcessTerminal({ restore: () => this.#restore(), leave: this.#leave })
        : undefined;
    const ticker = setInterval(() => this.#tick(), SPINNER_MS);
    try {
      await this.#loadHistory();
      this.#showTranscript();
      this.#tui.addChild(this.#frame);
      this.#tui.setFocus(this.#editor);
      this.#tui.addInputListener((data) => this.#onKey(data));
      this.#tui.start();
      await left;
      await this.#endRun();
    } finally {
      clearInterval(ticker);
      await this.#giveBack();
      release?.();
    }
  }

  /** For the approver: puts a question in the place of the input. */
  readonly showQuestion = (request: ApprovalRequest, answer: (decision: ApprovalDecision) => void) => {
    this.#view.ask(request);
    const question = new Question(request, {
      style: this.#theme.style,
      now: this.#now,
      armedAt: Math.max(this.#now() + QUESTION_GUARD_MS, this.#typedAt + TYPING_MS),
      onAnswer: answer,
    });
    this.#question = question;
    this.#tui.setFocus(question);
    this.#tui.requestRender();
    return () => {
      if (this.#question !== question) return;
      this.#question = undefined;
      this.#tui.setFocus(this.#editor);
      this.#tui.requestRender();
    };
  };

  #createEditor(): Editor {
    const editor = new Editor(this.#tui, this.#theme.editor, { paddingX: 2, autocompleteMaxVisible: 8 });
    editor.setAutocompleteProvider(createCompletion(this.#controller));
    editor.onChange = (text) => {
      this.#typedAt = text === "" ? Number.NEGATIVE_INFINITY : this.#now();
    };
    editor.onSubmit = (text) => this.#onSubmit(text.trim());
    return editor;
  }

  async #loadHistory(): Promise<void> {
    try {
      for (const text of await this.#controller.history.load()) this.#editor.addToHistory(text);
    } catch (error) {
      this.#warn(`The input history could not be read: ${errorMessage(error)}`);
    }
  }

  #showTranscript(): void {
    const { style } = this.#theme;
    const { banner } = this.#options;
    if (banner.length > 0) {
      this.#frame.add(
        createBlock("banner", (width) =>
          banner.flatMap((text, index) =>
            wrapText(text, { width, paint: index === 0 ? style.bold : style.dim }),
          ),
        ),
      );
    }
    for (const block of toTranscriptBlocks(this.#controller.transcript(), this.#theme))
      this.#frame.add(block);
  }

  #onSubmit(text: string): void {
    if (text === "") return;
    this.#editor.addToHistory(text);
    this.#controller.history.add(text).catch((error: unknown) => {
      this.#warn(`The input history could not be saved: ${errorMessage(error)}`);
    });
    if (isLeaveWord(text)) return this.#leave();
    const command = parseCommandLine(text);
    if (command !== undefined) {
      this.#frame.add(createNoteBlock(text, { paint: this.#theme.style.dim, mark: "›" }));
      return void this.#runCommand(command);
    }
    if (this.#run === undefined) return this.#start(text);
    const later = /^>>\s*([\s\S]*)$/.exec(text)?.[1];
    if (later === "") return;
    if (later === undefined) this.#controller.steer(text);
    else this.#controller.followUp(later);
    this.#queue.push({ text: later ?? text, when: later === undefined ? "next" : "later" });
  }

  #start(text: string): void {
    this.#view.begin(text);
    this.#run = this.#consume(text).finally(() => {
      this.#run = undefined;
      this.#view.end();
      this.#returnQueued();
      this.#tui.requestRender();
    });
    this.#tui.requestRender();
  }

  async #consume(text: string): Promise<void> {
    try {
      for await (const event of this.#controller.submit(text)) {
        this.#view.onEvent(event);
        this.#tui.requestRender();
      }
    } catch (error) {
      this.#fail(errorMessage(error));
    }
  }

  #unqueue(text: string): void {
    const index = this.#queue.findIndex((queued) => queued.text === text);
    if (index !== -1) this.#queue.splice(index, 1);
  }

  /** What the run did not take is the user's again. */
  #returnQueued(): void {
    if (this.#queue.length === 0) return;
    const texts = [this.#editor.getExpandedText(), ...this.#queue.map(({ text }) => text)];
    this.#queue = [];
    this.#editor.setText(texts.filter((text) => text !== "").join("\n"));
  }

  async #runCommand({ name, args }: { name: string; args: string }): Promise<void> {
    const { commands } = this.#controller;
    const command = commands.find((candidate) => candidate.name === name);
    if (command === undefined) {
      const closest = findClosest(name, commands);
      return this.#warn(
        `There is no command ${name}.${closest === undefined ? " /help lists them." : ` Did you mean ${closest}?`}`,
      );
    }
    if (this.#run !== undefined && command.whileRunning !== true) {
      return this.#warn(`${name} has to wait until the run ends: press Esc to interrupt it.`);
    }
    try {
      if ((await command.run(args, this.#output())) === "quit") this.#leave();
    } catch (error) {
      this.#fail(errorMessage(error));
    }
    this.#tui.requestRender();
  }

  #output(): ScreenOutput {
    return {
      print: (text) => this.#frame.add(createNoteBlock(text, { paint: (line) => line })),
      markdown: (text) => {
        const markdown = createMarkdownBlock(this.#theme);
        markdown.append(text);
        this.#frame.add(markdown.block);
      },
      warn: (text) => this.#warn(text),
      reload: () => {
        this.#view.clear();
        this.#frame.clear();
        this.#showTranscript();
      },
    };
  }

  #warn(text: string): void {
    this.#frame.add(createNoteBlock(text, { paint: this.#theme.style.yellow, mark: "!" }));
    this.#tui.requestRender();
  }

  #fail(text: string): void {
    this.#frame.add(createNoteBlock(text, { paint: this.#theme.style.red, mark: "✗" }));
  }

  #onKey(data: string): { consume: true } | { data: string } | undefined {
    if (isKeyRelease(data)) return undefined;
    if (matchesKey(data, "ctrl+c")) return this.#handled(() => this.#onCtrlC());
    if (matchesKey(data, "ctrl+o")) return this.#handled(() => this.#frame.toggleDetails());
    if (matchesKey(data, "ctrl+z") && this.#options.terminal === undefined)
      return this.#handled(() => this.#suspend());
    if (this.#question !== undefined) return undefined;
    if (matchesKey(data, "ctrl+l")) return this.#handled(() => this.#frame.redraw());
    if (matchesKey(data, "ctrl+d") && this.#editor.getText() === "")
      return this.#handled(() => this.#onCtrlD());
    if (matchesKey(data, "escape") && this.#run !== undefined && !this.#editor.isShowingAutocomplete()) {
      return this.#handled(() => this.#controller.interrupt());
    }
    // Terminals that report modifiers send these as sequences that the editor does not know.
    if (matchesKey(data, "alt+enter") || matchesKey(data, "ctrl+enter")) return { data: "\n" };
    return undefined;
  }

  #handled(act: () => void): { consume: true } {
    act();
    this.#tui.requestRender();
    return { consume: true };
  }

  #onCtrlC(): void {
    const isSecond = this.#now() - this.#ctrlCAt < LEAVE_MS;
    this.#ctrlCAt = this.#now();
    if (isSecond) return this.#leave();
    if (this.#run !== undefined) this.#controller.interrupt();
    else this.#editor.setText("");
    this.#say(
      this.#run === undefined ? "Press Ctrl-C again to leave." : "Interrupting. Press Ctrl-C again to leave.",
    );
  }

  #suspend(): void {
    this.#tui.stop();
    suspendProcess(() => {
      this.#tui.start();
      this.#frame.redraw();
    });
  }

  #onCtrlD(): void {
    if (this.#run === undefined) return this.#leave();
    this.#say("The agent is working: press Esc to interrupt it, or Ctrl-C twice to leave.");
  }

  #say(text: string): void {
    this.#notice = { text, until: this.#now() + LEAVE_MS };
  }

  #tick(): void {
    const noticeEnded = this.#notice !== undefined && this.#now() >= this.#notice.until;
    if (noticeEnded) this.#notice = undefined;
    if (this.#run !== undefined) this.#spinnerFrame += 1;
    if (noticeEnded || this.#run !== undefined) this.#tui.requestRender();
  }

  #bottomState(): BottomState {
    return {
      activity: this.#run === undefined ? undefined : this.#view.activity,
      summary: this.#view.summary,
      todos: this.#view.todos,
      queue: this.#queue,
      status: this.#controller.status(),
      hint: this.#hint(),
      spinnerFrame: this.#spinnerFrame,
    };
  }

  #hint(): string {
    const { style } = this.#theme;
    if (this.#notice !== undefined) return style.yellow(this.#notice.text);
    if (this.#question !== undefined) return style.dim("ctrl+c interrupts · ctrl+o details");
    if (this.#run !== undefined)
      return style.dim("enter tells the agent now · >> afterwards · esc interrupts · ctrl+o details");
    return style.dim("/ commands · @ files · alt+enter new line · ctrl+o details · ctrl+d leave");
  }

  /** Lets a run end in order, but not for ever. */
  async #endRun(): Promise<void> {
    if (this.#run === undefined) return;
    this.#controller.interrupt();
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, RUN_END_MS).unref());
    await Promise.race([this.#run, timeout]);
  }

  async #giveBack(): Promise<void> {
    this.#frame.leave();
    this.#tui.requestRender();
    await new Promise((resolve) => setTimeout(resolve, LAST_FRAME_MS));
    if (this.#options.terminal === undefined) await this.#terminal.settled();
    this.#restore();
  }

  /** Puts the cursor below what is shown and gives the terminal back; at once, for an exit. */
  #restore(): void {
    if (this.#terminal.isActive) this.#tui.stop();
  }
}
