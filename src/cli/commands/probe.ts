import { AgentError } from "../../core/errors.ts";
import type { ModelInfo } from "../../core/model.ts";
import { isEmptyFindings, isPracticeModel, probeModel, type ProbeStep } from "../../models/index.ts";
import { toTerminalJson, toTerminalLine } from "../../tui/terminal-text.ts";
import { EXIT_INTERRUPTED } from "../exit-code.ts";
import { toConsequences, toFindingLines } from "../finding-lines.ts";
import { onInterrupt } from "../interrupt.ts";
import type { TaskFlags } from "../main.ts";
import { chooseModel } from "../model-choice.ts";
import { openProfiles, type Profiles } from "../profiles.ts";
import { readSettings } from "../settings.ts";
import { acquireProbeSlot } from "../idle-probe.ts";

export interface ProbeFlags extends TaskFlags {
  /** Test again although findings are kept. */
  refresh?: boolean;
}

/**
 * Tests the chosen model and keeps what was found. Exit code 1 when nothing was found or the server went away; an interrupt leaves
 * nothing.
 */
export async function runProbe(flags: ProbeFlags): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  const profiles = await openProfiles(settings);
  const interrupt = onInterrupt();
  try {
    await using chosen = await chooseModel(settings, {
      signal: interrupt.signal,
      refine: profiles.apply,
    });
    const { model } = chosen;
    const info = await model.describe({ signal: interrupt.signal });
    refusePractice(info);
    if (flags.refresh) profiles.forget(info);
    const kept = profiles.find(info);
    warn(profiles);
    if (kept !== undefined) {
      show(profiles.apply(info), { json: flags.json ?? false, kept: true });
      return 0;
    }
    if (!flags.json) process.stderr.write(`${toHead(info)}\n`);
    const { findings, ended } = await probeModel(model, {
      signal: interrupt.signal,
      onStep: flags.json ? () => {} : showStep,
      ...(await acquireProbeSlot(model, interrupt.signal)),
    });
    if (ended !== undefined || isEmptyFindings(findings))
      throw new AgentError("model_unavailable", toFailure(info, ended), { data: { url: info.baseUrl } });
    interrupt.signal.throwIfAborted();
    await profiles.save(info, findings);
    show(profiles.apply(info), { json: flags.json ?? false, kept: false });
    return 0;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.stderr.write("lmagent: interrupted; nothing was kept.\n");
    return EXIT_INTERRUPTED;
  } finally {
    interrupt.dispose();
  }
}

function refusePractice({ id }: ModelInfo): void {
  if (!isPracticeModel(id)) return;
  throw new AgentError(
    "model_unavailable",
    `All is known about the practice model \`${id}\`, and there is no other to test. Start a model server, or name one with \`--base-url\` or \`--model\`.`,
  );
}

function toFailure({ id, baseUrl }: ModelInfo, ended: string | undefined): string {
  const why = ended ?? "no reply could be used";
  return `Nothing was found out about \`${id}\` at \`${baseUrl}\`: ${why}. Nothing was kept; \`lmagent doctor --base-url ${baseUrl}\` looks at the server.`;
}

function warn(profiles: Profiles): void {
  for (const warning of profiles.takeWarnings()) process.stderr.write(`! ${toTerminalLine(warning)}\n`);
}

function toHead({ id, server, baseUrl }: ModelInfo): string {
  return toTerminalLine(`Testing ${id} on ${server} at ${baseUrl}; Ctrl-C stops it.`);
}

const STEPS: Readonly<Record<ProbeStep["name"], string>> = {
  thinking: "Does it think?",
  calls: "Does it call tools?",
  parallel: "Several in one reply?",
  edits: "Does it copy exactly?",
  forcing: "Can a call be forced?",
  vision: "Does it see pictures?",
  recall: "How far back does it recall?",
};

function showStep({ name, state, detail }: ProbeStep): void {
  if (state === "started") process.stderr.write(`  ${STEPS[name].padEnd(30)}`);
  else if (state === "skipped")
    process.stderr.write(`  ${STEPS[name].padEnd(30)}${toTerminalLine(detail)}\n`);
  else process.stderr.write(`${toTerminalLine(detail)}\n`);
}

function show(info: ModelInfo, { json, kept }: { json: boolean; kept: boolean }): void {
  const { id, server, baseUrl, contextTokens, quantization, templateHash, profile } = info;
  const { probe, usableTokens, thinkingTokens } = profile;
  if (probe === undefined) return;
  if (json) {
    const answer = {
      model: id,
      server,
      baseUrl,
      contextTokens,
      quantization,
      templateHash,
      kept,
      findings: probe,
      profile: { usableTokens, thinkingTokens },
    };
    process.stdout.write(`${toTerminalJson(answer, 2)}\n`);
    return;
  }
  const when = kept ? `, as found on ${probe.probedAt.slice(0, 10)} (\`--refresh\` tests again)` : "";
  const lines = toFindingLines(probe).map(
    ({ name, value }) => `  ${name.padEnd(18)}${toTerminalLine(value)}`,
  );
  const text = [toTerminalLine(`${id} on ${server} at ${baseUrl}${when}`), ...lines, ...toConsequences(info)];
  process.stdout.write(`${text.join("\n")}\n`);
}
