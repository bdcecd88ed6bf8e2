/** Waits until a `llama-server` has loaded its model. */
import { setTimeout as delay } from "node:timers/promises";
import { errorMessage } from "../../core/errors.ts";
import { engineFailed } from "../engine-failure.ts";
import { createConnection } from "./connection.ts";
import type { Answer, Connection } from "./connection.ts";

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;
const ANSWER_MS = 5_000;

export interface ReadyOptions {
  baseUrl: string;
  apiKey?: string;
  deadlineMs: number;
  /** Resolves with why the server ended, and then nothing is waited for. */
  ended?: Promise<string>;
  /** The end of what it wrote, for the error. */
  tail: () => string | Promise<string>;
  signal: AbortSignal;
}

/**
 * `/health` answers 503 while the model loads and needs no key, so in the end it is asked what only this server answers. Throws
 * `engine_failed` `load_failed`, and the signal's reason.
 */
export async function waitUntilReady(options: ReadyOptions): Promise<void> {
  const { baseUrl, apiKey, deadlineMs, tail, signal } = options;
  const connection = createConnection({
    baseUrl,
    ...(apiKey === undefined ? {} : { apiKey }),
    silenceMs: ANSWER_MS,
  });
  let why: string | undefined;
  options.ended?.then(
    (how) => (why = how),
    (thrown: unknown) => (why = errorMessage(thrown)),
  );
  const stops = performance.now() + deadlineMs;
  let last = "it does not answer";
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const { status } = await tryHealth(connection, signal);
      if (status === 200) break;
      if (status !== 0)
        last = status === 503 ? "it still loads the model" : `it answers with status ${status}`;
      if (why !== undefined) throw failed(`it ${why}`, await tail());
      if (performance.now() > stops)
        throw failed(`after ${Math.round(deadlineMs / 1_000)} s ${last}`, await tail());
      await delay(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
    await checkKey(connection, options);
  } finally {
    connection.close();
  }
}

async function tryHealth(connection: Connection, signal: AbortSignal): Promise<Pick<Answer, "status">> {
  try {
    return await connection.ask("/health", { signal });
  } catch {
    signal.throwIfAborted();
    return { status: 0 };
  }
}

/** Another program may have been quicker to take the port: it does not know the key, or takes none at all. */
async function checkKey(connection: Connection, { apiKey, tail, signal }: ReadyOptions): Promise<void> {
  try {
    await connection.get("/props", { signal });
  } catch (thrown) {
    signal.throwIfAborted();
    throw failed(errorMessage(thrown), await tail());
  }
  if (apiKey === undefined) return;
  const stranger = createConnection({ baseUrl: connection.baseUrl, silenceMs: ANSWER_MS });
  const { status } = await stranger.ask("/props", { signal });
  stranger.close();
  if (status === 200) throw failed("another server answers on its port", await tail());
}

function failed(why: string, tail: string): Error {
  const log = tail.trim();
  const shown = log === "" ? "" : `\nThe end of its log:\n${log}`;
  return engineFailed("load_failed", `llama-server cannot be used: ${why}.${shown}`);
}
