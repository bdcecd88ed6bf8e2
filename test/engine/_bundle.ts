/** The server and the engine child as the package ships them: bundled for Node, in a folder from which packages resolve. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { build } from "esbuild";

const ROOT = resolve(import.meta.dirname, "../..");

export const PRACTICE_MODEL = join(ROOT, "practice-model", "practice.gguf");

export interface Entries {
  server: string;
  engineChild: string;
}

const bundles = new Map<string, Promise<Entries>>();

/** Made once for each test file, in a folder of its own name. */
export function bundleEntries(name: string): Promise<Entries> {
  const bundle = bundles.get(name) ?? makeBundle(join(ROOT, "dist", "test-bundle", name));
  bundles.set(name, bundle);
  return bundle;
}

async function makeBundle(outdir: string): Promise<Entries> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: {
      "server/main": "src/server/main.ts",
      "engine/child": "src/engine/llama/child.ts",
    },
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["node-llama-cpp", "dockerode"],
    logLevel: "error",
    write: false,
  });
  for (const { path, contents } of outputFiles) await replaceFile(path, contents);
  return { server: join(outdir, "server/main.js"), engineChild: join(outdir, "engine/child.js") };
}

/** Whole or not at all: a server of another test run may be starting its engine from this file just now. */
async function replaceFile(path: string, contents: Uint8Array): Promise<void> {
  const before = await readFile(path).catch(() => undefined);
  if (before?.equals(contents) === true) return;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, contents);
  await rename(temporary, path);
}
