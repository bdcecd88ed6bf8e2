/** What is done about a load that failed: try with less, and not again at once. */
import { stat } from "node:fs/promises";
import { AgentError, errorMessage } from "../../core/errors.ts";
import { failureReason } from "../engine-failure.ts";
import type { LoadOptions } from "../protocol.ts";

const BACKOFF_START_MS = 500;
const BACKOFF_LIMIT_MS = 30_000;
/** Less is of no use to an agent. */
const LEAST_CONTEXT_TOKENS = 4096;

/** Words of llama.cpp, of its GPU libraries and of the kernel's way to free memory. */
const MEMORY_WORDS =
  /out of memory|not enough (?:v?ram|memory)|insufficient (?:v?ram|memory)|(?:failed|unable) to allocate|cannot allocate|bad_alloc|too large for the available|was ended by SIGKILL/i;

export function isMemoryFailure(thrown: unknown): boolean {
  const reason = failureReason(thrown);
  if (reason === "insufficient_memory") return true;
  return (reason === "load_failed" || reason === "crashed") && MEMORY_WORDS.test(errorMessage(thrown));
}

/** The same model with half the context; `undefined` when that would be too little. */
export function toSmallerPlan(plan: LoadOptions): LoadOptions | undefined {
  const contextTokens = Math.max(LEAST_CONTEXT_TOKENS, Math.floor(plan.contextTokens / 2));
  return contextTokens < plan.contextTokens ? { ...plan, contextTokens } : undefined;
}

export interface LoadFailures {
  /** Throws what the last load of this model threw, while it is too early for another one. */
  check(id: string, path: string): Promise<void>;
  add(id: string, path: string, error: Error): Promise<void>;
  remove(id: string): void;
}

interface Failure {
  error: Error;
  count: number;
  /** As `now` counts, in ms. */
  until: number;
  version: string;
}

export function createLoadFailures(now: () => number = () => performance.now()): LoadFailures {
  const failures = new Map<string, Failure>();
  return {
    check: async (id, path) => {
      const failure = failures.get(id);
      if (failure === undefined || now() >= failure.until) return;
      // Another file is another try.
      if (failure.version === (await readVersion(path))) throw failure.error;
    },
    add: async (id, path, error) => {
      const count = (failures.get(id)?.count ?? 0) + 1;
      const waitMs = count === 1 && hasDied(error) ? 0 : toBackoffMs(count);
      failures.set(id, { error, count, until: now() + waitMs, version: await readVersion(path) });
    },
    remove: (id) => void failures.delete(id),
  };
}

function toBackoffMs(count: number): number {
  return Math.min(BACKOFF_LIMIT_MS, BACKOFF_START_MS * 2 ** (count - 1));
}

/** Its process was ended, by the kernel for its memory or by anybody else: the next load may well succeed. */
export function hasDied(error: unknown): boolean {
  return AgentError.is(error, "engine_failed") && error.data["died"] === true;
}

/** Changes when the file does. */
async function readVersion(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? "none" : `${found.ino} ${found.size} ${found.mtimeMs}`;
}
