/** The server that answers at the chosen address, and what of it stands in the way of long tasks. */
import { FEWEST_WINDOW_TOKENS } from "../../core/budget.ts";
import type { ModelInfo } from "../../core/model.ts";
import { formatCount } from "../../tui/format.ts";
import { toConsequences, toFindingLines } from "../finding-lines.ts";
import { isPracticeModel } from "../../models/index.ts";
import { isFreeToProbe } from "../idle-probe.ts";
import { isTested, type Profiles } from "../profiles.ts";
import type { DoctorCheck } from "./checks.ts";
import { quoteForShell } from "./quote.ts";
import {
  COMFORTABLE_TOKENS,
  LEAST_TOKENS,
  type ServerPlace,
  toModelRepair,
  toSlotRepair,
  toTemplateRepair,
  toToolsRepair,
  toWindowRepair,
} from "./repairs.ts";

/** A window of less than this share of what the model was trained for leaves much unused. */
const FAR_BELOW = 1 / 4;

type Found = ModelInfo & ServerPlace;

/** Everything about a model that has answered; `info` with what is known of it besides. */
export function checkModelInfo(info: Found, { home }: { home: string }): readonly DoctorCheck[] {
  const { id, server, baseUrl, quantization } = info;
  const place = info.isDaemon === true ? "our own daemon" : `${server} at ${baseUrl}`;
  const facts = [`${id} on ${place}`, ...(quantization === undefined ? [] : [quantization])];
  return [
    { name: "model", status: "ok", detail: facts.join(", ") },
    checkWindow(info, home),
    ...checkSlots(info),
    ...checkTemplate(info),
    ...checkFindings(info),
  ];
}

function checkWindow(info: Found, home: string): DoctorCheck {
  const name = "window";
  const { id, contextTokens, trainedTokens } = info;
  if (contextTokens === undefined) {
    const setting = `profiles: {${JSON.stringify(id)}: {context_tokens: ${LEAST_TOKENS}}}`;
    return {
      name,
      status: "note",
      detail: "the server does not tell how many tokens fit, so results are cut as for 8,192",
      fix: `write into ${home}/config.yaml, with the true number: ${setting}`,
    };
  }
  const trained = trainedTokens === undefined ? "" : ` of ${formatCount(trainedTokens)} it was trained for`;
  const guess = info.loaded === false ? ", as far as is known before it is loaded," : "";
  const detail = `${formatCount(contextTokens)} tokens${guess}${trained}`;
  const wanted = Math.min(trainedTokens ?? COMFORTABLE_TOKENS, COMFORTABLE_TOKENS);
  // A server that is asked for more than the model was trained for gives no more, or nonsense.
  const canGrow = contextTokens < wanted && wanted >= FEWEST_WINDOW_TOKENS;
  const fix = canGrow ? toWindowRepair(info, wanted) : toModelRepair(LEAST_TOKENS);
  if (contextTokens < FEWEST_WINDOW_TOKENS)
    return {
      name,
      status: "broken",
      detail: `${detail}: below ${formatCount(FEWEST_WINDOW_TOKENS)} no task is begun`,
      fix,
    };
  if (contextTokens < LEAST_TOKENS)
    return {
      name,
      status: "note",
      detail: `${detail}: tight, ${formatCount(LEAST_TOKENS)} is enough for all tools`,
      fix,
    };
  const farBelow = trainedTokens !== undefined && contextTokens < trainedTokens * FAR_BELOW;
  if (farBelow && contextTokens < wanted)
    return { name, status: "note", detail: `${detail}: much is left unused`, fix };
  return { name, status: "ok", detail };
}

function checkSlots(info: Found): readonly DoctorCheck[] {
  const { slots, server, contextTokens, trainedTokens } = info;
  if (slots === undefined) return [];
  const name = "slots";
  if (slots === 1) return [{ name, status: "ok", detail: "1, so sub-agents take turns with the main one" }];
  // Whether slots divide the memory or share it is told by no server.
  const whole = (contextTokens ?? 0) * slots;
  const one = Math.min(whole, trainedTokens ?? whole);
  if (
    server !== "llama-server" ||
    contextTokens === undefined ||
    contextTokens >= Math.min(LEAST_TOKENS, one)
  )
    return [{ name, status: "ok", detail: `${slots}, which can work side by side` }];
  const detail = `${slots} of ${formatCount(contextTokens)} tokens each; a single one could have about ${formatCount(one)}`;
  return [{ name, status: "note", detail, fix: toSlotRepair(info, one) }];
}

function checkTemplate(info: Found): readonly DoctorCheck[] {
  const { templateFaults = [], templateHash, server, profile } = info;
  const name = "template";
  if (templateFaults.length > 0) {
    const keepsTools = templateFaults.some((fault) => /\btools\b/.test(fault));
    const calls = profile.probe?.nativeCalls === true || profile.probe?.textForm !== undefined;
    // Ollama's models bring their template along; another one is easier to find than to write.
    const fix = keepsTools && server === "ollama" ? toToolsRepair(info) : toTemplateRepair(info);
    const detail = `the chat template has faults: ${templateFaults.join("; ")}`;
    return [{ name, status: keepsTools && !calls ? "broken" : "note", detail, fix }];
  }
  return templateHash === undefined
    ? []
    : [{ name, status: "ok", detail: `no fault seen (${templateHash})` }];
}

function checkFindings(info: Found): readonly DoctorCheck[] {
  const name = "abilities";
  const { probe } = info.profile;
  if (isPracticeModel(info.id)) return [];
  const fix = toProbeCommand(info);
  if (probe === undefined) {
    const later = isFreeToProbe(info) ? "; an idle session does it once" : "";
    return [{ name, status: "note", detail: `not tested yet${later}`, fix }];
  }
  const lines = toFindingLines(probe).map((line) => `${line.name}: ${line.value}`);
  const found: DoctorCheck = isTested(probe)
    ? { name, status: "ok", detail: lines.join("; ") }
    : { name, status: "note", detail: "as set in config.yaml; not tested yet", fix };
  const changes: DoctorCheck[] = toConsequences(info).map((detail) => ({
    name: "follows",
    status: "note",
    detail,
  }));
  if (probe.nativeCalls !== false) return [found, ...changes];
  const none = probe.textForm === undefined;
  const fault: DoctorCheck = {
    name: "tool calls",
    status: none ? "broken" : "note",
    detail: none
      ? "the model made no tool call, so no task can be done with it"
      : `calls come as ${probe.textForm} and are recovered; native ones are more certain`,
    fix: toToolsRepair(info),
  };
  return [found, fault, ...changes];
}

function toProbeCommand({
  baseUrl,
  id,
  isDaemon = false,
}: Pick<ModelInfo, "id" | "baseUrl"> & ServerPlace): string {
  if (isDaemon) return `lmagent probe --model ${quoteForShell(id)}`;
  return `lmagent probe --base-url ${quoteForShell(baseUrl)} --model ${quoteForShell(id)}`;
}

/** What of `profiles:` or of kept findings cannot be used. */
export function checkProfiles(
  profiles: Profiles,
  info: Pick<ModelInfo, "id" | "baseUrl"> & ServerPlace,
): readonly DoctorCheck[] {
  const name = "profiles";
  const warnings = profiles.takeWarnings();
  if (warnings.length === 0) return [];
  return [{ name, status: "note", detail: warnings.join(" "), fix: `${toProbeCommand(info)} --refresh` }];
}
