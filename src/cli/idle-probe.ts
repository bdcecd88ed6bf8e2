/** The test of a model that runs by itself, once, while the user reads the first answer. */
import type { Model, ModelInfo } from "../core/model.ts";
import {
  isEmptyFindings,
  isPracticeModel,
  probeModel,
  type ProbeLimits,
  type ProbeOptions,
} from "../models/index.ts";
import type { Profiles } from "./profiles.ts";

export interface IdleProbeOptions {
  /** The model that requests go to. */
  model: Model;
  profiles: Profiles;
  /** One line for the user, when it begins. */
  notify: (line: string) => void;
  limits?: Partial<ProbeLimits>;
}

/** This machine, private networks (RFC 1918, RFC 4193, link-local), and names that no public server has. */
const NEAR =
  /^(?:localhost|127\.[\d.]+|10\.[\d.]+|192\.168\.[\d.]+|172\.(?:1[6-9]|2\d|3[01])\.[\d.]+|169\.254\.[\d.]+|\[::1\]|\[f[cd][^\]]*\]|\[fe80[^\]]*\]|[^.[\]]+|.+\.(?:local|lan|internal|home\.arpa|localhost))$/i;
/** Ollama passes requests for these on to its service. */
const PASSED_ON = /[:-]cloud$/;

/** Whether a test that nobody asked for costs nothing: the model is loaded, and runs where tokens have no price. */
export function isFreeToProbe({ id, server, baseUrl, contextTokens, loaded }: ModelInfo): boolean {
  if (contextTokens === undefined || loaded === false) return false;
  if (server === "openai-compatible" || (server === "ollama" && PASSED_ON.test(id))) return false;
  return NEAR.test(new URL(baseUrl).hostname);
}

export interface IdleProbe extends AsyncDisposable {
  /**
   * Call when a run has ended and nothing waits to be sent. Does nothing for the practice model, for one that is known, and after
   * it has ended or was stopped twice. Never throws; what goes wrong is nobody's concern.
   */
  start(): void;
  /** Call before anything is sent to the model, and wait: afterwards no request of the test is under way. */
  stop(): Promise<void>;
  /** For those who want to wait until it is over. */
  settled(): Promise<void>;
}

/** A user who is always quicker should not be made to wait for the server to drop a request again and again. */
const MOST_STARTS = 2;

export function createIdleProbe(options: IdleProbeOptions): IdleProbe {
  let starts = 0;
  let running: { controller: AbortController; ended: Promise<void> } | undefined;
  const stop = async (): Promise<void> => {
    running?.controller.abort(new Error("the user is back"));
    await running?.ended;
  };
  return {
    start() {
      if (running !== undefined || starts >= MOST_STARTS) return;
      starts += 1;
      const controller = new AbortController();
      const ended = probeOnce(options, controller.signal).then(
        () => void (starts = MOST_STARTS),
        () => {
          // A server that cannot be asked now will not be asked again; a user who came back may go away once more.
          if (!controller.signal.aborted) starts = MOST_STARTS;
        },
      );
      const current = { controller, ended: ended.finally(() => (running = undefined)) };
      running = current;
    },
    stop,
    settled: async () => running?.ended,
    [Symbol.asyncDispose]: stop,
  };
}

async function probeOnce(
  { model, profiles, notify, limits }: IdleProbeOptions,
  signal: AbortSignal,
): Promise<void> {
  const info = await model.describe({ signal });
  if (isPracticeModel(info.id) || profiles.find(info) !== undefined) return;
  signal.throwIfAborted();
  notify(
    `finding out what ${info.id} can do, once; your next request stops it, \`lmagent probe\` shows what was found`,
  );
  const { findings, ended } = await probeModel(model, {
    signal,
    ...(await acquireProbeSlot(model, signal)),
    ...(limits === undefined ? {} : { limits }),
  });
  if (ended !== undefined || isEmptyFindings(findings)) return;
  signal.throwIfAborted();
  await profiles.save(info, findings);
}

/** A slot of its own, where there are several: the conversation keeps what the server has read of it. */
export async function acquireProbeSlot(
  model: Model,
  signal: AbortSignal,
): Promise<Pick<ProbeOptions, "slot">> {
  const slot = await model.acquireSlot?.("probe", { signal });
  return slot === undefined ? {} : { slot };
}
