/** The question that takes the place of the input while a command waits for a choice. */
import { isKeyRelease, matchesKey, type Component, type Focusable } from "@mariozechner/pi-tui";
import { toChoicePages, type Choice, type ChoiceRequest } from "../choice.ts";
import { describeMissing, type Pages } from "../preview-pages.ts";
import type { Style } from "../style.ts";
import {
  createKeyGuard,
  drawFrame,
  drawLines,
  drawKeys,
  isLetter,
  toKey,
  type KeyGuard,
} from "./question-keys.ts";

export interface ChoiceQuestionOptions<Value> {
  style: Style;
  now: () => number;
  /** Keys before this moment were meant for something else. */
  armedAt: number;
  onAnswer: (value: Value) => void;
  /** Shows what it is about, or the next page of it, above the question. */
  onPage: (lines: readonly string[]) => void;
}

export class ChoiceQuestion<Value> implements Component, Focusable {
  focused = false;
  readonly #request: ChoiceRequest<Value>;
  readonly #options: ChoiceQuestionOptions<Value>;
  readonly #pages: Pages;
  readonly #keys: KeyGuard;
  #confirming: Choice<Value> | undefined;

  constructor(request: ChoiceRequest<Value>, options: ChoiceQuestionOptions<Value>) {
    this.#request = request;
    this.#options = options;
    this.#keys = createKeyGuard(options);
    this.#pages = toChoicePages(request.lines, options.style);
    options.onPage(this.#pages.first);
  }

  invalidate(): void {}

  handleInput(data: string): void {
    if (isKeyRelease(data)) return;
    const confirmed = this.#confirming;
    this.#confirming = undefined;
    if (!this.#keys.isArmed) return this.#keys.waitForQuiet();
    if (confirmed !== undefined) {
      if (matchesKey(data, "enter")) return this.#options.onAnswer(confirmed.value);
      return this.#keys.waitForQuiet();
    }
    if (matchesKey(data, "escape")) return this.#options.onAnswer(this.#request.choices[0].value);
    const choice = this.#offered.find(({ key }) => isLetter(data, key));
    if (choice !== undefined) return this.#take(choice);
    const page = isLetter(data, "s") ? this.#pages.rest.shift() : undefined;
    if (page !== undefined) this.#options.onPage(page);
    this.#keys.waitForQuiet();
  }

  render(width: number): string[] {
    const { style } = this.#options;
    const { rest } = this.#pages;
    const missing =
      rest.length === 0 ? [] : [`${describeMissing(rest)} not shown yet: look at all of it first`];
    const text = this.#confirming?.confirm ?? this.#request.question;
    const body = [
      ...drawLines([text], { width, paint: style.bold }),
      ...drawLines(missing, { width, paint: style.yellow }),
      ...drawKeys(this.#keyTexts, width),
    ];
    return drawFrame(body, { width, style });
  }

  get #offered(): readonly Choice<Value>[] {
    const { choices } = this.#request;
    return this.#pages.rest.length === 0 ? choices : choices.slice(0, 1);
  }

  #take(choice: Choice<Value>): void {
    if (choice.confirm === undefined) return this.#options.onAnswer(choice.value);
    this.#confirming = choice;
    this.#keys.waitForConfirmation();
  }

  get #keyTexts(): string[] {
    const { style } = this.#options;
    if (this.#confirming !== undefined)
      return [toKey(style, "enter", "yes"), toKey(style, "any other key", "back")];
    const [page] = this.#pages.rest;
    const more = page === undefined ? [] : [toKey(style, "s", `show the next ${page.length}`)];
    return [...more, ...this.#offered.map(({ key, label }) => toKey(style, key, label))];
  }
}
