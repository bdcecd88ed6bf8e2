import { build } from "esbuild";
import { describe, expect, it } from "vitest";

/** Bytes, minified. What grows past this does not belong into the portable part. */
const BUDGETS = { "src/core/index.ts": 120_000, "src/models/index.ts": 125_000 };

describe("the portable part", () => {
  it.each(Object.entries(BUDGETS))("%s bundles without Node and within its budget", async (entry, budget) => {
    const result = await build({
      entryPoints: [entry],
      bundle: true,
      minify: true,
      format: "esm",
      // Any import of a Node module fails here.
      platform: "neutral",
      mainFields: ["module", "main"],
      write: false,
      logLevel: "silent",
    });
    const [file] = result.outputFiles;
    expect(file?.text).not.toMatch(/\bprocess\.|\bBuffer\b|require\(/);
    expect(file?.contents.length).toBeLessThan(budget);
  });
});
