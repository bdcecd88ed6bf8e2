/**
 * A long task on small windows: 60 turns that read 40 files of 3 KB and edit 10, through the real command line, against a scripted server
 * that has a window and a perfect prefix cache of one slot. Prints how often the transcript was read, and what was lost.
 *
 *   npm run build && npm run bench:context
 *   npm run bench:context -- --windows 8192 --kind lmstudio --json
 */
import { parseArgs } from "node:util";
import { WINDOWED_KINDS } from "../src/testing/index.ts";
import { GOALS, measure, type Sample } from "./context-run.ts";
import { TURNS } from "./context-task.ts";

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      windows: { type: "string", default: Object.keys(GOALS).join(",") },
      kind: { type: "string", default: "llama-server" },
      json: { type: "boolean", default: false },
    },
  });
  const kind = WINDOWED_KINDS.find((one) => one === values.kind);
  if (kind === undefined)
    throw new Error(`\`--kind ${values.kind}\`: use one of ${WINDOWED_KINDS.join(", ")}`);
  let good = true;
  for (const window of values.windows.split(",").map(Number)) {
    const sample = await measure(window, kind);
    good &&= sample.problems.length === 0;
    if (values.json) process.stdout.write(`${JSON.stringify(sample)}\n`);
    else print(sample);
  }
  process.exitCode = good ? 0 : 1;
}

function print(sample: Sample): void {
  const { window, ratio, compactions, problems } = sample;
  const goal = GOALS[window];
  const rows: [string, string, string][] = [
    ["evaluated ÷ transcript", ratio.toFixed(3), goal ? `≤ ${goal.ratio}` : ""],
    ["  tokens evaluated", `${sample.evaluatedTokens}`, ""],
    ["  tokens of the transcript", `${sample.transcriptTokens}`, ""],
    ["  tokens generated", `${sample.generatedTokens}`, ""],
    ["requests, of these for a summary", `${sample.requests}, ${sample.summaries}`, `${TURNS + 1} and a few`],
    ["compactions", `${compactions}`, goal ? `≤ ${goal.compactions}` : ""],
    ["prefix breaks, of these told", `${sample.readAgain}, ${sample.prefixBreaks}`, "one a compaction"],
    ["overflow answers", `${sample.overflows}`, "0"],
    ["user messages, rules and todos lost", `${sample.lost.length}`, "0"],
    ["files that are wrong at the end", `${sample.wrongFiles.length}`, "0"],
    ["end", sample.reason.slice(0, 60), "done"],
    ["wall time", `${(sample.wallMs / 1000).toFixed(1)} s`, ""],
  ];
  process.stdout.write(`\nwindow of ${window} tokens\n`);
  for (const [label, value, wanted] of rows)
    process.stdout.write(`  ${label.padEnd(38)} ${value.padStart(12)}   ${wanted && `goal ${wanted}`}\n`);
  process.stdout.write(
    problems.length === 0 ? "  goals met\n" : problems.map((one) => `  FALLS SHORT: ${one}\n`).join(""),
  );
}

await main();
