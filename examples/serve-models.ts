/**
 * Serves one model to clients of OpenAI, Anthropic, LM Studio and Ollama, in a server of your own program: `npx tsx examples/serve-models.ts
 * [FILE.gguf]`. Prints the URL, and serves until it is interrupted.
 */
import { fileURLToPath } from "node:url";
import { createFixedCatalog, createForkedEngine, createModelManager, toFileEntry } from "lmagent/engine";
import { createApp, listen } from "lmagent/server";

const practice = new URL("../practice-model/practice.gguf", import.meta.url);
const modelPath = process.argv[2] ?? fileURLToPath(practice);
const log = (line: string): void => console.error(line);

// Each model that a request names is loaded in a process of its own, and unloaded when it has rested for ten minutes.
const models = createModelManager({
  catalog: createFixedCatalog([await toFileEntry(modelPath)]),
  createEngine: (load) => createForkedEngine({ load, log }),
  ttlMs: 600_000,
  log,
});
const settings = { jit: true, reasoningField: "content" } as const;
const services = { models, version: "1.0.0", now: () => new Date(), log, settings };
const server = await listen(createApp({ services }), { host: "127.0.0.1", port: 0 });
console.log(`http://127.0.0.1:${server.port}/v1`);

async function close(): Promise<void> {
  await server.close();
  await models[Symbol.asyncDispose]();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void close());
