/** Findings as data: read from a file that may hold anything, and what follows from them for a profile. */
import type { ModelInfo, ModelProfile, ProbeFindings } from "../core/model.ts";

type Field = keyof ProbeFindings;

const isFlag = (value: unknown): boolean => typeof value === "boolean";
const isCount = (value: unknown): boolean =>
  typeof value === "number" && Number.isInteger(value) && value > 0 && value < 1e9;
const isRate = (value: unknown): boolean =>
  typeof value === "number" && Number.isFinite(value) && value > 0 && value < 1e9;
const isShortText = (value: unknown): boolean =>
  typeof value === "string" && value !== "" && value.length <= 100;
const isOneOf =
  (...words: readonly string[]) =>
  (value: unknown): boolean =>
    words.some((word) => word === value);

export interface FieldRule {
  fits: (value: unknown) => boolean;
  /** What a value must be, for an error. */
  wanted: string;
}

export const FLAG: FieldRule = { fits: isFlag, wanted: "true or false" };
export const COUNT: FieldRule = { fits: isCount, wanted: "a whole number above 0" };
const RATE: FieldRule = { fits: isRate, wanted: "a number above 0" };

function toWordRule(...words: readonly string[]): FieldRule {
  return { fits: isOneOf(...words), wanted: `one of ${words.join(", ")}` };
}

export const FINDING_RULES: Readonly<Record<Field, FieldRule>> = {
  probedAt: {
    fits: (value) => typeof value === "string" && value.length <= 40 && !Number.isNaN(Date.parse(value)),
    wanted: "a date in ISO 8601",
  },
  nativeCalls: FLAG,
  parallelCalls: FLAG,
  textForm: { fits: isShortText, wanted: "a text of at most 100 characters" },
  exactEdits: FLAG,
  thinking: toWordRule("none", "always", "switchable"),
  thinkingSwitch: toWordRule("request", "text"),
  vision: FLAG,
  forcedCalls: toWordRule("tool_choice", "json_schema", "none"),
  usableTokens: COUNT,
  recallFailedTokens: COUNT,
  prefillTokensPerSecond: RATE,
  decodeTokensPerSecond: RATE,
};

/** Fields that it does not know are left out; `undefined` when a known one holds what it cannot, or `probedAt` is missing. */
export function parseFindings(value: unknown): ProbeFindings | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const fields = Object.entries(value).filter(([name]) => Object.hasOwn(FINDING_RULES, name));
  if (!fields.every(([name, one]) => FINDING_RULES[name as Field].fits(one))) return undefined;
  const findings = Object.fromEntries(fields) as Partial<ProbeFindings>;
  return findings.probedAt === undefined ? undefined : { ...findings, probedAt: findings.probedAt };
}

/** Nothing was learned about the model. */
export function isEmptyFindings(findings: ProbeFindings): boolean {
  return Object.keys(findings).length <= 1;
}

/** Less than this is no window to work in, so a model that recalls less is at least tried with it. */
const LEAST_USABLE_TOKENS = 8_192;
/** What a user waits for thinking that nothing can stop. */
const THINKING_SECONDS = 60;
const LEAST_THINKING_TOKENS = 512;

/** The profile with the findings and what follows from them, which outweighs what was built in. */
export function withFindings(
  profile: ModelProfile,
  findings: ProbeFindings,
  { contextTokens }: Pick<ModelInfo, "contextTokens">,
): ModelProfile {
  const usableTokens = toUsableTokens(findings, contextTokens);
  const thinkingTokens = toThinkingTokens(findings);
  return {
    ...profile,
    ...(usableTokens === undefined ? {} : { usableTokens }),
    ...(thinkingTokens === undefined ? {} : { thinkingTokens }),
    probe: findings,
  };
}

function toUsableTokens(
  { usableTokens, recallFailedTokens }: ProbeFindings,
  contextTokens: number | undefined,
): number | undefined {
  if (usableTokens === undefined || recallFailedTokens === undefined) return undefined;
  const usable = Math.max(usableTokens, LEAST_USABLE_TOKENS);
  return contextTokens !== undefined && usable >= contextTokens ? undefined : usable;
}

function toThinkingTokens({ thinking, decodeTokensPerSecond }: ProbeFindings): number | undefined {
  if (thinking !== "always" || decodeTokensPerSecond === undefined) return undefined;
  return Math.max(LEAST_THINKING_TOKENS, Math.round(decodeTokensPerSecond * THINKING_SECONDS));
}
