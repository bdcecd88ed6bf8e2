/**
 * What our server costs beside llama.cpp's own: the same file, one thread each, the same client, in pairs that take turns within one
 * run. Prints medians of the pairs beside their goals; the exit code is 1 when one is missed.
 *
 *   npm run bench:server                              a model of random weights (made once) and the practice model
 *   npm run bench:server -- --model file.gguf --runs 9 --json
 *   npm run bench:server -- --soak 60                 200 clients at once for 60 s
 *   npm run bench:server -- --speculation             guesses from the context, against none
 *
 * The other server is `llama-server` or what LMAGENT_BENCH_LLAMA_SERVER or `--llama-server` names; without it only ours is measured.
 */
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { findRandomModel } from "./random-model.ts";
import { measurePairs, measureStart } from "./server-pairs.ts";
import type { Row } from "./server-pairs.ts";
import { measureSoak } from "./server-soak.ts";
import { measureSpeculation } from "./server-speculation.ts";
import { bundleOwnServer } from "./server-subjects.ts";

const PRACTICE_MODEL = resolve(import.meta.dirname, "../practice-model/practice.gguf");

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", multiple: true },
      "llama-server": { type: "string" },
      runs: { type: "string", default: "5" },
      soak: { type: "string" },
      speculation: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  await bundleOwnServer();
  const rows: Row[] = [];
  if (values.soak !== undefined) rows.push(...(await measureSoak(PRACTICE_MODEL, Number(values.soak))));
  else if (values.speculation) rows.push(...(await measureSpeculation(PRACTICE_MODEL)));
  else {
    const command = findLlamaServer(values["llama-server"]);
    const models = values.model ?? [await findRandomModel(), PRACTICE_MODEL];
    for (const modelPath of models.map((path) => resolve(path))) {
      const options = { modelPath, runs: Number(values.runs), practice: modelPath === PRACTICE_MODEL };
      rows.push(...(await measurePairs({ ...options, ...(command === undefined ? {} : { command }) })));
      rows.push(...(await measureStart(options)));
    }
  }
  if (values.json) process.stdout.write(`${JSON.stringify(rows)}\n`);
  else print(rows);
  if (rows.some((row) => isMissed(row))) process.exitCode = 1;
}

function findLlamaServer(flag: string | undefined): string | undefined {
  const command = flag ?? process.env["LMAGENT_BENCH_LLAMA_SERVER"] ?? "llama-server";
  if (spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0) return command;
  process.stderr.write(`There is no \`${command}\` to compare with, so only our own server is measured.\n`);
  return undefined;
}

function isMissed({ value, least, most }: Row): boolean {
  return (least !== undefined && value < least) || (most !== undefined && value > most);
}

function print(rows: readonly Row[]): void {
  for (const row of rows) {
    const { name, value, unit, least, most, detail } = row;
    const goal = least === undefined ? (most === undefined ? "" : `≤ ${most}`) : `≥ ${least}`;
    const mark = isMissed(row) ? "missed" : "";
    const shown = `${value.toFixed(value < 10 ? 3 : 1)} ${unit}`;
    process.stdout.write(
      `${name.padEnd(52)} ${shown.padStart(14)}  ${goal.padEnd(8)} ${mark.padEnd(7)} ${detail ?? ""}\n`,
    );
  }
}

await main();
