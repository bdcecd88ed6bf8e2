import { afterAll, describe, expect, it } from "vitest";
import {
  createHostSource,
  createLlamaServerEngine,
  findLlamaServer,
} from "../../src/engine/llama-server/index.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { planLoad } from "../../src/engine/model-file.ts";
import { describeEngine } from "../../src/testing/index.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { findTestLlamaServer } from "./_llama-server.ts";

const found = findTestLlamaServer();
if (typeof found === "string") console.warn(`without llama-server: ${found}`);
const path = typeof found === "string" ? "" : found.path;

const engines: Engine[] = [];
afterAll(() => Promise.all(engines.map((engine) => engine[Symbol.asyncDispose]())));

async function open(): Promise<Engine> {
  const load = await planLoad({ modelPath: PRACTICE_MODEL, threads: 1 });
  const source = createHostSource({ path, load, environment: { PATH: process.env["PATH"] } });
  const engine = createLlamaServerEngine({ source, load, log: () => {} });
  engines.push(engine);
  return engine;
}

let shared: Promise<Engine> | undefined;
describeEngine("over llama-server on this machine", () => (shared ??= open()), {
  describe: describe.skipIf(path === ""),
  it,
});
