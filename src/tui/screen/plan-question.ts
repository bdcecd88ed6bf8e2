/** The question that takes the place of the input while a plan waits to be approved. */
import {
  Input,
  isKeyRelease,
  matchesKey,
  type Component,
  type Editor,
  type Focusable,
} from "@mariozechner/pi-tui";
import type { Plan, PlanDecision } from "../../core/index.ts";
import { createPlanDraft, type PlanDraft } from "../plan-draft.ts";
import { describePlan, toPlanPages } from "../plan-pages.ts";
import { describeMissing, type Pages } from "../preview-pages.ts";
import type { Style } from "../style.ts";
import { toVisibleLine } from "../terminal-text.ts";
import {
  createKeyGuard,
  drawFrame,
  drawKeys,
  drawLines,
  isLetter,
  toKey,
  type KeyGuard,
} from "./question-keys.ts";

export interface PlanQuestionOptions {
  style: Style;
  now: () => number;
  /** Keys before this moment were meant for something else. */
  armedAt: number;
  onAnswer: (decision: PlanDecision) => void;
  /** Shows the plan, or its next page, above the question. Until all was shown nothing can be approved. */
  onPage: (lines: readonly string[]) => void;
  /** An empty editor of several lines. */
  createEditor: () => Editor;
}

type Step = "asking" | "noting" | "editing";

export class PlanQuestion implements Component, Focusable {
  readonly #options: PlanQuestionOptions;
  readonly #draft: PlanDraft;
  readonly #note = new Input();
  readonly #editor: Editor;
  readonly #keys: KeyGuard;
  #pages: Pages;
  #step: Step = "asking";
  /** What is wrong with the edited text. */
  #problem: string | undefined;
  /** The editor holds changes that are not part of the plan. */
  #isUnfinished = false;
  #focused = false;

  constructor(plan: Plan, options: PlanQuestionOptions) {
    this.#options = options;
    this.#draft = createPlanDraft(plan);
    this.#keys = createKeyGuard(options);
    this.#editor = options.createEditor();
    this.#editor.disableSubmit = true;
    this.#note.onSubmit = (text) => this.#rejectWith(text);
    this.#note.onEscape = () => (this.#step = "asking");
    this.#pages = this.#show(plan);
  }

  get focused(): boolean {
    return this.#focused;
  }

  set focused(value: boolean) {
    this.#focused = value;
    this.#note.focused = value;
    this.#editor.focused = value;
  }

  invalidate(): void {
    this.#note.invalidate();
    this.#editor.invalidate();
  }

  handleInput(data: string): void {
    if (isKeyRelease(data)) return;
    if (this.#step === "noting") return this.#note.handleInput(data);
    if (this.#step === "editing") return this.#edit(data);
    if (!this.#keys.isArmed) return this.#keys.waitForQuiet();
    if (isLetter(data, "n") || matchesKey(data, "escape"))
      return this.#options.onAnswer({ decision: "reject" });
    if (isLetter(data, "d")) this.#step = "noting";
    else if (isLetter(data, "e")) this.#startEditing();
    else if (isLetter(data, "y") && this.#pages.rest.length === 0)
      this.#options.onAnswer(this.#draft.approve());
    else this.#turnPage(data);
  }

  render(width: number): string[] {
    const { style } = this.#options;
    if (this.#step === "editing") return this.#drawEditor(width);
    const { rest } = this.#pages;
    const missing =
      rest.length === 0 ? [] : [`${describeMissing(rest)} not shown yet: look at all of it first`];
    const kept = this.#isUnfinished ? ["your changes are not part of it yet: e goes on with them"] : [];
    const body = [
      ...drawLines([`Follow this plan? ${describePlan(this.#draft.plan)}`], { width, paint: style.bold }),
      ...drawLines([...missing, ...kept], { width, paint: style.yellow }),
      ...(this.#step === "noting" ? [this.#drawNote(width)] : drawKeys(this.#keyTexts, width)),
    ];
    return drawFrame(body, { width, style });
  }

  #show(plan: Plan): Pages {
    const pages = toPlanPages(plan, this.#options.style);
    this.#options.onPage(pages.first);
    return pages;
  }

  #turnPage(data: string): void {
    const page = isLetter(data, "s") ? this.#pages.rest.shift() : undefined;
    if (page !== undefined) this.#options.onPage(page);
    this.#keys.waitForQuiet();
  }

  #startEditing(): void {
    this.#step = "editing";
    if (!this.#isUnfinished) this.#editor.setText(this.#draft.text.trimEnd());
  }

  /** Enter is a new line here, as in any text of several lines. */
  #edit(data: string): void {
    if (matchesKey(data, "ctrl+s")) return this.#finishEditing();
    if (matchesKey(data, "escape")) return this.#leaveEditor();
    this.#editor.handleInput(matchesKey(data, "enter") ? "\n" : data);
  }

  #finishEditing(): void {
    const before = this.#draft.plan;
    this.#problem = this.#draft.change(this.#editor.getExpandedText());
    if (this.#problem !== undefined) return;
    this.#isUnfinished = false;
    if (this.#draft.plan !== before) this.#pages = this.#show(this.#draft.plan);
    this.#step = "asking";
    this.#keys.waitForConfirmation();
  }

  #leaveEditor(): void {
    this.#isUnfinished = this.#editor.getExpandedText().trim() !== this.#draft.text.trim();
    this.#problem = undefined;
    this.#step = "asking";
    this.#keys.waitForConfirmation();
  }

  #drawEditor(width: number): string[] {
    const { style } = this.#options;
    const problem = this.#problem === undefined ? [] : [toVisibleLine(this.#problem)];
    const keys = [toKey(style, "ctrl+s", "done"), toKey(style, "esc", "back")];
    const form = "one step a line: 1. what to do | verify: … | risk: low | after: 1, 2";
    return [
      ...this.#editor.render(width),
      ...drawLines(problem, { width, paint: style.red }),
      ...drawLines([form], { width, paint: style.dim }),
      ...drawKeys(keys, width),
    ];
  }

  #drawNote(width: number): string {
    const label = "  note to the model ";
    return label + (this.#note.render(Math.max(4, width - label.length))[0] ?? "");
  }

  get #keyTexts(): string[] {
    const { style } = this.#options;
    const [page] = this.#pages.rest;
    const first =
      page === undefined ? toKey(style, "y", "follow it") : toKey(style, "s", `show the next ${page.length}`);
    return [
      first,
      toKey(style, "e", "edit"),
      toKey(style, "n", "reject"),
      toKey(style, "d", "reject with a note to the model"),
    ];
  }

  #rejectWith(text: string): void {
    const feedback = text.trim();
    this.#options.onAnswer(feedback === "" ? { decision: "reject" } : { decision: "reject", feedback });
  }
}
