/** Where a `llama-server` comes from: started on this machine, started in a container, or somewhere already. */
import type { Backend } from "../engine.ts";

/** A `llama-server` that has loaded its model. */
export interface RunningServer {
  /** Without `/v1`. */
  baseUrl: string;
  apiKey?: string;
  /** Of a process of this machine. */
  pid?: number;
  /** From its start until it could be used. */
  loadMs: number;
  /** Resolves with why it has ended, in words that follow "it": `was ended by SIGKILL`. Never for one that is not ours. */
  ended: Promise<string>;
  /** Ends it, and waits until it is gone. Does nothing to one that is not ours. */
  stop(): Promise<void>;
}

export interface ServerSource {
  readonly backend: Backend;
  /** Waits until the model is loaded. Throws `engine_failed` `load_failed` with the end of the log, and the signal's reason. */
  start(signal: AbortSignal): Promise<RunningServer>;
}
