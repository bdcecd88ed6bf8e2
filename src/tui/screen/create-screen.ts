/**
 * The interactive screen. `Screen` owns the terminal from `run` until the user leaves: it routes keys, runs prompts one
 * at a time and asks for permissions. What is drawn lives in `frame.ts` (transcript) and `bottom.ts` (the rest).
 */
import {
  Editor,
  isKeyRelease,
  TUI,
  type Component,
  type Focusable,
  type Terminal,
} from "@mariozechner/pi-tui";
import { errorMessage } from "../../core/index.ts";
import type { ChoiceRequest, Choose } from "../choice.ts";
import { toStyle } from "../style.ts";
import { createQuestions, type Asking, type Questions } from "./asking.ts";
import { createBottom, type BottomState } from "./bottom.ts";
import { ChoiceQuestion } from "./choice-question.ts";
import { createCompletion } from "./completion.ts";
import type { ScreenController } from "./controller.ts";
import { Frame } from "./frame.ts";
import { readKey, toHint, type KeyAction, type KeyContext } from "./keys.ts";
import { holdProcessTerminal, suspendProcess } from "./process-terminal.ts";
import { toSafePaste } from "./paste.ts";
import { PlanQuestion } from "./plan-question.ts";
import { PromptRunner } from "./prompt-runner.ts";
import { Question } from "./question.ts";
import { TYPING_MS } from "./question-keys.ts";
import { RunView } from "./run-view.ts";
import { createScreenTerminal, type ScreenTerminal } from "./terminal.ts";
import { createPageBlock } from "./tool-block.ts";
import { createTheme, type Theme } from "./theme.ts";
import { createTranscript, type Transcript } from "./transcript.ts";

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

/** Asks on the screen; nobody is there while none is shown. */
export interface InteractiveScreen extends Questions {
  /** Shows the screen until the user leaves; the terminal is given back however it ends. */
  run(controller: ScreenController): Promise<void>;
}

