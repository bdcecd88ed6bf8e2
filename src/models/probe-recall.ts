/** How far back a model recalls: a word at the far end of a prompt that grows as long as the server reads it fast enough. */
import { TokenMeter } from "../core/token-meter.ts";
import type { Heard } from "./probe-ask.ts";
import { RECALL, toFiller } from "./probe-samples.ts";
import type { StepResult, StepScope } from "./probe-steps.ts";
import { toProbeRequest, unknown } from "./probe-steps.ts";

/** Prompt sizes in tokens. Each prompt begins with the one before, so a server with a cache reads only what is new. */
const SIZES = [1_500, 3_000, 6_000, 12_000, 24_000, 48_000, 96_000];
/** Where the server does not tell its window. */
const UNKNOWN_WINDOW_TOKENS = 12_000;
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
}

export async function probeRecall(scope: StepScope, { readingMs }: RecallLimits): Promise<StepResult> {
  const { contextTokens = UNKNOWN_WINDOW_TOKENS } = scope.info;
  const most = Math.floor((contextTokens - FREE_TOKENS) * 0.95);
  const meter = new TokenMeter();
  let good: number | undefined;
  let leftMs = readingMs;
  for (const size of toSizes(most)) {
    const cost = toCostMs(size - (good ?? 0), scope);
    if (good !== undefined && (cost === undefined || cost > leftMs)) break;
    const tried = await trySize(size, scope, meter);
    if ("found" in tried) return good === undefined ? tried : toResult(good);
    if (!tried.recalled) return toResult(good, tried.tokens);
    leftMs -= cost ?? 0;
    good = Math.max(good ?? 0, tried.tokens);
  }
  return toResult(good);
}

/** The last one fills the window. */
function toSizes(most: number): number[] {
  const sizes = SIZES.filter((size) => size < most * 0.8);
  return most < 500 ? [] : [...sizes, Math.min(most, SIZES.at(-1) ?? most)];
}

function toCostMs(tokens: number, { findings }: StepScope): number | undefined {
  const rate = findings.prefillTokensPerSecond;
  return rate === undefined ? undefined : (tokens * 1_000) / rate;
}

/** Asked twice before a failure counts. */
async function trySize(size: number, scope: StepScope, meter: TokenMeter): Promise<Tried | StepResult> {
  const filler = toFiller(size * meter.bytesPerToken);
  let tokens = size;
  for (const question of [
    "What is the secret word? Answer with that word only.",
    "Say the secret word again.",
  ]) {
    const text = `${RECALL.lead}\n\n${filler}\n\n${question}`;
    const heard = await scope.ask(toProbeRequest(text, scope));
    meter.note(text.length, heard.usage);
    tokens = heard.usage.promptTokens ?? Math.floor(text.length / SAFE_CHARS_PER_TOKEN);
    if (heard.reply === undefined) return unknown(heard);
    if (heard.reply.text.toLowerCase().includes(RECALL.word)) return { tokens, recalled: true };
    if (saysNothing(heard)) return unknown(heard);
  }
  return { tokens: Math.max(tokens, size), recalled: false };
}

function saysNothing({ reply }: Heard): boolean {
  return reply === undefined || reply.text === "" || reply.finish === "length";
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
