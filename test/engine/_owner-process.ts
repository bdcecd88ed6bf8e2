/** A process that holds a model in a `llama-server`, tells which process that is, and waits to be killed. */
import { createHostSource, createLlamaServerEngine } from "../../src/engine/llama-server/index.ts";
import { planLoad } from "../../src/engine/plan/model-file.ts";

const [path = "", modelPath = ""] = process.argv.slice(2);
const load = await planLoad({ modelPath, threads: 1 });
const engine = createLlamaServerEngine({
  source: createHostSource({ path, load, environment: {} }),
  load,
  log: () => {},
});
await engine.facts();
process.stdout.write(`${engine.pid}\n`);
setInterval(() => {}, 60_000);