export function createScreen(options: ScreenOptions): InteractiveScreen {
  let screen: Screen | undefined;
  const questions = createQuestions(() => screen);
  return {
    ...questions,
    async run(controller) {
      screen = new Screen(controller, options, questions.choose);
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
const FRAME_MS = 40;
/** Long enough for the screen library to draw the last frame. */
const LAST_FRAME_MS = 40;
const QUESTION_GUARD_MS = 150;

type AnyQuestion = Component & Focusable;

class Screen implements Asking {
  readonly #controller: ScreenController;
  readonly #options: ScreenOptions;
  readonly #now: () => number;
  readonly #theme: Theme;
  readonly #terminal: ScreenTerminal;
  readonly #tui: TUI;
  readonly #editor: Editor;
  readonly #frame: Frame;
  readonly #transcript: Transcript;
  readonly #view: RunView;
  readonly #runner: PromptRunner;
  readonly #choose: Choose;
  #question: AnyQuestion | undefined;
  /** Takes the answer that changes nothing. */
  #dropChoice: (() => void) | undefined;
  #notice: { text: string; until: number } | undefined;
  #ctrlCAt = Number.NEGATIVE_INFINITY;
  #typedAt = Number.NEGATIVE_INFINITY;
  #spinnerFrame = 0;
  /** As it was last drawn. */
  #background: string | undefined;
  #renderTimer: NodeJS.Timeout | undefined;
  #leave: () => void = () => {};

  constructor(controller: ScreenController, options: ScreenOptions, choose: Choose) {
    this.#controller = controller;
    this.#choose = choose;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#theme = createTheme(toStyle({ colour: options.colour ?? true }));
    this.#terminal = createScreenTerminal(options.terminal);
    this.#tui = new TUI(this.#terminal, false);
    this.#editor = this.#createEditor();
    this.#frame = this.#createFrame();
    this.#transcript = createTranscript(this.#frame, { theme: this.#theme, banner: options.banner });
    this.#view = new RunView({
      theme: this.#theme,
      now: this.#now,
      add: (block) => this.#frame.add(block),
      taken: (text) => this.#runner.taken(text),
    });
    this.#runner = this.#createRunner();
  }

  async run(): Promise<void> {
    const left = new Promise<void>((resolve) => (this.#leave = resolve));
    const release = this.#ownsProcessTerminal
      ? holdProcessTerminal({ restore: () => this.#restore(), leave: this.#leave })
      : undefined;
    const ticker = setInterval(() => this.#tick(), SPINNER_MS);
    try {
      await this.#loadHistory();
      this.#openConversation();
      this.#tui.addChild(this.#frame);
      this.#tui.setFocus(this.#editor);
      this.#tui.addInputListener((data) => this.#onInput(data));
      this.#tui.start();
      await left;
      this.#dropChoice?.();
      await this.#runner.stop();
    } finally {
      clearInterval(ticker);
      clearTimeout(this.#renderTimer);
      await this.#giveBack();
      release?.();
    }
  }

  readonly showCall: Asking["showCall"] = (request, answer) => {
    this.#view.ask(request);
    return this.#put(new Question(request, this.#toQuestionOptions(answer)));
  };

  readonly showPlan: Asking["showPlan"] = (plan, answer) => {
    const options = { ...this.#toQuestionOptions(answer), createEditor: () => this.#createTextEditor() };
    return this.#put(new PlanQuestion(plan, options));
  };

  showChoice<Value>(request: ChoiceRequest<Value>, answer: (value: Value) => void): () => void {
    const takeDown = this.#put(new ChoiceQuestion(request, this.#toQuestionOptions(answer)));
    this.#dropChoice = () => answer(request.choices[0].value);
    return () => {
      this.#dropChoice = undefined;
      takeDown();
    };
  }

  #toQuestionOptions<Answer>(onAnswer: (answer: Answer) => void) {
    return {
      style: this.#theme.style,
      now: this.#now,
      armedAt: Math.max(this.#now() + QUESTION_GUARD_MS, this.#typedAt + TYPING_MS),
      onAnswer,
      onPage: (lines: readonly string[]) => this.#frame.add(createPageBlock(lines, this.#theme)),
    };
  }

  /** In the place of the input, until it is taken down. */
  #put(question: AnyQuestion): () => void {
    this.#question = question;
    this.#tui.setFocus(question);
    this.#tui.requestRender();
    return () => {
      if (this.#question !== question) return;
      this.#question = undefined;
      this.#tui.setFocus(this.#editor);
      this.#tui.requestRender();
    };
  }

  get #ownsProcessTerminal(): boolean {
    return this.#options.terminal === undefined;
  }

  #createTextEditor(): Editor {
    return new Editor(this.#tui, this.#theme.editor, { paddingX: 2, autocompleteMaxVisible: 8 });
  }

  #createEditor(): Editor {
    const editor = this.#createTextEditor();
    editor.setAutocompleteProvider(createCompletion(this.#controller));
    editor.onChange = (text) => {
      this.#typedAt = text === "" ? Number.NEGATIVE_INFINITY : this.#now();
    };
    editor.onSubmit = (text) => this.#onSubmit(text.trim());
    return editor;
  }

  #createFrame(): Frame {
    const bottom = createBottom({
      style: this.#theme.style,
      rows: () => this.#terminal.rows,
      state: () => this.#bottomState(),
      input: (): Component => this.#question ?? this.#editor,
    });
    return new Frame({
      rows: () => this.#terminal.rows,
      bottom,
      redrawAll: () => this.#tui.requestRender(true),
    });
  }

  #createRunner(): PromptRunner {
    return new PromptRunner({
      controller: this.#controller,
      view: this.#view,
      transcript: this.#transcript,
      leave: () => this.#leave(),
      choose: this.#choose,
      started: () => this.#takeBackCtrlC(),
      changed: () => this.#renderSoon(),
      reload: () => {
        this.#frame.clear();
        this.#openConversation();
      },
      returnTexts: (texts) => {
        if (texts.length === 0) return;
        const typed = this.#editor.getExpandedText();
        this.#editor.setText([typed, ...texts].filter((text) => text !== "").join("\n"));
      },
    });
  }

  #openConversation(): void {
    this.#view.open(this.#controller.progress?.() ?? {});
    this.#transcript.open(this.#controller.transcript());
  }

  async #loadHistory(): Promise<void> {
    try {
      for (const text of await this.#controller.history.load()) this.#editor.addToHistory(text);
    } catch (error) {
      this.#transcript.warn(`The input history could not be read: ${errorMessage(error)}`);
    }
  }

  /** Events come faster than anybody reads, and the model may need the processor. */
  #renderSoon(): void {
    this.#renderTimer ??= setTimeout(() => {
      this.#renderTimer = undefined;
      this.#tui.requestRender();
    }, FRAME_MS);
  }

  #onSubmit(text: string): void {
    if (text === "") return;
    this.#editor.addToHistory(text);
    this.#controller.history.add(text).catch((error: unknown) => {
      this.#transcript.warn(`The input history could not be saved: ${errorMessage(error)}`);
      this.#tui.requestRender();
    });
    this.#runner.send(text);
  }

  get #keyContext(): KeyContext {
    return {
      isAsking: this.#question !== undefined,
      isRunning: this.#runner.isRunning,
      isInputEmpty: this.#editor.getText() === "",
      isCompleting: this.#editor.isShowingAutocomplete(),
      canSuspend: this.#ownsProcessTerminal,
    };
  }

  #onInput(data: string): { consume: true } | { data: string } | undefined {
    const action = readKey(data, this.#keyContext);
    if (action !== "interrupt_or_leave" && !isKeyRelease(data)) this.#takeBackCtrlC();
    if (action === undefined) return toSafePaste(data);
    if (action === "new_line") return { data: "\n" };
    this.#act(action);
    this.#tui.requestRender();
    return { consume: true };
  }

  #act(action: Exclude<KeyAction, "new_line">): void {
    switch (action) {
      case "details":
        return this.#frame.toggleDetails();
      case "redraw":
        return this.#frame.redraw();
      case "interrupt":
        return this.#controller.interrupt();
      case "suspend":
        return this.#suspend();
      case "interrupt_or_leave":
        return this.#onCtrlC();
      case "leave":
        if (!this.#runner.isRunning) return this.#leave();
        return this.#say("The agent is working: press Esc to interrupt it, or Ctrl-C twice to leave.");
    }
  }

  #onCtrlC(): void {
    const isSecond = this.#now() - this.#ctrlCAt < LEAVE_MS;
    this.#ctrlCAt = this.#now();
    if (isSecond) return this.#leave();
    if (this.#runner.isRunning) {
      this.#controller.interrupt();
      return this.#say("Interrupting. Press Ctrl-C again to leave.");
    }
    if (this.#dropChoice !== undefined) return this.#dropChoice();
    this.#editor.setText("");
    this.#say("Press Ctrl-C again to leave.");
  }

  /** Whoever goes on working does not want to leave: the next Ctrl-C is a first one again. */
  #takeBackCtrlC(): void {
    if (this.#ctrlCAt === Number.NEGATIVE_INFINITY) return;
    this.#ctrlCAt = Number.NEGATIVE_INFINITY;
    this.#notice = undefined;
    this.#tui.requestRender();
  }

  #suspend(): void {
    this.#tui.stop();
    suspendProcess(() => {
      this.#tui.start();
      this.#frame.redraw();
    });
  }

  #say(text: string): void {
    this.#notice = { text, until: this.#now() + LEAVE_MS };
  }

  #tick(): void {
    const noticeEnded = this.#notice !== undefined && this.#now() >= this.#notice.until;
    if (noticeEnded) this.#notice = undefined;
    if (this.#runner.isRunning) this.#spinnerFrame += 1;
    const { background } = this.#controller.status();
    const isNews = background !== this.#background;
    this.#background = background;
    if (noticeEnded || isNews || this.#runner.isRunning) this.#tui.requestRender();
  }

  #bottomState(): BottomState {
    const { style } = this.#theme;
    return {
      activity: this.#runner.isRunning ? this.#view.activity : undefined,
      summary: this.#view.summary,
      todos: this.#view.todos,
      plan: this.#view.plan,
      taskState: this.#view.taskState,
      cacheRatio: this.#view.cacheRatio,
      queue: this.#runner.queued,
      status: this.#controller.status(),
      hint:
        this.#notice === undefined ? style.dim(toHint(this.#keyContext)) : style.yellow(this.#notice.text),
      spinnerFrame: this.#spinnerFrame,
    };
  }

  async #giveBack(): Promise<void> {
    this.#frame.leave();
    this.#tui.requestRender();
    await new Promise((resolve) => setTimeout(resolve, LAST_FRAME_MS));
    if (this.#ownsProcessTerminal) await this.#terminal.settled();
    this.#restore();
  }

  /** Puts the cursor below what is shown and gives the terminal back; at once, for an exit. */
  #restore(): void {
    if (this.#terminal.isActive) this.#tui.stop();
  }
}
