/** `lmagent server stats` and `lmagent ps`: what the loaded models do and take. */
import { setTimeout as delay } from "node:timers/promises";
import { findDaemon } from "../../server/daemon/client.ts";
import type { ModelReport } from "../../server/daemon/stats.ts";
import { formatBytes, formatCount, formatDuration } from "../../tui/format.ts";
import { formatTable } from "../../tui/table.ts";
import { toTerminalJson, toTerminalLine } from "../../tui/terminal-text.ts";
import { onInterrupt } from "../interrupt.ts";
import { findHome } from "../settings.ts";

const REFRESH_MS = 1_000;
/** Home, and clear what is below; see ECMA-48. */
const TOP_OF_SCREEN = "\u001B[H\u001B[J";

export interface StatsFlags {
  json?: boolean;
  watch?: boolean;
}

/** Exit code 1 when no daemon runs. */
export async function showStats({ json = false, watch = false }: StatsFlags): Promise<number> {
  const interrupt = onInterrupt();
  try {
    for (;;) {
      const models = await readModels();
      if (json) process.stdout.write(`${toTerminalJson({ models: models ?? [] })}\n`);
      else {
        const top = watch && process.stdout.isTTY ? TOP_OF_SCREEN : "";
        process.stdout.write(`${top}${toStatsLines(models).join("\n")}\n`);
      }
      if (!watch || interrupt.signal.aborted) return models === undefined ? 1 : 0;
      await delay(REFRESH_MS, undefined, { signal: interrupt.signal }).catch(() => undefined);
      if (interrupt.signal.aborted) return 0;
    }
  } finally {
    interrupt.dispose();
  }
}

/** As `lms ps`. Exit code 0 also when nothing is loaded. */
export async function showLoaded({ json = false }: StatsFlags): Promise<number> {
  const models = (await readModels()) ?? [];
  if (json) process.stdout.write(`${toTerminalJson(models.map(toLmsEntry))}\n`);
  else if (models.length === 0) process.stdout.write("No model is loaded.\n");
  else process.stdout.write(`${formatTable(PS_COLUMNS, models.map(toPsRow)).join("\n")}\n`);
  return 0;
}

/** `undefined`: no daemon runs. */
async function readModels(): Promise<readonly ModelReport[] | undefined> {
  const client = await findDaemon(findHome(process.env).home);
  return (await client?.ask<{ models: ModelReport[] }>("/control/models"))?.models;
}

const PS_COLUMNS = [
  { title: "IDENTIFIER" },
  { title: "MODEL" },
  { title: "STATUS" },
  { title: "SIZE", right: true },
  { title: "CONTEXT", right: true },
  { title: "PARALLEL", right: true },
  { title: "DEVICE" },
  { title: "TTL" },
];

function toPsRow(report: ModelReport): string[] {
  const { id, model, sizeBytes, contextTokens, slots } = report;
  return [
    id,
    model,
    toStatus(report),
    formatBytes(sizeBytes),
    String(contextTokens),
    String(slots),
    toDevice(report),
    toTtl(report),
  ];
}

/** `lms`'s words for the state. */
function toStatus({ state, users }: ModelReport): string {
  if (state === "ready") return users > 0 ? "generating" : "idle";
  return state;
}

function toDevice({ backend, vramBytes }: ModelReport): string {
  const where = vramBytes === undefined ? "CPU" : "GPU";
  return backend === "embedded" ? where : `${where} (${backend})`;
}

function toTtl({ ttlMs, ttlLeftMs }: ModelReport): string {
  if (ttlMs === null) return "";
  const whole = formatDuration(ttlMs);
  return ttlLeftMs === undefined ? whole : `${formatDuration(ttlLeftMs)} of ${whole}`;
}

function toLmsEntry(report: ModelReport): Record<string, unknown> {
  const { id, model, path, sizeBytes, contextTokens, slots, stats, ttlMs, backend } = report;
  return {
    type: "llm",
    modelKey: model,
    identifier: id,
    path,
    sizeBytes,
    contextLength: contextTokens,
    parallel: slots,
    status: toStatus(report),
    queued: stats.queued,
    ttlMs,
    backend,
  };
}

const STATS_COLUMNS = [
  { title: "MODEL" },
  { title: "STATE" },
  { title: "REQUESTS", right: true },
  { title: "FAILED", right: true },
  { title: "QUEUE", right: true },
  { title: "IN TOK/S", right: true },
  { title: "OUT TOK/S", right: true },
  { title: "FIRST TOKEN P50/P95", right: true },
  { title: "CACHED", right: true },
  { title: "CONTEXT", right: true },
  { title: "RAM", right: true },
  { title: "VRAM", right: true },
  { title: "ENGINE" },
  { title: "TTL" },
];

function toStatsLines(models: readonly ModelReport[] | undefined): string[] {
  if (models === undefined) return ["The server is not running. Start it with `lmagent server start`."];
  if (models.length === 0)
    return ["No model is loaded. The first request loads one, or `lmagent load NAME`."];
  const rows = models.map(toStatsRow);
  const table = formatTable(STATS_COLUMNS, rows);
  const room = process.stdout.columns ?? Number.POSITIVE_INFINITY;
  return table.every((line) => line.length <= room) ? table : rows.flatMap(toStacked);
}

/** One value a line, for terminals that are too narrow for a row. */
function toStacked(row: readonly string[]): string[] {
  const [model = "", ...values] = row;
  const names = STATS_COLUMNS.slice(1).map(({ title }) => title.toLowerCase());
  return [toTerminalLine(model), ...names.map((name, at) => `  ${name.padEnd(20)} ${values[at] ?? ""}`)];
}

function toStatsRow(report: ModelReport): string[] {
  const { id, stats, contextUsed, contextTokens, ramBytes, vramBytes, backend, cacheHit } = report;
  const { requests, failed, active, queued, firstTokenMs } = stats;
  return [
    id,
    toStatus(report),
    active === 0 ? formatCount(requests) : `${formatCount(requests)} (${active} now)`,
    formatCount(failed),
    formatCount(queued),
    toRate(stats.promptTokensPerSecond),
    toRate(stats.completionTokensPerSecond),
    firstTokenMs === undefined
      ? "-"
      : `${formatDuration(firstTokenMs.p50)} / ${formatDuration(firstTokenMs.p95)}`,
    cacheHit === undefined ? "-" : `${Math.round(cacheHit * 100)} %`,
    `${formatCount(contextUsed)} of ${formatCount(contextTokens)}`,
    ramBytes === undefined ? "-" : formatBytes(ramBytes),
    vramBytes === undefined ? "-" : formatBytes(vramBytes),
    backend,
    toTtl(report) || "none",
  ];
}

function toRate(perSecond: number | undefined): string {
  return perSecond === undefined ? "-" : perSecond.toFixed(1);
}
