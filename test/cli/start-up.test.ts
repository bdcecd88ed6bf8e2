import { resolve } from "node:path";
import { build } from "esbuild";
import { expect, it } from "vitest";

/** What a task in a pipe or a terminal loads before its first request. */
const ENTRIES = ["src/cli/main.ts", "src/cli/commands/run-task.ts", "src/tui/plain/plain-view.ts"];

/** Needed later or by few, so each of these is a dynamic import. */
const LATER = [
  "src/core/index.ts",
  "src/core/compact.ts",
  "src/core/context-use.ts",
  "src/core/plan-proposal.ts",
  "src/core/plan-rescue.ts",
  "src/engine/acquire/acquire.ts",
  "src/models/index.ts",
  "src/models/probe.ts",
  "src/models/recording-transport.ts",
  "src/permissions/index.ts",
  "src/sandbox/index.ts",
  "src/tools/plan-propose.ts",
  "src/tui/screen/index.ts",
  "src/workspace/checkpoints/store.ts",
  "src/cli/commands/interactive.ts",
  "src/cli/profiles.ts",
];

it("a start loads nothing that its first request does not need", async () => {
  const { metafile } = await build({
    absWorkingDir: resolve(import.meta.dirname, "../.."),
    entryPoints: ENTRIES,
    bundle: true,
    format: "esm",
    platform: "node",
    packages: "external",
    outdir: "unwritten",
    write: false,
    metafile: true,
    logLevel: "silent",
  });
  const importer = new Map<string, string>(ENTRIES.map((entry) => [entry, ""]));
  for (const file of importer.keys())
    for (const { path, kind } of metafile.inputs[file]?.imports ?? [])
      if (kind === "import-statement" && !importer.has(path)) importer.set(path, file);
  expect(importer.size).toBeGreaterThan(50);
  // Names who imports it.
  expect(LATER.filter((file) => importer.has(file)).map((file) => [importer.get(file), file])).toEqual([]);
  for (const file of LATER) expect(metafile.inputs).toHaveProperty([file]);
});
