/** How much of everything fits: each cap is a share of what the window leaves beside system message and tools. */
import type { ModelInfo, ServerKind } from "./model.ts";

/** Below this no task gets anywhere. */
export const FEWEST_WINDOW_TOKENS = 4_096;
/** What has to be left beside system message and tools. */
const FEWEST_FREE_TOKENS = 1_000;
/** Results are cut as for this window when a server does not tell its own; it is compacted at the threshold only. */
const UNKNOWN_WINDOW_TOKENS = 8_192;
export const DEFAULT_COMPACT_AT = 80_000;

/** Shares of the free part. */
const RESULT_SHARE = 0.3;
const TURN_SHARE = 0.45;
const ANSWER_SHARE = 0.5;
/** Kept free for the answer when it is decided whether to compact. */
const RESERVE_SHARE = 0.15;
const TARGET_SHARE = 0.25;
const ELIDED_SHARE = 0.5;
const KEEP_SHARE = 0.15;
const SUMMARY_SHARE = 0.07;
/** Of the window: what estimates may be wrong by. */
const MARGIN_SHARE = 0.02;
/** Of the window: the shortest answer that is worth a request. */
const LEAST_ANSWER_SHARE = 0.04;
/** Of the window: what a compaction has to free, or it is none. */
const PROGRESS_SHARE = 0.1;
const MAX_RESULT_BYTES = 48_000;
/** However small the window is; less only where many results come in one turn. */
const USUAL_RESULT_BYTES = 600;
const FEWEST_RESULT_BYTES = 160;

export interface Budgets {
  /** As it is used: the server's, or what the model makes good use of; absent when the server does not say. */
  windowTokens?: number;
  /** System message and tools. */
  fixedTokens: number;
  freeTokens: number;
  /** One result as the model sees it. */
  resultBytes: number;
  /** All results of one turn together. */
  turnBytes: number;
  /** Longest answer; absent where the window is not known. */
  answerTokens?: number;
  /** Tokens of a prompt at which it is compacted. */
  compactAt: number;
  /** Tokens of a prompt that a compaction aims at. */
  compactTo: number;
  /** With this many the older turns need not be replaced: eliding was enough. */
  elideTo: number;
  /** Tokens of the newest turns that stay as they are. */
  keepTokens: number;
  summaryTokens: number;
  /** Tokens that a compaction has to free. */
  progressTokens: number;
  /** Longest prompt that leaves room for an answer. */
  longestPrompt: number;
}

export interface BudgetOptions {
  info: Pick<ModelInfo, "contextTokens" | "profile">;
  fixedTokens: number;
  bytesPerToken: number;
  /** Tokens of prompt, as the user wants it; never above what the window allows. */
  compactAt?: number | undefined;
  /** As a refusal of the server has shown. */
  learnedWindowTokens?: number | undefined;
}

export function toBudgets(options: BudgetOptions): Budgets {
  const { info, fixedTokens, bytesPerToken, compactAt: wanted } = options;
  const window = toWindow(options);
  const shown = window ?? UNKNOWN_WINDOW_TOKENS;
  const free = Math.max(0, shown - fixedTokens);
  const limit = window === undefined ? Number.POSITIVE_INFINITY : window - share(window, MARGIN_SHARE);
  const compactAt = Math.max(
    fixedTokens + 1,
    Math.floor(
      Math.min(wanted ?? (window === undefined ? DEFAULT_COMPACT_AT : limit), limit - free * RESERVE_SHARE),
    ),
  );
  const usable = compactAt - fixedTokens;
  const byWindow = Math.floor(free * bytesPerToken * RESULT_SHARE);
  return {
    ...(window === undefined ? {} : { windowTokens: window, answerTokens: share(free, ANSWER_SHARE) }),
    fixedTokens,
    freeTokens: free,
    resultBytes:
      info.profile.resultBytes ?? Math.min(MAX_RESULT_BYTES, Math.max(byWindow, USUAL_RESULT_BYTES)),
    turnBytes: Math.max(USUAL_RESULT_BYTES, Math.floor(free * bytesPerToken * TURN_SHARE)),
    compactAt,
    compactTo: fixedTokens + share(usable, TARGET_SHARE),
    elideTo: fixedTokens + share(usable, ELIDED_SHARE),
    keepTokens: share(usable, KEEP_SHARE),
    summaryTokens: Math.min(2_000, Math.max(100, share(usable, SUMMARY_SHARE))),
    progressTokens: share(Math.min(window ?? compactAt, compactAt), PROGRESS_SHARE),
    longestPrompt: window === undefined ? limit : limit - share(window, LEAST_ANSWER_SHARE),
  };
}

