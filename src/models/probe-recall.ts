/** How far back a model recalls: a word at the far end of a prompt that grows as long as the server reads it fast enough. */
import type { ModelReply, Usage } from "../core/model.ts";
import { RECALL, toFiller } from "./probe-samples.ts";
import type { StepResult, StepScope } from "./probe-steps.ts";
import { toProbeRequest, toUnknown } from "./probe-steps.ts";

/**
 * Prompt sizes in tokens. Each prompt begins with the one before, so a server with a cache reads only what is new. The first tells
 * how many letters a token has here.
 */
const SIZES = [500, 1_500, 3_000, 6_000, 12_000, 24_000, 48_000, 96_000];
/** Where the server does not tell its window. */
const UNKNOWN_WINDOW_TOKENS = 12_000;
/** Of plain English. */
const FIRST_CHARS_PER_TOKEN = 3.5;
/** Where the server counts nothing: rather too few tokens than too many. */
const SAFE_CHARS_PER_TOKEN = 5;
/** Left free in the window for the question and the answer. */
const FREE_TOKENS = 800;

export interface RecallLimits {
  /** Time that reading all prompts together may take, by the rates measured so far. */
  readingMs: number;
}

interface Tried {
  tokens: number;
  recalled: boolean;
  /** As counted for this prompt. */
  charsPerToken: number;
}

export async function probeRecall(scope: StepScope, { readingMs }: RecallLimits): Promise<StepResult> {
  const { contextTokens = UNKNOWN_WINDOW_TOKENS } = scope.info;
  const most = Math.floor((contextTokens - FREE_TOKENS) * 0.95);
  let charsPerToken = FIRST_CHARS_PER_TOKEN;
  let good: number | undefined;
  let leftMs = readingMs;
  for (const size of toSizes(most)) {
    const cost = toCostMs(size - (good ?? 0), scope);
    if (good !== undefined && (cost === undefined || cost > leftMs)) break;
    const tried = await trySize(size, charsPerToken, scope);
    if ("found" in tried) return good === undefined ? tried : toResult(good);
    if (!tried.recalled) return toResult(good, tried.tokens);
    leftMs -= cost ?? 0;
    charsPerToken = tried.charsPerToken;
    good = Math.max(good ?? 0, tried.tokens);
  }
  return toResult(good);
}

/** The last one fills the window. */
function toSizes(most: number): number[] {
  const sizes = SIZES.filter((size) => size < most * 0.8);
  return most < 700 ? [] : [...sizes, Math.min(most, SIZES.at(-1) ?? most)];
}

function toCostMs(tokens: number, { findings }: StepScope): number | undefined {
  const rate = findings.prefillTokensPerSecond;
  return rate === undefined ? undefined : (tokens * 1_000) / rate;
}

const QUESTIONS = [
  "What is the secret word? Answer with that word only.",
  "Say the secret word again, and nothing else.",
];

/** Asked twice before a failure counts. */
async function trySize(size: number, charsPerToken: number, scope: StepScope): Promise<Tried | StepResult> {
  const filler = toFiller(size * charsPerToken);
  let last: Tried | undefined;
  for (const question of QUESTIONS) {
    const text = `${RECALL.lead}\n\n${filler}\n\n${question}`;
    const heard = await scope.ask(toProbeRequest(text, scope));
    if (heard.reply === undefined || saysNothing(heard.reply)) return toUnknown(heard);
    const recalled = heard.reply.text.toLowerCase().includes(RECALL.word);
    last = { ...toSize(text, heard.usage), recalled };
    if (recalled) return last;
  }
  // A server that cuts a prompt counts what is left of it.
  return { charsPerToken, recalled: false, tokens: Math.max(last?.tokens ?? 0, size) };
}

/** What the server counted, as far as it can be true; without a count rather too few tokens than too many. */
function toSize(text: string, { promptTokens = 0 }: Usage): Pick<Tried, "tokens" | "charsPerToken"> {
  const ratio = text.length / promptTokens;
  if (ratio > 1 && ratio < 8) return { tokens: promptTokens, charsPerToken: ratio };
  return { tokens: Math.floor(text.length / SAFE_CHARS_PER_TOKEN), charsPerToken: FIRST_CHARS_PER_TOKEN };
}

function saysNothing({ text, finish }: ModelReply): boolean {
  return text === "" || finish === "length";
}

function toResult(good: number | undefined, failed?: number): StepResult {
  if (good === undefined && failed !== undefined)
    return { found: {}, detail: "not known: it does not recall the word from a short prompt either" };
  if (good === undefined) return { found: {}, detail: "not known: the window is too small to try" };
  if (failed === undefined)
    return { found: { usableTokens: good }, detail: `recalls over ${good} tokens; more was not tried` };
  const found = { usableTokens: good, recallFailedTokens: failed };
  return { found, detail: `recalls over ${good} tokens, but not over ${failed}` };
}
