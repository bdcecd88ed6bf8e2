import { AgentError } from "../../../core/errors.ts";
import { planFit, memoryBudget } from "../../../engine/plan/fit.ts";
import type { FitPlan, FitRefusal, FitRequest } from "../../../engine/plan/fit.ts";
import { readModelShape } from "../../../engine/gguf/shape.ts";
import type { ModelShape } from "../../../engine/gguf/shape.ts";
import { readMachine } from "../../../engine/plan/machine.ts";
import type { MachineFacts } from "../../../engine/plan/machine.ts";
import { isTiny } from "../../../engine/plan/model-file.ts";
import { offloadableLayers } from "../../../engine/plan/memory-estimate.ts";
import type { MemoryEstimate, PoolEstimate } from "../../../engine/plan/memory-estimate.ts";
import { formatBytes, formatCount } from "../../../tui/format.ts";
import { formatTable } from "../../../tui/table.ts";
import { toTerminalJson, toTerminalText } from "../../../tui/terminal-text.ts";
import { readServerSetup } from "../../server-settings.ts";
import { adviseForGpu } from "./advice.ts";
import { openModels, requireEntry } from "./open-models.ts";

export interface EstimateFlags {
  context?: string;
  slots?: string;
  /** `off`, `max`, `auto` or a number. */
  gpuLayers?: string;
  json?: boolean;
}

/** What the model would take as asked for, or as it would be loaded here; exit code 1 when it does not fit. */
export async function estimateModel(
  name: string,
  flags: EstimateFlags,
  machine: () => Promise<MachineFacts> = readMachine,
): Promise<number> {
  const asked = { ...(await readDefaults()), ...toRequest(flags) };
  const models = await openModels();
  const entry = await requireEntry(models, name);
  const wanted = isTiny(entry.sizeBytes) ? { slots: 2, gpuLayers: 0, ...asked } : asked;
  const shape = await readModelShape(entry.path);
  checkWindow(shape, flags);
  const facts = await machine();
  const fit = planFit(shape, facts, wanted);
  if (flags.json === true) {
    const advice = adviseForGpu(facts) ?? null;
    const budget = memoryBudget(facts);
    process.stdout.write(
      `${toTerminalJson({ model: entry.key, ...fit, budget, machine: facts, advice }, 2)}\n`,
    );
  } else {
    const lines = [
      ...toPlanLines(entry.key, fit, shape),
      "",
      ...toTable(fit.estimate, facts),
      "",
      ...toVerdict(fit),
      ...toAdviceLines(facts),
    ];
    process.stdout.write(`${lines.map(toTerminalText).join("\n")}\n`);
  }
  return fit.fits ? 0 : 1;
}

/** As the daemon would load it. */
async function readDefaults(): Promise<FitRequest> {
  const { runtime } = (await readServerSetup({}, process.env)).daemon;
  const { contextTokens, parallel, gpuLayers, flashAttention } = runtime;
  return {
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(parallel === undefined ? {} : { slots: parallel }),
    ...(gpuLayers === undefined ? {} : { gpuLayers }),
    ...(flashAttention === undefined ? {} : { flashAttention }),
  };
}

function toRequest({ context, slots, gpuLayers }: EstimateFlags): FitRequest {
  return {
    ...(context === undefined ? {} : { contextTokens: toCount("context", context) }),
    ...(slots === undefined ? {} : { slots: toCount("slots", slots) }),
    ...(gpuLayers === undefined || gpuLayers === "auto" ? {} : { gpuLayers: toLayers(gpuLayers) }),
  };
}

/** A load refuses it as well. */
function checkWindow({ maxContextTokens: most }: ModelShape, { context }: EstimateFlags): void {
  if (context !== undefined && most !== undefined && Number(context) > most)
    throw wrong("context", context, `at most the ${most} tokens that this model was trained for`);
}

function toCount(flag: string, value: string): number {
  if (/^\d{1,9}$/.test(value) && Number(value) > 0) return Number(value);
  throw wrong(flag, value, "a whole number above 0");
}

function toLayers(value: string): number | "max" {
  if (value === "off") return 0;
  if (value === "max") return "max";
  if (/^\d{1,4}$/.test(value)) return Number(value);
  throw wrong("gpu-layers", value, "off, max, auto, or a number of layers");
}

function wrong(flag: string, value: string, wanted: string): AgentError {
  return new AgentError("usage", `\`--${flag}\` is \`${value}\`, but must be ${wanted}.`, { data: { flag } });
}

function toPlanLines(key: string, fit: FitPlan | FitRefusal, shape: ModelShape): readonly string[] {
  if (!fit.fits) return [`${key}: as it would be loaded`];
  const { contextTokens, slots, gpuLayers } = fit;
  const layers = gpuLayers === 0 ? "" : `, ${gpuLayers} of ${offloadableLayers(shape)} layers on the GPU`;
  const each = slots === 1 ? "1 slot" : `${slots} slots`;
  return [`${key}: ${each} of ${formatCount(contextTokens)} tokens${layers}`];
}

function toTable(estimate: MemoryEstimate, machine: MachineFacts): readonly string[] {
  const budget = memoryBudget(machine);
  const pools: [string, PoolEstimate, number][] = [
    ["RAM", estimate.ram, budget.ram],
    ...(machine.gpus.length === 0
      ? []
      : ([["GPU", estimate.gpu, budget.gpu]] as [string, PoolEstimate, number][])),
  ];
  const row = (title: string, of: (pool: PoolEstimate) => number): string[] => [
    title,
    ...pools.map(([, pool]) => formatBytes(of(pool))),
  ];
  return formatTable(
    [{ title: "" }, ...pools.map(([title]) => ({ title, right: true }))],
    [
      row("weights", ({ weightBytes }) => weightBytes),
      row("context (KV)", ({ kvBytes }) => kvBytes),
      row("compute", ({ computeBytes }) => computeBytes),
      row("runtime", ({ runtimeBytes }) => runtimeBytes),
      row("together", ({ totalBytes }) => totalBytes),
      ["can be had", ...pools.map(([, , available]) => formatBytes(available))],
    ],
  );
}

function toVerdict(fit: FitPlan | FitRefusal): readonly string[] {
  if (fit.fits) return ["It fits."];
  const where = fit.pool === "gpu" ? "GPU memory" : "memory";
  const numbers = `It does not fit: it needs ${formatBytes(fit.requiredBytes)} of ${where}, and ${formatBytes(fit.availableBytes)} can be had.`;
  const { largestContextTokens: largest } = fit;
  return [largest > 0 ? `${numbers} A context of ${formatCount(largest)} tokens fits.` : numbers];
}

function toAdviceLines(machine: MachineFacts): readonly string[] {
  const advice = adviseForGpu(machine);
  if (advice === undefined) return [];
  const [from, to] = advice.maxTokens;
  return [
    `For a GPU of ${advice.fromGb} GB, as a rule: ${advice.quantization}, replies of ${formatCount(from)} to ${formatCount(to)} tokens, batch size ${advice.batch}.`,
  ];
}
