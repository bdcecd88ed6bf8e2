/**
 * How the model server runs: flags, environment, and the sections `server` and `gpu` of `LMAGENT_HOME/config.yaml`, in this order.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";
import { isObject } from "../core/json-object.ts";
import { hashKey } from "../server/daemon/key-store.ts";
import type { DaemonSettings, HttpSettings, RuntimeSettings } from "../server/daemon/settings.ts";
import { pickModelEnv } from "./model-env.ts";
import { packageRoot, packageVersion } from "./package-root.ts";
import { readSettings } from "./settings.ts";
import type { SettingFlags } from "./settings.ts";
import { toBytes, toDurationMs } from "./units.ts";

export interface ServerFlags extends SettingFlags {
  port?: string;
  bind?: string;
  /** `true`: any origin. */
  cors?: boolean | string[];
  apiKey?: string[];
  allowUnauthenticated?: boolean;
  ttl?: string;
  /** `--no-jit` gives false. */
  jit?: boolean;
  maxModels?: string;
  memory?: string;
  parallel?: string;
  contextLength?: string;
  threads?: string;
  gpu?: string;
  engine?: string[];
  reasoningField?: string;
  foreground?: boolean;
  json?: boolean;
}

export interface ServerSetup {
  home: string;
  daemon: Omit<DaemonSettings, "http" | "untilServerStops">;
  http: HttpSettings;
  /** Absolute path of the built server. */
  entry: string;
}

const DEFAULT_PORT = 1234;
const DEFAULT_TTL_MS = 3_600_000;
/** The names that each section of `config.yaml` may have. */
const SECTIONS: Readonly<Record<string, readonly string[]>> = {
  server:
    "port bind cors ttl jit max_models memory parallel context_length threads engines reasoning_field queue llama_server llama_image".split(
      " ",
    ),
  gpu: ["n_gpu_layers", "flash_attn"],
};
const BACKENDS = ["docker", "host", "embedded"] as const;
const REASONING_FIELDS = ["content", "reasoning", "both", "inline"] as const;

/** Throws `AgentError` `usage` for a flag and `config_invalid` for a setting that cannot be meant. */
export async function readServerSetup(flags: ServerFlags, env: NodeJS.ProcessEnv): Promise<ServerSetup> {
  const settings = await readSettings({}, env, process.cwd());
  const stored = await readSections(settings.home);
  checkSections(stored);
  const find = createFinder(stored);
  const root = packageRoot();
  return {
    home: settings.home,
    entry: join(root, "dist", "bin", "server.js"),
    http: toHttp(flags, { find, env }),
    daemon: {
      home: settings.home,
      userHome: settings.userHome,
      version: packageVersion(),
      engineChild: join(root, "dist", "bin", "engine-child.js"),
      packageModel: join(root, "practice-model", "practice.gguf"),
      runtime: toRuntime(flags, find),
      modelEnv: pickModelEnv(env),
      ...(settings.dockerHost === undefined ? {} : { dockerHost: settings.dockerHost }),
      ...(settings.runtimeDir === undefined ? {} : { runtimeDir: settings.runtimeDir }),
    },
  };
}

interface Source {
  label: string;
  value: unknown;
}

/** A flag, or else the setting of this path, such as `server.port`. */
type Find = (flag: unknown, flagName: string, path: string) => Source | undefined;

function createFinder(stored: Record<string, unknown>): Find {
  return (flag, flagName, path) => {
    if (flag !== undefined) return { label: `--${flagName}`, value: flag };
    const [section = "", name = ""] = path.split(".");
    const values = stored[section];
    const value = isObject(values) ? values[name] : undefined;
    return value === undefined || value === null ? undefined : { label: path, value };
  };
}

function toHttp(flags: ServerFlags, { find, env }: { find: Find; env: NodeJS.ProcessEnv }): HttpSettings {
  const key = env["LMAGENT_API_KEY"];
  const keys = [...(flags.apiKey ?? []), ...(key === undefined || key === "" ? [] : [key])];
  const empty = keys.find((one) => one.trim().length < 8);
  if (empty !== undefined)
    throw new AgentError("usage", "`--api-key` needs at least 8 characters.", { data: { flag: "api-key" } });
  return {
    port: toInteger(find(flags.port, "port", "server.port"), { min: 0, max: 65_535 }) ?? DEFAULT_PORT,
    bind: toText(find(flags.bind, "bind", "server.bind")) ?? "127.0.0.1",
    cors: toCors(find(flags.cors, "cors", "server.cors")),
    keyHashes: keys.map((one) => hashKey(one.trim())),
    allowUnauthenticated: flags.allowUnauthenticated ?? false,
  };
}

