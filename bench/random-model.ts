/** The model that speed is measured with: 400 million parameters or so, about 20 ms a token on one core of a server. */
import { mkdir, rename, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { writeTinyModel } from "../src/testing/tiny-model.ts";
import type { TinyModelOptions } from "../src/testing/tiny-model.ts";

const SHAPE = {
  name: "random-400m",
  layers: 22,
  width: 1024,
  heads: 16,
  keyValueHeads: 8,
  feedForward: 4096,
  vocabularySize: 32_000,
  contextTokens: 8192,
  type: "Q4_0",
} satisfies TinyModelOptions;

export async function writeRandomModel(path: string, options: TinyModelOptions = {}): Promise<void> {
  const width = options.width ?? SHAPE.width;
  await writeTinyModel(path, { ...SHAPE, heads: width / 64, keyValueHeads: width / 128, ...options });
}

/** Made once, and kept below the folder for temporary files. */
export async function findRandomModel(): Promise<string> {
  const path = join(tmpdir(), "lmagent-bench", "random-400m.gguf");
  if (await exists(path)) return path;
  await mkdir(dirname(path), { recursive: true });
  await writeRandomModel(`${path}.${process.pid}`);
  await rename(`${path}.${process.pid}`, path);
  return path;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
