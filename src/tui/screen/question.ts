/** The question that takes the place of the input while a call waits to be allowed. */
import { Input, isKeyRelease, matchesKey, type Component, type Focusable } from "@mariozechner/pi-tui";
import type { ApprovalDecision, ApprovalRequest } from "../../core/index.ts";
import { toReasons } from "../preview.ts";
import type { Style } from "../style.ts";
import { toTerminalLine } from "../terminal-text.ts";
import { wrapText } from "./text-blocks.ts";

export interface QuestionOptions {
  style: Style;
  now: () => number;
  /** Keys before this moment were meant for something else. */
  armedAt: number;
  onAnswer: (decision: ApprovalDecision) => void;
}

/** Someone who typed this recently is in the middle of a word, and its letters are no answers. */
export const TYPING_MS = 600;

export class Question implements Component, Focusable {
  readonly #request: ApprovalRequest;
  readonly #options: QuestionOptions;
  readonly #note = new Input();
  #armedAt: number;
  #isNoting = false;
  #focused = false;

  constructor(request: ApprovalRequest, options: QuestionOptions) {
    this.#request = request;
    this.#options = options;
    this.#armedAt = options.armedAt;
    this.#note.onSubmit = (text) => this.#denyWith(text);
    this.#note.onEscape = () => this.#answer({ decision: "deny" });
  }

  get focused(): boolean {
    return this.#focused;
  }

  set focused(value: boolean) {
    this.#focused = value;
    this.#note.focused = value;
  }

  invalidate(): void {
    this.#note.invalidate();
  }

  handleInput(data: string): void {
    if (isKeyRelease(data)) return;
    const { now } = this.#options;
    if (this.#isNoting) return this.#note.handleInput(data);
    if (now() < this.#armedAt) return this.#waitForQuiet();
    if (isLetter(data, "y")) return this.#answer({ decision: "allow", digest: this.#request.digest });
    if (isLetter(data, "n") || matchesKey(data, "escape")) return this.#answer({ decision: "deny" });
    if (!isLetter(data, "d")) return this.#waitForQuiet();
    this.#isNoting = true;
  }

  render(width: number): string[] {
    const { style } = this.#options;
    const border = style.yellow("─".repeat(Math.max(1, width)));
    const reasons = toReasons(this.#request);
    return [
      border,
      `  ${style.bold(`Allow ${toTerminalLine(this.#request.tool)}?`)}`,
      ...reasons.flatMap((text) => wrapText(text, { width, paint: style.yellow })),
      this.#isNoting ? this.#drawNote(width) : `  ${toKeys(style)}`,
      border,
    ];
  }

  /** Every key that is no answer moves the moment on from which one counts. */
  #waitForQuiet(): void {
    this.#armedAt = Math.max(this.#armedAt, this.#options.now() + TYPING_MS);
  }

  #drawNote(width: number): string {
    const label = "  note to the model ";
    return label + (this.#note.render(Math.max(4, width - label.length))[0] ?? "");
  }

  #denyWith(text: string): void {
    const note = text.trim();
    this.#answer(note === "" ? { decision: "deny" } : { decision: "deny", note });
  }

  #answer(decision: ApprovalDecision): void {
    this.#options.onAnswer(decision);
  }
}

function isLetter(data: string, letter: "y" | "n" | "d"): boolean {
  return matchesKey(data, letter) || matchesKey(data, `shift+${letter}`) || data === letter.toUpperCase();
}

function toKeys(style: Style): string {
  const key = (name: string, text: string) => `${style.bold(style.cyan(name))} ${text}`;
  return [
    key("y", "allow once"),
    key("n", "deny"),
    key("d", "deny with a note to the model"),
    key("esc", "deny"),
  ].join("   ");
}