function toRuntime(flags: ServerFlags, find: Find): RuntimeSettings {
  const positive = { min: 1, max: 100_000_000 };
  const ttl = find(flags.ttl, "ttl", "server.ttl");
  const memory = find(flags.memory, "memory", "server.memory");
  const gpu = toGpu(find(flags.gpu, "gpu", "gpu.n_gpu_layers"));
  return without({
    ttlMs: ttl === undefined ? DEFAULT_TTL_MS : toTtl(ttl),
    jit: toFlag(find(flags.jit, "jit", "server.jit")) ?? true,
    maxModels: toInteger(find(flags.maxModels, "max-models", "server.max_models"), positive),
    memoryBytes: memory === undefined ? undefined : toAmount(memory),
    contextTokens: toInteger(find(flags.contextLength, "context-length", "server.context_length"), positive),
    parallel: toInteger(find(flags.parallel, "parallel", "server.parallel"), { min: 1, max: 256 }),
    threads: toInteger(find(flags.threads, "threads", "server.threads"), { min: 1, max: 1_024 }),
    gpuLayers: gpu,
    flashAttention: toFlag(find(undefined, "", "gpu.flash_attn")),
    queueLimit: toInteger(find(undefined, "", "server.queue"), positive),
    backends: toBackends(find(flags.engine, "engine", "server.engines")),
    llamaServer: toText(find(undefined, "", "server.llama_server")),
    llamaImage: toText(find(undefined, "", "server.llama_image")),
    reasoningField:
      toWord(find(flags.reasoningField, "reasoning-field", "server.reasoning_field"), REASONING_FIELDS) ??
      "content",
  });
}

/** Leaves out what is `undefined`. */
function without<Value extends object>(values: {
  [Key in keyof Value]: Value[Key] | undefined;
}): Value {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Value;
}

function toInteger(
  source: Source | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (source === undefined) return undefined;
  const text = String(source.value).trim();
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw invalid(source, `a whole number from ${min} to ${max}`);
}

function toText(source: Source | undefined): string | undefined {
  if (source === undefined) return undefined;
  if (typeof source.value === "string" && source.value.trim() !== "") return source.value.trim();
  throw invalid(source, "a word");
}

function toFlag(source: Source | undefined): boolean | undefined {
  if (source === undefined) return undefined;
  if (typeof source.value === "boolean") return source.value;
  throw invalid(source, "true or false");
}

function toWord<Word extends string>(source: Source | undefined, words: readonly Word[]): Word | undefined {
  if (source === undefined) return undefined;
  const word = words.find((one) => one === source.value);
  if (word === undefined) throw invalid(source, `one of ${words.join(", ")}`);
  return word;
}

/** `max` and `auto`: as many as fit; `off`: none. */
function toGpu(source: Source | undefined): number | undefined {
  if (source === undefined || source.value === "auto" || source.value === "max") return undefined;
  if (source.value === "off" || source.value === false) return 0;
  return toInteger(source, { min: 0, max: 10_000 });
}

function toTtl(source: Source): number | null {
  const ms = toDurationMs(source.value);
  if (ms === undefined) throw invalid(source, "seconds, a time such as `10m` or `2h`, or `never`");
  return ms === Number.POSITIVE_INFINITY ? null : ms;
}

function toAmount(source: Source): number {
  const bytes = toBytes(source.value);
  if (bytes === undefined) throw invalid(source, "an amount of memory, such as `12GB` or `800MB`");
  return bytes;
}

function toCors(source: Source | undefined): boolean | readonly string[] {
  if (source === undefined) return false;
  if (typeof source.value === "boolean") return source.value;
  const list = Array.isArray(source.value) ? source.value : [source.value];
  if (list.every((one) => typeof one === "string" && /^(\*|https?:\/\/[^\s/]+\/?)$/.test(one)))
    return list as string[];
  throw invalid(source, "true, or origins such as `http://localhost:3000`");
}

function toBackends(source: Source | undefined): RuntimeSettings["backends"] {
  if (source === undefined) return BACKENDS;
  const list = (Array.isArray(source.value) ? source.value : [source.value]) as unknown[];
  const words = list.flatMap((one) => String(one).split(","));
  if (words.length > 0 && words.every((one) => BACKENDS.some((backend) => backend === one)))
    return words as RuntimeSettings["backends"];
  throw invalid(source, `any of ${BACKENDS.join(", ")}`);
}

function invalid({ label, value }: Source, wanted: string): AgentError {
  const code = label.startsWith("--") ? "usage" : "config_invalid";
  // A flag that may be repeated has a list of what it was given.
  const [only, ...more] = Array.isArray(value) && label.startsWith("--") ? (value as unknown[]) : [value];
  const shown = typeof only === "string" && more.length === 0 ? only : JSON.stringify(value);
  return new AgentError(code, `\`${label}\` is \`${shown}\`, but must be ${wanted}.`, {
    data: { field: label, value: shown },
  });
}

/** A misspelt bound on memory would otherwise be none. */
function checkSections(stored: Record<string, unknown>): void {
  for (const [section, names] of Object.entries(SECTIONS)) {
    const value = stored[section];
    if (value === undefined || value === null) continue;
    if (!isObject(value)) throw invalid({ label: section, value }, `a section with ${names.join(", ")}`);
    const unknown = Object.keys(value).find((name) => !names.includes(name));
    if (unknown !== undefined)
      throw new AgentError(
        "config_invalid",
        `\`${section}.${unknown}\` is no setting. \`${section}\` has ${names.join(", ")}.`,
        { data: { field: `${section}.${unknown}` } },
      );
  }
}

/** `readSettings` has refused a file that is no YAML already. */
async function readSections(home: string): Promise<Record<string, unknown>> {
  const path = join(home, "config.yaml");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return {};
    throw new AgentError("config_invalid", `\`${path}\` cannot be read: ${errorMessage(cause)}`, { cause });
  }
  const { parse } = (await import("yaml")).default;
  const config: unknown = parse(text);
  return isObject(config) ? config : {};
}