function toWindow({ info, learnedWindowTokens }: BudgetOptions): number | undefined {
  const { contextTokens, profile } = info;
  const usable =
    profile.usableTokens === undefined ? undefined : Math.max(FEWEST_WINDOW_TOKENS, profile.usableTokens);
  const known = [contextTokens, learnedWindowTokens, usable].filter((tokens) => tokens !== undefined);
  return known.length === 0 ? undefined : Math.floor(Math.min(...known));
}

/** Bytes of one result when so many come in one turn. */
export function toResultBytes({ resultBytes, turnBytes }: Budgets, calls: number): number {
  return Math.min(resultBytes, Math.max(FEWEST_RESULT_BYTES, Math.floor(turnBytes / Math.max(1, calls))));
}

/** Most tokens of the answer to a prompt of so many; absent where the server decides. */
export function toAnswerTokens(
  { windowTokens, answerTokens }: Budgets,
  promptTokens: number,
): number | undefined {
  if (windowTokens === undefined || answerTokens === undefined) return undefined;
  const left = windowTokens - promptTokens - share(windowTokens, MARGIN_SHARE);
  return Math.max(share(windowTokens, LEAST_ANSWER_SHARE), Math.min(answerTokens, left));
}

/** Why nothing can be done in this window, with the way out; `undefined` when it will do. */
export function findTooSmall(
  info: ModelInfo,
  { windowTokens, fixedTokens, freeTokens }: Budgets,
): string | undefined {
  if (windowTokens === undefined) return undefined;
  if (windowTokens < FEWEST_WINDOW_TOKENS)
    return `The window of \`${info.id}\` has ${windowTokens} tokens; an agent needs at least ${FEWEST_WINDOW_TOKENS}, better 8192. ${toLargerWindow(info)}`;
  if (freeTokens < FEWEST_FREE_TOKENS)
    return `Instructions and tools take about ${fixedTokens} of the ${windowTokens} tokens of the window of \`${info.id}\`, which leaves too little to work in. Shorten the project context, offer fewer tools (\`ENABLE_TODO_TRACKING=false\`), or use a larger window. ${toLargerWindow(info)}`;
  return undefined;
}

const BETTER_WINDOW_TOKENS = 8_192;

const LARGER: Readonly<Partial<Record<ServerKind, (id: string, tokens: number) => string>>> = {
  "llama-server": (_id, tokens) =>
    `Start it with more: \`llama-server -c ${tokens} …\` (\`--parallel N\` divides the window by N).`,
  lmstudio: (id, tokens) => `Load it with more: \`lms load ${id} --context-length ${tokens}\`.`,
  ollama: (_id, tokens) => `Start Ollama with more: \`OLLAMA_CONTEXT_LENGTH=${tokens} ollama serve\`.`,
  vllm: (id, tokens) => `Start it with more: \`vllm serve ${id} --max-model-len ${tokens}\`.`,
};

/** How to get a larger window than this from this server: one that is enough, or twice as much. */
export function toLargerWindow({
  server,
  id,
  contextTokens = 0,
  trainedTokens = Number.POSITIVE_INFINITY,
}: Pick<ModelInfo, "server" | "id" | "contextTokens" | "trainedTokens">): string {
  if (contextTokens > 0 && trainedTokens <= contextTokens)
    return "This model was trained for no more: choose another.";
  const wanted = contextTokens < BETTER_WINDOW_TOKENS ? BETTER_WINDOW_TOKENS : contextTokens * 2;
  const way = LARGER[server]?.(id, Math.min(wanted, trainedTokens));
  return way ?? "Load the model with a larger context window.";
}

function share(whole: number, part: number): number {
  return Math.max(0, Math.floor(whole * part));
}
