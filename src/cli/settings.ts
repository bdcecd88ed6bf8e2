/**
 * Settings from flags, the environment, and `LMAGENT_HOME/config.yaml` with `.env` beside it, in this order. Nothing in a workspace is
 * read here. This and the entry points are the only code that looks at `process.env`.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { AgentError } from "../core/errors.ts";
import type { PermissionMode } from "../core/approval.ts";
import { toPermissionMode } from "../core/permission.ts";
import type { SandboxBackend, SandboxNetwork } from "../core/sandbox.ts";

export interface Settings {
  home: string;
  userHome: string;
  workspace: string;
  /** Where the model is, when the user said so. */
  baseUrl?: string;
  apiKey?: string;
  model?: string;
  mode: PermissionMode;
  /** The user gave the mode on the command line, so it holds whatever a resumed session says. */
  modeGiven: boolean;
  temperature: number;
  /** Silence of a server after which it counts as gone. */
  silenceMs: number;
  maxTurns: number;
  maxTimeMs: number;
  sandbox?: SandboxBackend;
  /** What commands can reach. */
  network: SandboxNetwork;
  /** The Docker image that commands run in. */
  sandboxImage?: string;
  /** As in the environment: whether it can be used is decided where Docker is. */
  dockerHost?: string;
  /** `XDG_RUNTIME_DIR`, where an engine without root has its socket. */
  runtimeDir?: string;
  allowUnsandboxed: boolean;
  todos: boolean;
  /** Plan first, and change nothing before the user has approved the plan. */
  plan: boolean;
  /** A run is not done before its approved plan and the gate of its task state are. */
  enforcePlan: boolean;
  /** Tokens of prompt at which the conversation is compacted, where the window does not ask for it earlier. */
  compactAt: number;
  /** Keep what is sent to the model server and what comes back. */
  record: boolean;
}

/** The flags that have a setting behind them, as the command line gives them: absent when not given. */
export interface SettingFlags {
  workspace?: string;
  baseUrl?: string;
  model?: string;
  permission?: string;
  maxIterations?: string;
  maxTime?: string;
  sandbox?: string;
  /** What `sandbox run` calls it. */
  backend?: string;
  network?: string;
  allowUnsandboxed?: boolean;
  plan?: boolean;
  record?: boolean;
}

interface Source {
  /** What to call it in an error: "`--model`" or "`LLM_MODEL`". */
  label: string;
  value: string;
}

/** A flag, or else the first of these names that the environment or a file of ours has. */
type Find = (flag: string | undefined, flagName: string, ...names: readonly string[]) => Source | undefined;

const BACKENDS = ["docker", "bubblewrap", "seatbelt", "process"] as const satisfies readonly SandboxBackend[];
const NETWORKS = ["none", "bridge"] as const satisfies readonly SandboxNetwork[];

/** Reference of a Docker image; see "Image reference" of docker(1). Never an option of anything. */
const IMAGE = /^[\w][\w.:/@-]{0,254}$/;

/** Where settings and state lie; reads no file, so that what runs can be seen and ended whatever is wrong with the settings. */
export function findHome(env: NodeJS.ProcessEnv): Pick<Settings, "home" | "userHome"> {
  const userHome = env["HOME"] || homedir();
  return { userHome, home: resolve(env["LMAGENT_HOME"] || join(userHome, ".lmagent")) };
}

