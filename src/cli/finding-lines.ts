/** Findings in words, the same for `lmagent probe` and `lmagent doctor`. */
import type { ModelInfo, ProbeFindings } from "../core/model.ts";
import { formatCount, formatRate } from "../tui/format.ts";

export interface FindingLine {
  name: string;
  value: string;
}

const NOT_KNOWN = "not known";

/** What was tested, in the order of the test. */
export function toFindingLines(findings: ProbeFindings): readonly FindingLine[] {
  return [
    { name: "tool calls", value: toCalls(findings) },
    { name: "several at once", value: toYesNo(findings.parallelCalls) },
    { name: "can be forced", value: toForced(findings.forcedCalls) },
    { name: "copies exactly", value: toYesNo(findings.exactEdits) },
    { name: "thinks", value: toThinking(findings) },
    { name: "sees pictures", value: toYesNo(findings.vision) },
    { name: "recalls over", value: toRecall(findings) },
    { name: "reads", value: toRate(findings.prefillTokensPerSecond) },
    { name: "writes", value: toRate(findings.decodeTokensPerSecond) },
  ];
}

function toYesNo(value: boolean | undefined): string {
  if (value === undefined) return NOT_KNOWN;
  return value ? "yes" : "no";
}

function toCalls({ nativeCalls, textForm }: ProbeFindings): string {
  if (nativeCalls === undefined) return NOT_KNOWN;
  if (nativeCalls) return "native";
  return textForm === undefined ? "none" : `as ${textForm}`;
}

const FORCED = { tool_choice: "by tool choice", json_schema: "by a JSON schema", none: "no" } as const;

function toForced(forced: ProbeFindings["forcedCalls"]): string {
  return forced === undefined ? NOT_KNOWN : FORCED[forced];
}

function toThinking({ thinking, thinkingSwitch }: ProbeFindings): string {
  if (thinking === undefined) return NOT_KNOWN;
  if (thinking !== "switchable") return thinking === "none" ? "no" : "always";
  return thinkingSwitch === "text" ? "unless told `/no_think`" : "unless the request says no";
}

function toRecall({ usableTokens, recallFailedTokens }: ProbeFindings): string {
  if (usableTokens === undefined) return NOT_KNOWN;
  const good = `${formatCount(usableTokens)} tokens`;
  if (recallFailedTokens === undefined) return `${good}; more was not tried`;
  return `${good}, not over ${formatCount(recallFailedTokens)}`;
}

function toRate(rate: number | undefined): string {
  return rate === undefined ? NOT_KNOWN : formatRate(rate);
}

/** What the findings change, in words for the user. */
export function toConsequences({ profile }: Pick<ModelInfo, "profile">): readonly string[] {
  const { probe, usableTokens, thinkingTokens } = profile;
  if (probe === undefined) return [];
  return [
    ...(usableTokens === undefined
      ? []
      : [`Budgets are those of a window of ${formatCount(usableTokens)} tokens (\`usable_tokens\`).`]),
    ...(thinkingTokens === undefined
      ? []
      : [
          thinkingTokens === 0
            ? "Thinking is switched off (`thinking_tokens`)."
            : `Thinking is stopped after ${formatCount(thinkingTokens)} tokens a turn (\`thinking_tokens\`).`,
        ]),
    ...(probe.forcedCalls === "none"
      ? ["After unusable calls there is no second chance by force (`forced_calls`)."]
      : []),
    ...(probe.parallelCalls === false
      ? ["Each reply brings one call, so tasks take more turns; nothing is sent differently."]
      : []),
    ...(probe.exactEdits === false
      ? ["Edits may miss what they quote; the error shows the model the nearest lines."]
      : []),
  ];
}
