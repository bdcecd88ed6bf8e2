/**
 * Writes a model of random weights that is as much work as a real one of its size: for measuring speed, not for reading what it says.
 *
 *   npx tsx bench/make-random-model.ts random.gguf
 *   npx tsx bench/make-random-model.ts random.gguf --layers 24 --width 1024 --type Q4_0
 */
import { parseArgs } from "node:util";
import { writeRandomModel } from "./random-model.ts";

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      layers: { type: "string" },
      width: { type: "string" },
      type: { type: "string" },
      seed: { type: "string" },
    },
  });
  const [path] = positionals;
  if (path === undefined) throw new Error("Say where to write it: make-random-model.ts <file.gguf>");
  const { type } = values;
  if (type !== undefined && type !== "Q4_0" && type !== "Q8_0" && type !== "F16" && type !== "F32")
    throw new Error(`\`--type\` is \`${type}\`, but must be Q4_0, Q8_0, F16 or F32.`);
  await writeRandomModel(path, {
    ...(values.layers === undefined ? {} : { layers: Number(values.layers) }),
    ...(values.width === undefined ? {} : { width: Number(values.width) }),
    ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
    ...(type === undefined ? {} : { type }),
  });
}

await main();