export async function readSettings(
  flags: SettingFlags,
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<Settings> {
  const { home, userHome } = findHome(env);
  const stored = await readStored(home);
  const find: Find = (flag, flagName, ...names) => {
    if (flag !== undefined) return { label: `--${flagName}`, value: flag };
    for (const source of [env, stored]) {
      const name = names.find((candidate) => source[candidate] !== undefined && source[candidate] !== "");
      if (name !== undefined) return { label: name, value: source[name] as string };
    }
    return undefined;
  };
  const baseUrl = find(flags.baseUrl, "base-url", "LLM_URL")?.value;
  const model = find(flags.model, "model", "LLM_MODEL")?.value;
  const apiKey = find(undefined, "", "LLM_API_KEY")?.value;
  return {
    home,
    userHome,
    workspace: resolve(cwd, find(flags.workspace, "workspace", "WORKSPACE")?.value ?? "."),
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(model === undefined ? {} : { model }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...toSandboxSettings(flags, env, find),
    mode: toMode(find(flags.permission, "permission", "PERMISSION_MODE")),
    modeGiven: flags.permission !== undefined,
    temperature: toNumber(find(undefined, "", "LLM_TEMPERATURE", "TEMPERATURE"), {
      fallback: 0.65,
      min: 0,
      max: 2,
    }),
    silenceMs: 1_000 * toNumber(find(undefined, "", "LLM_TIMEOUT"), { fallback: 560, min: 1, max: 86_400 }),
    maxTurns: toNumber(find(flags.maxIterations, "max-iterations", "MAX_ITERATIONS"), {
      fallback: 500,
      min: 1,
      max: 1_000_000,
      integer: true,
    }),
    maxTimeMs:
      1_000 *
      toNumber(find(flags.maxTime, "max-time"), {
        fallback: Number.POSITIVE_INFINITY,
        min: 0.1,
        max: 2_000_000,
      }),
    todos: toBoolean(find(undefined, "", "ENABLE_TODO_TRACKING"), true),
    plan: flags.plan ?? false,
    enforcePlan: toBoolean(find(undefined, "", "ENABLE_PLAN_ENFORCEMENT"), true),
    compactAt: toNumber(find(undefined, "", "SUMMARIZATION_THRESHOLD"), {
      fallback: 80_000,
      min: 1_000,
      max: 10_000_000,
      integer: true,
    }),
    record: flags.record ?? false,
  };
}

type SandboxSettings = Pick<
  Settings,
  "sandbox" | "network" | "sandboxImage" | "dockerHost" | "runtimeDir" | "allowUnsandboxed"
>;

/** What other programs set and read too is a fact of the environment and never taken from a file of ours. */
function toSandboxSettings(flags: SettingFlags, env: NodeJS.ProcessEnv, find: Find): SandboxSettings {
  const sandboxFlag = flags.backend === undefined ? "sandbox" : "backend";
  const sandbox = find(flags[sandboxFlag], sandboxFlag, "LMAGENT_SANDBOX");
  const network = find(flags.network, "network", "LMAGENT_NETWORK");
  const image = find(undefined, "", "LMAGENT_SANDBOX_IMAGE");
  const dockerHost = env["DOCKER_HOST"];
  const runtimeDir = env["XDG_RUNTIME_DIR"];
  return {
    ...(sandbox === undefined ? {} : { sandbox: toOneOf(sandbox, BACKENDS) }),
    network: network === undefined ? "none" : toOneOf(network, NETWORKS),
    ...(image === undefined ? {} : { sandboxImage: toImage(image) }),
    ...(dockerHost ? { dockerHost } : {}),
    ...(runtimeDir ? { runtimeDir } : {}),
    allowUnsandboxed: flags.allowUnsandboxed ?? false,
  };
}

function toMode(source: Source | undefined): PermissionMode {
  if (source === undefined) return "normal";
  const mode = toPermissionMode(source.value);
  // A flag that cannot be meant is an error; an unknown word in a file or the environment means the strictest mode.
  if (mode === "manual" && source.value.trim().toLowerCase() !== "manual" && source.label.startsWith("--")) {
    throw new AgentError(
      "usage",
      `\`${source.label} ${source.value}\` is no permission mode. Use auto, normal or manual.`,
    );
  }
  return mode;
}

function toOneOf<Word extends string>(source: Source, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === source.value);
  if (word === undefined) throw invalid(source, `one of ${words.join(", ")}`);
  return word;
}

function toImage(source: Source): string {
  if (!IMAGE.test(source.value))
    throw invalid(source, "the name of a Docker image, such as `lmagent-sandbox:1`");
  return source.value;
}

interface NumberRange {
  fallback: number;
  min: number;
  max: number;
  integer?: boolean;
}

function toNumber(source: Source | undefined, { fallback, min, max, integer }: NumberRange): number {
  if (source === undefined) return fallback;
  const value = Number(source.value);
  const usable =
    source.value.trim() !== "" && value >= min && value <= max && (!integer || Number.isInteger(value));
  if (!usable) throw invalid(source, `a ${integer ? "whole " : ""}number from ${min} to ${max}`);
  return value;
}

function toBoolean(source: Source | undefined, fallback: boolean): boolean {
  if (source === undefined) return fallback;
  const word = source.value.trim().toLowerCase();
  if (["true", "1", "yes", "on"].includes(word)) return true;
  if (["false", "0", "no", "off"].includes(word)) return false;
  throw invalid(source, "true or false");
}

function invalid({ label, value }: Source, wanted: string): AgentError {
  const code = label.startsWith("--") ? "usage" : "config_invalid";
  return new AgentError(code, `\`${label}\` is \`${value}\`, but must be ${wanted}.`, {
    data: { field: label, value },
  });
}

/** `config.yaml` holds the same names as the environment, in any case: `llm_url: http://…`. */
async function readStored(home: string): Promise<Record<string, string | undefined>> {
  const stored: Record<string, string | undefined> = Object.create(null) as Record<
    string,
    string | undefined
  >;
  const envFile = join(home, ".env");
  if (existsSync(envFile)) Object.assign(stored, parseEnv(readFileSync(envFile, "utf8")));
  const configFile = join(home, "config.yaml");
  if (!existsSync(configFile)) return stored;
  // By its default export: a bundled CommonJS module has no other.
  const { parse } = (await import("yaml")).default;
  let config: unknown;
  try {
    config = parse(readFileSync(configFile, "utf8"));
  } catch (error) {
    throw new AgentError("config_invalid", `\`${configFile}\` is not valid YAML: ${String(error)}`, {
      cause: error,
    });
  }
  if (config === null) return stored;
  if (typeof config !== "object" || Array.isArray(config)) {
    throw new AgentError("config_invalid", `\`${configFile}\` must hold \`name: value\` lines.`);
  }
  for (const [name, value] of Object.entries(config)) {
    if (["string", "number", "boolean"].includes(typeof value)) stored[name.toUpperCase()] = String(value);
  }
  return stored;
}
