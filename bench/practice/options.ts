/** What the command line of `npm run eval:practice` asks for. */
import { closeSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorMessage } from "../../src/core/errors.ts";
import type { ModelPlace } from "./agent.ts";

export const PRACTICE = resolve(import.meta.dirname, "../../practice-model");

export interface Options {
  place: ModelPlace;
  /** None: those of the practice model. */
  files: readonly string[];
  /** Absent: all. */
  families: readonly string[] | undefined;
  /** Of each family of each split. */
  limit: number;
  misses: boolean;
  json: string | undefined;
}

/** Throws for what cannot be meant. */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      model: { type: "string" },
      server: { type: "string" },
      tasks: { type: "string", multiple: true, default: [] },
      family: { type: "string", multiple: true },
      limit: { type: "string" },
      misses: { type: "boolean", default: false },
      json: { type: "string" },
    },
    allowPositionals: true,
  });
  const { model, server, tasks, family: families, limit, misses, json } = values;
  return {
    place: toPlace(model, server),
    files: [...tasks, ...positionals],
    families,
    limit: toLimit(limit),
    misses,
    json,
  };
}

function toPlace(model: string | undefined, server: string | undefined): ModelPlace {
  if (server === undefined) return { file: resolve(model ?? join(PRACTICE, "practice.gguf")) };
  if (model === undefined) return { server };
  throw new Error("`--model` is a file for our own runtime and `--server` has a model already: give one.");
}

function toLimit(given: string | undefined): number {
  const limit = Number(given ?? Number.POSITIVE_INFINITY);
  if (limit >= 1) return limit;
  throw new Error(`\`--limit ${given}\` must be a number from 1.`);
}

/** Makes the file where there is none, so that nobody plays for half an hour and then cannot write. */
export function requireWritable(path: string): void {
  try {
    closeSync(openSync(path, "a"));
  } catch (error) {
    throw new Error(`\`--json ${path}\` cannot be written: ${errorMessage(error)}`, { cause: error });
  }
}
