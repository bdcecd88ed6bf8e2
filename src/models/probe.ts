/**
 * A short test of a model on its server: a handful of small requests through the `Model` contract, so that it works for every
 * server. Each has its own limit and may fail without failing the rest; what was not shown stays unknown.
 */
import type { Model, ProbeFindings, Usage } from "../core/model.ts";
import { ask } from "./probe-ask.ts";
import { probeRecall } from "./probe-recall.ts";
import type { StepResult, StepScope } from "./probe-steps.ts";
import {
  probeCalls,
  probeEdits,
  probeForcing,
  probeParallel,
  probeThinking,
  probeVision,
} from "./probe-steps.ts";

export type ProbeStepName = "thinking" | "calls" | "parallel" | "edits" | "forcing" | "vision" | "recall";

export interface ProbeStep {
  name: ProbeStepName;
  state: "started" | "found" | "unknown" | "skipped";
  /** In words; empty when it has only started. */
  detail: string;
}

export interface ProbeLimits {
  /** Longest wait for the first part of the first reply, before which a server may have to load the model. */
  loadMs: number;
  /** Longest wait for the first part of any other reply. */
  waitMs: number;
  /** Longest time for the rest of a reply. */
  replyMs: number;
  /** For everything after the first reply; steps that have not begun by then are skipped. */
  totalMs: number;
  /** For reading the long prompts of the last step. */
  readingMs: number;
}

export interface ProbeOptions {
  signal: AbortSignal;
  onStep?: (step: ProbeStep) => void;
  /** Defaults: 120 s, 20 s, 25 s, 75 s, 20 s. */
  limits?: Partial<ProbeLimits>;
  /** Milliseconds; default the clock. */
  now?: () => number;
  /** KV slot to use, on servers that have several, so that no conversation loses its place. */
  slot?: number;
}

export interface ProbeResult {
  findings: ProbeFindings;
  /** Why the probe ended before its end; such findings are not worth keeping. */
  ended?: string;
}

const LIMITS: ProbeLimits = {
  loadMs: 120_000,
  waitMs: 20_000,
  replyMs: 25_000,
  totalMs: 75_000,
  readingMs: 20_000,
};

/** What a request that has begun is given in any case. */
const LAST_WORDS_MS = 1_000;

const NEEDS_TOOLS: readonly ProbeStepName[] = ["parallel", "edits", "forcing"];

/**
 * Throws the signal's reason on abort, and what `Model.describe` throws when nothing answers in the first place.
 * Findings are fields that were shown; what they rest on is behaviour, not a name.
 */
export async function probeModel(model: Model, options: ProbeOptions): Promise<ProbeResult> {
  const { signal, onStep = () => {}, now = () => Date.now() } = options;
  const limits = { ...LIMITS, ...options.limits };
  const info = await model.describe({ signal });
  let deadline: number | undefined;
  const findings: ProbeFindings = { probedAt: new Date(now()).toISOString() };
  const scope: StepScope = {
    info,
    findings,
    async ask(request) {
      const { loadMs, waitMs, replyMs } = limits;
      const slotted = options.slot === undefined ? request : { ...request, slot: options.slot };
      const leftMs =
        deadline === undefined ? Number.POSITIVE_INFINITY : Math.max(LAST_WORDS_MS, deadline - now());
      const heard = await ask(model, slotted, {
        signal,
        limits: {
          waitMs: Math.min(deadline === undefined ? loadMs : waitMs, leftMs),
          replyMs: Math.min(replyMs, leftMs),
        },
        now,
      });
      deadline ??= now() + limits.totalMs;
      noteRates(findings, heard.usage);
      return heard;
    },
  };
  const steps = toSteps(limits);
  let refusesTools = false;
  let ended: string | undefined;
  for (const [name, run] of steps) {
    const needless = refusesTools && NEEDS_TOOLS.includes(name) ? "no tools" : undefined;
    const late = deadline !== undefined && now() > deadline ? "the model is too slow" : undefined;
    const skipped = ended ?? needless ?? late;
    if (skipped !== undefined) {
      onStep({ name, state: "skipped", detail: `skipped: ${skipped}` });
      continue;
    }
    onStep({ name, state: "started", detail: "" });
    const result = await run(scope);
    Object.assign(findings, result.found);
    refusesTools ||= result.refusesTools === true;
    if (result.gone === true) ended = "the server stopped answering";
    const state = Object.keys(result.found).length > 0 ? "found" : "unknown";
    onStep({ name, state, detail: result.detail });
  }
  return { findings, ...(ended === undefined ? {} : { ended }) };
}

/** Thinking first: how the model is kept from it saves time in all others. */
function toSteps(
  limits: ProbeLimits,
): readonly (readonly [ProbeStepName, (scope: StepScope) => Promise<StepResult>])[] {
  return [
    ["thinking", probeThinking],
    ["calls", probeCalls],
    ["parallel", probeParallel],
    ["edits", probeEdits],
    ["forcing", probeForcing],
    ["vision", probeVision],
    ["recall", (scope) => probeRecall(scope, limits)],
  ];
}

/** Longer prompts and replies come later and measure better. */
function noteRates(findings: ProbeFindings, usage: Usage): void {
  const { prefillTokensPerSecond, decodeTokensPerSecond } = usage;
  if (isRate(prefillTokensPerSecond)) findings.prefillTokensPerSecond = round(prefillTokensPerSecond);
  if (isRate(decodeTokensPerSecond)) findings.decodeTokensPerSecond = round(decodeTokensPerSecond);
}

function isRate(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value > 0;
}

function round(rate: number): number {
  return Math.round(rate * 10) / 10;
}
