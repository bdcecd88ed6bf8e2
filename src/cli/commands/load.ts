/** `lmagent load` and `lmagent unload`, as `lms` has them. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { AgentError } from "../../core/errors.ts";
import { ensureDaemon, findDaemon } from "../../server/daemon/client.ts";
import type { LoadReport, ModelReport } from "../../server/daemon/stats.ts";
import { formatBytes, formatDuration } from "../../tui/format.ts";
import { toTerminalJson, toTerminalLine } from "../../tui/terminal-text.ts";
import { onInterrupt } from "../interrupt.ts";
import { readServerSetup } from "../server-settings.ts";
import { findHome } from "../settings.ts";
import { toDurationMs } from "../units.ts";
import { toDaemonSettings } from "./server.ts";

export interface LoadFlags {
  contextLength?: string;
  parallel?: string;
  gpu?: string;
  ttl?: string;
  identifier?: string;
  estimateOnly?: boolean;
  flashAttention?: boolean;
  speculativeDraftModel?: string;
  speculativeLookup?: boolean;
  json?: boolean;
}

/** Loads into the daemon, and starts it where none runs. Ctrl-C stops the load. */
export async function loadModel(name: string, flags: LoadFlags): Promise<number> {
  if (flags.estimateOnly === true) return estimateOnly(name, flags);
  const config = toLoadConfig(flags);
  const setup = await readServerSetup({}, process.env);
  const { client } = await ensureDaemon(toDaemonSettings(setup, { untilServerStops: false }), {
    entry: setup.entry,
    env: process.env,
  });
  const interrupt = onInterrupt();
  const startedAt = performance.now();
  try {
    const { models: before } = await client.ask<{ models: ModelReport[] }>("/control/models");
    const loaded = await client.ask<LoadReport>("/control/load", { model: toModel(name), config }, interrupt);
    const isOld = before.some(({ id, loadedAt }) => id === loaded.id && loadedAt === loaded.loadedAt);
    const took = formatDuration(performance.now() - startedAt);
    if (flags.json === true) process.stdout.write(`${toTerminalJson(loaded, 2)}\n`);
    else {
      process.stdout.write(`${toTerminalLine(loaded.id)}\n`);
      const words = isOld
        ? `It is loaded already, and stays as it is; \`lmagent unload ${toTerminalLine(loaded.id)}\` makes room for other settings`
        : `Loaded in ${took}`;
      process.stderr.write(`${words}: ${toWords(loaded)}\n`);
    }
    return 0;
  } finally {
    interrupt.dispose();
  }
}

/** What it has, and what it takes. */
function toWords({ contextTokens, slots, backend, estimate }: LoadReport): string {
  const has = `${slots} × ${contextTokens} tokens of context, ${backend} engine.`;
  if (estimate === undefined) return has;
  const { weightBytes, kvBytes, computeBytes, runtimeBytes, totalBytes, gpuLayers, layers } = estimate;
  const [all, weights, context, compute, runtime] = [
    totalBytes,
    weightBytes,
    kvBytes,
    computeBytes,
    runtimeBytes,
  ].map((bytes) => formatBytes(bytes));
  return `${has}\nIt takes about ${all}: weights ${weights}, context ${context}, compute ${compute}, runtime ${runtime}; ${gpuLayers} of ${layers} layers on the GPU.`;
}

/** The daemon runs in another folder. */
function toModel(name: string): string {
  return name.endsWith(".gguf") && existsSync(name) ? resolve(name) : name;
}

async function estimateOnly(name: string, flags: LoadFlags): Promise<number> {
  const { estimateModel } = await import("./models.ts");
  const { contextLength, parallel, gpu, json } = flags;
  return estimateModel(name, {
    ...(contextLength === undefined ? {} : { context: contextLength }),
    ...(parallel === undefined ? {} : { slots: parallel }),
    ...(gpu === undefined ? {} : { gpuLayers: gpu }),
    ...(json === undefined ? {} : { json }),
  });
}

function toLoadConfig(flags: LoadFlags): object {
  const { contextLength, parallel, gpu, ttl, identifier, flashAttention } = flags;
  return {
    ...(contextLength === undefined ? {} : { contextTokens: toCount("context-length", contextLength) }),
    ...(parallel === undefined ? {} : { slots: toCount("parallel", parallel) }),
    ...(gpu === undefined || gpu === "max" || gpu === "auto" ? {} : { gpuLayers: toLayers(gpu) }),
    ...(ttl === undefined ? {} : { ttlMs: toTtl(ttl) }),
    ...(identifier === undefined ? {} : { id: toIdentifier(identifier) }),
    ...(flashAttention === undefined ? {} : { flashAttention }),
    ...toSpeculation(flags),
  };
}

function toSpeculation({ speculativeDraftModel, speculativeLookup }: LoadFlags): object {
  if (speculativeDraftModel !== undefined)
    return { speculation: { type: "draft", model: toModel(speculativeDraftModel) } };
  return speculativeLookup === true ? { speculation: { type: "lookup" } } : {};
}

/** Clients send it, and lists show it. */
function toIdentifier(value: string): string {
  if (/^[^\p{C}\s](?:[^\p{C}]*[^\p{C}\s])?$/u.test(value) && value.length <= 200) return value;
  throw wrong("identifier", value, "a name of up to 200 characters, without control characters");
}

function toCount(flag: string, value: string): number {
  if (/^\d{1,9}$/.test(value) && Number(value) > 0) return Number(value);
  throw wrong(flag, value, "a whole number above 0");
}

function toLayers(value: string): number {
  if (value === "off") return 0;
  if (/^\d{1,4}$/.test(value)) return Number(value);
  throw wrong("gpu", value, "off, max, or a number of layers");
}

function toTtl(value: string): number | null {
  const ms = toDurationMs(value);
  if (ms === undefined) throw wrong("ttl", value, "seconds, a time such as `10m`, or `never`");
  return ms === Number.POSITIVE_INFINITY ? null : ms;
}

function wrong(flag: string, value: string, wanted: string): AgentError {
  return new AgentError("usage", `\`--${flag}\` is \`${value}\`, but must be ${wanted}.`, { data: { flag } });
}

/** Exit code 1 when it was not loaded. */
export async function unloadModel(id: string, { all = false }: { all?: boolean }): Promise<number> {
  if ((id === "") !== all) throw new AgentError("usage", "Name the model to unload, or say `--all`.");
  const client = await findDaemon(findHome(process.env).home);
  if (client === undefined) {
    process.stderr.write("No model is loaded: no daemon runs.\n");
    return all ? 0 : 1;
  }
  const { ids } = await client.ask<{ ids: string[] }>("/control/unload", id === "" ? {} : { id });
  process.stderr.write(
    ids.length === 0 ? "No model is loaded.\n" : `Unloaded ${ids.map(toTerminalLine).join(", ")}.\n`,
  );
  return 0;
}
