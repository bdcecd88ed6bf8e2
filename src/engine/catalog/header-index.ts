/** What headers said, by path, time and size of the file: kept in a file, so that a list of many models need not read them all again. */
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, errorMessage } from "../../core/errors.ts";
import { isObject } from "../../core/json-object.ts";
import { readModelShape } from "../gguf/shape.ts";
import type { GgufKind, ModelShape, Pooling } from "../gguf/shape.ts";
import { partPaths } from "../gguf/split.ts";

/** As far as a list needs it. */
export interface HeaderFacts {
  kind: GgufKind;
  architecture: string;
  name?: string;
  quantization?: string;
  bitsPerWeight?: number;
  parameters: number;
  maxContextTokens?: number;
  pooling?: Pooling;
  encoder: boolean;
  toolUse: boolean;
}

export interface ReadFile {
  /** All parts together. */
  sizeBytes: number;
  modifiedMs: number;
  /** The same for two names of one file. */
  identity: string;
  facts: HeaderFacts | { broken: string };
}

interface Row {
  sizeBytes: number;
  modifiedMs: number;
  facts: ReadFile["facts"];
}

/** Raised when the rows or what is read for them change. */
const VERSION = 1;
const NAME_CHARS = 200;
const LIMIT_BYTES = 32_000_000;

export interface HeaderIndex {
  /** Throws what `stat` throws for a file that is not there. */
  read(path: string): Promise<ReadFile>;
  /** Forgets what was not read since it was opened. A folder that cannot be written costs only time. */
  save(): Promise<void>;
}

/** Without a path it is kept in memory alone. */
export async function openHeaderIndex(
  path: string | undefined,
  known: Map<string, Row>,
): Promise<HeaderIndex> {
  if (known.size === 0 && path !== undefined)
    for (const [key, row] of await readRows(path)) known.set(key, row);
  const used = new Map<string, Row>();
  let changed = false;
  return {
    read: async (file) => {
      const measured = await measure(file);
      const before = known.get(file);
      const { sizeBytes, modifiedMs } = measured;
      const fresh = before?.sizeBytes === sizeBytes && before.modifiedMs === modifiedMs;
      const facts = fresh ? before.facts : await readFacts(file);
      changed ||= !fresh;
      used.set(file, { sizeBytes, modifiedMs, facts });
      return { ...measured, facts };
    },
    save: async () => {
      const isSame = !changed && used.size === known.size;
      known.clear();
      for (const [key, row] of used) known.set(key, row);
      if (path !== undefined && !isSame) await writeRows(path, used);
    },
  };
}

export type HeaderRows = Map<string, Row>;

async function measure(file: string): Promise<Omit<ReadFile, "facts">> {
  const [first = file, ...others] = partPaths(file);
  const facts = await stat(first);
  if (!facts.isFile()) throw new Error("it is no regular file");
  const { dev, ino } = facts;
  let { size: sizeBytes, mtimeMs: modifiedMs } = facts;
  for (const part of others) {
    // A missing part is told by the header's reader.
    const more = await stat(part).catch(() => undefined);
    sizeBytes += more?.size ?? 0;
    modifiedMs = Math.max(modifiedMs, more?.mtimeMs ?? 0);
  }
  return { sizeBytes, modifiedMs, identity: ino === 0 ? first : `${dev}:${ino}` };
}

async function readFacts(file: string): Promise<ReadFile["facts"]> {
  try {
    return toFacts(await readModelShape(file));
  } catch (thrown) {
    return { broken: errorMessage(thrown) };
  }
}

export function toFacts(shape: ModelShape): HeaderFacts {
  const { kind, architecture, name, quantization, bitsPerWeight, parameters, maxContextTokens } = shape;
  const { pooling, encoder, toolUse } = shape;
  return {
    kind,
    architecture: toLine(architecture),
    parameters,
    encoder,
    toolUse,
    ...toName(name),
    ...(quantization === undefined ? {} : { quantization }),
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
    ...(maxContextTokens === undefined ? {} : { maxContextTokens }),
    ...(pooling === undefined ? {} : { pooling }),
  };
}

function toName(name: string | undefined): { name?: string } {
  const line = toLine(name ?? "");
  return line === "" ? {} : { name: line };
}

/** Names come from the file: one line, without signs that nobody sees. */
function toLine(text: string): string {
  return text
    .replace(/\p{C}+/gu, " ")
    .trim()
    .slice(0, NAME_CHARS);
}

async function readRows(path: string): Promise<[string, Row][]> {
  try {
    if ((await stat(path)).size > LIMIT_BYTES) return [];
    const content = JSON.parse(await readFile(path, "utf8")) as unknown;
    if (!isObject(content) || content["version"] !== VERSION || !isObject(content["files"])) return [];
    return Object.entries(content["files"]).filter((entry): entry is [string, Row] => isRow(entry[1]));
  } catch {
    return [];
  }
}

function isRow(row: unknown): row is Row {
  if (!isObject(row) || typeof row["sizeBytes"] !== "number" || typeof row["modifiedMs"] !== "number")
    return false;
  const facts = row["facts"];
  if (!isObject(facts)) return false;
  if ("broken" in facts) return typeof facts["broken"] === "string";
  return (
    typeof facts["kind"] === "string" &&
    typeof facts["architecture"] === "string" &&
    typeof facts["parameters"] === "number" &&
    typeof facts["encoder"] === "boolean" &&
    typeof facts["toolUse"] === "boolean" &&
    [facts["name"], facts["quantization"]].every((one) => one === undefined || typeof one === "string") &&
    [facts["bitsPerWeight"], facts["maxContextTokens"]].every(
      (one) => one === undefined || typeof one === "number",
    )
  );
}

async function writeRows(path: string, rows: ReadonlyMap<string, Row>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(temporary, JSON.stringify({ version: VERSION, files: Object.fromEntries(rows) }), {
      mode: 0o600,
    });
    await rename(temporary, path);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT") await rm(temporary, { force: true }).catch(() => undefined);
  }
}
