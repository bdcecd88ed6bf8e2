/** The question that takes the place of the input while a call waits to be allowed. */
import { Input, isKeyRelease, matchesKey, type Component, type Focusable } from "@mariozechner/pi-tui";
import type { ApprovalDecision, ApprovalRequest } from "../../core/index.ts";
import type { RememberScope } from "../../core/approval.ts";
import {
  describeOffer,
  toFacts,
  toPreviewPages,
  toReasons,
  toToolName,
  type PreviewPages,
} from "../preview.ts";
import { describeMissing } from "../preview-pages.ts";
import type { Paint, Style } from "../style.ts";
import {
  createKeyGuard,
  drawFrame,
  drawLines,
  INDENT,
  isLetter,
  toKey,
  type KeyGuard,
} from "./question-keys.ts";

export interface QuestionOptions {
  style: Style;
  now: () => number;
  /** Keys before this moment were meant for something else. */
  armedAt: number;
  onAnswer: (decision: ApprovalDecision) => void;
  /** Shows the next page of a call that is too long to be shown at once. Until all were shown nothing can be allowed. */
  onPage: (lines: readonly string[]) => void;
}

type Step = "asking" | "noting" | RememberScope;

export class Question implements Component, Focusable {
  readonly #request: ApprovalRequest;
  readonly #options: QuestionOptions;
  readonly #offer: string | undefined;
  readonly #pages: PreviewPages;
  readonly #note = new Input();
  readonly #keys: KeyGuard;
  #step: Step = "asking";
  #focused = false;

  constructor(request: ApprovalRequest, options: QuestionOptions) {
    this.#request = request;
    this.#options = options;
    this.#offer = describeOffer(request.offer);
    this.#pages = toPreviewPages(request.preview, options.style);
    this.#keys = createKeyGuard(options);
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
    if (this.#step === "noting") return this.#note.handleInput(data);
    if (!this.#keys.isArmed) return this.#waitForQuiet();
    if (this.#step !== "asking") return this.#confirm(data, this.#step);
    if (isLetter(data, "n") || matchesKey(data, "escape")) return this.#answer({ decision: "deny" });
    if (isLetter(data, "d")) this.#step = "noting";
    else if (this.#isShown) this.#allow(data);
    else this.#turnPage(data);
  }

  get #isShown(): boolean {
    return this.#pages.rest.length === 0 && !this.#pages.tooLong;
  }

  #turnPage(data: string): void {
    const page = isLetter(data, "s") ? this.#pages.rest.shift() : undefined;
    if (page !== undefined) this.#options.onPage(page);
    this.#waitForQuiet();
  }

  #allow(data: string): void {
    const { digest } = this.#request;
    if (isLetter(data, "y")) return this.#answer({ decision: "allow", digest });
    if (this.#offer !== undefined && isLetter(data, "a")) this.#choose("session");
    else if (this.#offer !== undefined && isLetter(data, "w")) this.#choose("workspace");
    else this.#waitForQuiet();
  }

  render(width: number): string[] {
    const { style } = this.#options;
    const lines = (texts: readonly string[], paint: Paint) => drawLines(texts, { width, paint });
    const body = [
      ...lines([`Allow ${toToolName(this.#request.tool)}?`], style.bold),
      ...lines(toFacts(this.#request), style.dim),
      ...lines(toReasons(this.#request), style.yellow),
      ...lines(this.#describeMissing(), style.yellow),
      ...this.#drawAnswers(width, lines),
    ];
    return drawFrame(body, { width, style });
  }

  #describeMissing(): string[] {
    const { rest, tooLong } = this.#pages;
    if (tooLong) return ["it is too long to be shown: it can only be denied"];
    return rest.length === 0 ? [] : [`${describeMissing(rest)} not shown yet: look at all of it first`];
  }

  #drawAnswers(width: number, lines: (texts: readonly string[], paint: Paint) => string[]): string[] {
    const { style } = this.#options;
    if (this.#step === "noting") return [this.#drawNote(width)];
    if (this.#step === "asking") {
      const keys = toKeys(style, { offer: this.#offer !== undefined, pages: this.#pages });
      return keys.map((line) => INDENT + line);
    }
    const where = this.#step === "session" ? "in this session" : "always in this workspace";
    const keys = `${toKey(style, "enter", "yes")}   ${toKey(style, "esc", "back")}`;
    return [...lines([`Allow ${this.#offer} ${where}?`], style.bold), INDENT + keys];
  }

  /** What lasts takes a second key, and not one that a word goes on with. */
  #choose(scope: RememberScope): void {
    this.#step = scope;
    this.#keys.waitForConfirmation();
  }

  #confirm(data: string, remember: RememberScope): void {
    this.#step = "asking";
    const { digest } = this.#request;
    if (matchesKey(data, "enter")) return this.#answer({ decision: "allow", digest, remember });
    this.#waitForQuiet();
  }

  #waitForQuiet(): void {
    this.#step = "asking";
    this.#keys.waitForQuiet();
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

function toKeys(style: Style, { offer, pages }: { offer: boolean; pages: PreviewPages }): string[] {
  const deny = [
    toKey(style, "n", "deny"),
    toKey(style, "d", "deny with a note to the model"),
    toKey(style, "esc", "deny"),
  ].join("   ");
  if (pages.tooLong) return [deny];
  const [page] = pages.rest;
  if (page !== undefined) return [`${toKey(style, "s", `show the next ${page.length}`)}   ${deny}`];
  const remembered = [toKey(style, "a", "in this session"), toKey(style, "w", "always in this workspace")];
  const allow = [toKey(style, "y", "allow once"), ...(offer ? remembered : [])].join("   ");
  return offer ? [allow, deny] : [`${allow}   ${deny}`];
}
