import { afterAll, describe, it } from "vitest";
import { createForkedEngine } from "../../src/engine/engine.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { planLoad } from "../../src/engine/plan/model-file.ts";
import { describeEngine } from "../../src/testing/index.ts";
import { ENTRIES, PRACTICE_MODEL } from "./_bundle.ts";

let shared: Promise<Engine> | undefined;
afterAll(async () => (await shared)?.[Symbol.asyncDispose]());

async function open(): Promise<Engine> {
  const load = await planLoad({ modelPath: PRACTICE_MODEL, threads: 1 });
  return createForkedEngine({ childEntry: ENTRIES.engineChild, load, log: () => {} });
}

describeEngine("embedded in a child process", () => (shared ??= open()), { describe, it });
