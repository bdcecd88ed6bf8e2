/** The server and the engine child: as the package ships them, and in parts that tests can take elsewhere. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const ROOT = resolve(import.meta.dirname, "../..");

export const PRACTICE_MODEL = join(ROOT, "practice-model", "practice.gguf");

export interface Entries {
  server: string;
  engineChild: string;
}

/** What `test/_build.ts` has made before the first test. */
export const ENTRIES: Entries = {
  server: join(ROOT, "dist/bin/server.js"),
  engineChild: join(ROOT, "dist/bin/engine-child.js"),
};

/** Into a folder of the caller: the entries without llama.cpp inside, and what an agent takes from the package. */
export async function bundleEntries(outdir: string): Promise<Entries & { door: string }> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: {
      "server/main": "src/server/main.ts",
      "engine/child": "src/engine/llama/child.ts",
      "engine/acquire": "src/engine/acquire/acquire.ts",
    },
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["node-llama-cpp", "dockerode"],
    logLevel: "error",
  });
  await writeFile(join(outdir, "package.json"), '{"type":"module"}');
  return {
    server: join(outdir, "server/main.js"),
    engineChild: join(outdir, "engine/child.js"),
    door: join(outdir, "engine/acquire.js"),
  };
}
