// Bundles the command line, the model server and its engine child into dist/bin: split by command, so that each start
// reads only what it needs.
import { chmodSync, rmSync } from "node:fs";
import { build } from "esbuild";

const outdir = "dist/bin";
rmSync(outdir, { recursive: true, force: true });

await build({
  entryPoints: { lmagent: "src/cli/main.ts", server: "src/server/main.ts", "engine-child": "src/engine/child.ts" },
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  legalComments: "none",
  chunkNames: "chunks/[name]-[hash]",
  // Binaries and optional packages stay where npm put them.
  external: ["node-llama-cpp", "@vscode/ripgrep", "koffi"],
  // Some dependencies are CommonJS and load Node's own modules with `require`.
  banner: { js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);' },
  logLevel: "warning",
});
chmodSync(`${outdir}/lmagent.js`, 0o755);
