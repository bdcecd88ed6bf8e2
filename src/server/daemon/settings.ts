/** What the daemon is told at its start, as JSON, and what it tells about itself. */
import type { Backend } from "../../engine/engine.ts";

/** How the public HTTP server listens. */
export interface HttpSettings {
  /** 0: any free one. */
  port: number;
  /** Address to listen on: `127.0.0.1`, `0.0.0.0`, `::1` … */
  bind: string;
  /** Origins of browser pages that may use it; `true`: any. */
  cors: boolean | readonly string[];
  /** SHA-256 of keys that are accepted besides the stored ones, in hex. */
  keyHashes: readonly string[];
  /** Serve without a key on an address that others can reach. */
  allowUnauthenticated: boolean;
}

/** How models are loaded where nobody says otherwise. What is absent suits the machine. */
export interface RuntimeSettings {
  /** Idle time after which a model that a request loaded is unloaded; `null`: never. */
  ttlMs: number | null;
  jit: boolean;
  maxModels?: number;
  /** Bytes of memory that all loaded models together may take. */
  memoryBytes?: number;
  contextTokens?: number;
  /** Requests at the same time per model. */
  parallel?: number;
  threads?: number;
  gpuLayers?: number;
  flashAttention?: boolean;
  queueLimit?: number;
  /** Which engines to try, in this order. */
  backends: readonly Backend[];
  /** Path of a `llama-server` of this machine; absent: looked for on the PATH. */
  llamaServer?: string;
  /** Docker image with `llama-server`. */
  llamaImage?: string;
  reasoningField: "content" | "reasoning" | "both" | "inline";
}

export interface DaemonSettings {
  home: string;
  userHome: string;
  version: string;
  /** Absolute path of the built engine child. */
  engineChild: string;
  /** Absolute path of the practice model. */
  packageModel: string;
  /** Started for the public server alone, so it ends with it. */
  untilServerStops: boolean;
  /** Absent: no public server yet. */
  http?: HttpSettings;
  runtime: RuntimeSettings;
  /** `DOCKER_HOST` and `XDG_RUNTIME_DIR` of the environment: where a container engine may be. */
  dockerHost?: string;
  runtimeDir?: string;
  /** Environment variables that say where other programs keep models. */
  modelEnv: Readonly<Record<string, string>>;
}

/** `LMAGENT_HOME/run/daemon.json`, 0600: where the daemon takes commands, with the key for it. */
export interface DaemonRun {
  pid: number;
  /** On 127.0.0.1. */
  port: number;
  key: string;
  version: string;
  startedAt: string;
}

export interface DaemonStatus {
  pid: number;
  version: string;
  startedAt: string;
  untilServerStops: boolean;
  /** Absent: no public server. */
  server?: { port: number; bind: string; url: string; keyRequired: boolean };
}

/** What the process says once, over its IPC channel. */
export type DaemonReport =
  | { type: "running"; run: DaemonRun; status: DaemonStatus }
  | { type: "failed"; message: string; code: string };
