// Bundles the command line, the model server and its engine child into dist/bin: split by command, so that each start
// reads only what it needs.
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { bundleDocker } from "./bundle-docker.mjs";
import { bundleLlama, hasLlama } from "./bundle-llama.mjs";

const outdir = "dist/bin";

const { metafile } = await build({
  entryPoints: {
    lmagent: "src/cli/main.ts",
    server: "src/server/main.ts",
    "engine-child": "src/engine/llama/child.ts",
  },
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  minify: true,
  legalComments: "none",
  chunkNames: "chunks/[name]-[hash]",
  metafile: true,
  plugins: [bundleDocker, ...(hasLlama ? [bundleLlama] : [])],
  // Binaries and optional packages stay where npm put them.
  external: [hasLlama ? "@node-llama-cpp/*" : "node-llama-cpp", "electron", "@vscode/ripgrep", "koffi"],
  // Some dependencies are CommonJS and load Node's own modules with `require`.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
chmodSync(`${outdir}/lmagent.js`, 0o755);
writeLicences(metafile);
removeStale(metafile);

/** Last, so that a command that runs while this builds finds all its chunks. */
function removeStale({ outputs }) {
  const kept = new Set([...Object.keys(outputs), `${outdir}/LICENSES.txt`]);
  for (const name of readdirSync(outdir, { recursive: true, encoding: "utf8" })) {
    const file = `${outdir}/${name}`.replaceAll("\\", "/");
    if (statSync(file).isFile() && !kept.has(file)) rmSync(file);
  }
}

/** The bundle holds code of other packages, so their licences go with it. */
function writeLicences({ inputs }) {
  const folders = new Set(
    Object.keys(inputs).flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []),
  );
  const texts = [...folders].filter((folder) => existsSync(join(folder, "package.json"))).map(toLicence);
  writeFileSync(`${outdir}/LICENSES.txt`, texts.join("\n\n"));
}

function toLicence(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  return `${name} ${version} (${license})\n\n${file ? readFileSync(join(folder, file), "utf8").trim() : ""}`;
}
