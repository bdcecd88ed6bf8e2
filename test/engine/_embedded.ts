/** The embedded engine on a model of the test's choice, and what it says to a request. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createForkedEngine } from "../../src/engine/engine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type {
  GenerateEvent,
  GenerateRequest,
  LoadOptions,
  Sampling,
  TokenLogprob,
} from "../../src/engine/protocol.ts";
import { ENTRIES } from "./_bundle.ts";

export const GREEDY: Sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, ignoreEnd: true };

export async function startEmbedded(modelPath: string, load: Partial<LoadOptions> = {}): Promise<Engine> {
  return createForkedEngine({
    childEntry: ENTRIES.engineChild,
    log: () => undefined,
    load: {
      modelPath,
      contextTokens: 1024,
      shrinkToFit: false,
      slots: 2,
      threads: 1,
      gpu: false,
      sliceTokens: 64,
      ...load,
    },
  });
}

export interface Said {
  text: string;
  events: GenerateEvent[];
  logprobs: TokenLogprob[];
  done: Extract<GenerateEvent, { type: "done" }>;
}

export async function say(
  engine: Engine,
  request: Partial<GenerateRequest> & Pick<GenerateRequest, "prompt">,
  options: { signal?: AbortSignal; onEvent?: (event: GenerateEvent) => void } = {},
): Promise<Said> {
  const events: GenerateEvent[] = [];
  const full = { sampling: GREEDY, stop: [], maxTokens: 24, ...request };
  const signal = options.signal ?? new AbortController().signal;
  for await (const event of engine.generate(full, { signal })) {
    events.push(event);
    options.onEvent?.(event);
  }
  const texts = events.filter((event) => event.type === "text");
  return {
    text: texts.map(({ text }) => text).join(""),
    events,
    logprobs: texts.flatMap(({ logprobs = [] }) => logprobs),
    done: events.at(-1) as Said["done"],
  };
}

/** A folder for the test's own models, removed with `[Symbol.asyncDispose]`. */
export async function createModelFolder(): Promise<{ path: (name: string) => string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "lmagent-models-"));
  return {
    path: (name) => join(folder, name),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
