import type { ModelEntry } from "../../../engine/catalog/catalog.ts";
import { readParts, toModelShape } from "../../../engine/gguf/shape.ts";
import type { ModelShape } from "../../../engine/gguf/shape.ts";
import type { GgufHeader } from "../../../engine/gguf/header.ts";
import { estimateMemory } from "../../../engine/plan/memory-estimate.ts";
import { formatBytes, formatCount } from "../../../tui/format.ts";
import { toTerminalJson, toTerminalLine } from "../../../tui/terminal-text.ts";
import { openModels, readLoaded, requireEntry } from "./open-models.ts";

const LABEL_CHARS = 16;
const KV_TOKENS = 4_096;

/** What the file says about the model. */
export async function showModel(name: string, { json = false }: { json?: boolean }): Promise<number> {
  const models = await openModels();
  const entry = await requireEntry(models, name);
  const headers = await readParts(entry.path);
  const shape = toModelShape(headers);
  const loaded = (await readLoaded(models.home)).filter(({ path }) => path === entry.path);
  if (json) {
    const { layers, ...rest } = shape;
    const details = { ...rest, layers: layers.length };
    const metadata = Object.fromEntries(headers[0]?.metadata ?? []);
    process.stdout.write(`${toTerminalJson({ ...entry, details, loaded, metadata }, 2)}\n`);
    return 0;
  }
  const rows = [
    ...toFileRows(entry),
    ...toModelRows(shape, headers),
    ["loaded as", loaded.map(({ id }) => id).join(", ")],
  ];
  const lines = rows
    .filter(([, value]) => value !== "")
    .map(([label = "", value = ""]) => `${label.padEnd(LABEL_CHARS)} ${toTerminalLine(value)}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

function toFileRows(entry: ModelEntry): readonly (readonly string[])[] {
  const { key, displayName, aliases, files, sizeBytes, publisher, source } = entry;
  return [
    ["model", key],
    ["name", displayName],
    ["also called", aliases.join(", ")],
    ["publisher", publisher],
    ["source", source],
    ...files.map((file, at) => [at === 0 ? "files" : "", file] as const),
    ["size", formatBytes(sizeBytes)],
  ];
}

function toModelRows(shape: ModelShape, headers: readonly GgufHeader[]): readonly (readonly string[])[] {
  const { architecture, parameters, quantization = "", bitsPerWeight, maxContextTokens } = shape;
  const {
    layers,
    heads,
    embeddingLength,
    vocabulary,
    experts,
    expertsUsed,
    tokenizer = "",
    pooling = "",
  } = shape;
  const bits = bitsPerWeight === undefined ? "" : ` (${bitsPerWeight} bits a weight)`;
  return [
    ["architecture", architecture],
    ["parameters", formatCount(parameters)],
    ["quantization", quantization === "" ? "" : quantization + bits],
    ["context", maxContextTokens === undefined ? "" : `${formatCount(maxContextTokens)} tokens`],
    ["KV memory", toKvText(shape)],
    ["layers", `${layers.length}, ${heads} heads, ${embeddingLength} wide`],
    ["experts", experts === 0 ? "" : `${experts}, of which a token uses ${expertsUsed}`],
    ["window", toWindowText(shape)],
    ["vocabulary", `${formatCount(vocabulary)} tokens${tokenizer === "" ? "" : ` (${tokenizer})`}`],
    ["pooling", pooling],
    [
      "tools",
      shape.encoder ? "" : shape.toolUse ? "its template knows them" : "its template does not show them",
    ],
    ["GGUF version", String(headers[0]?.version ?? "")],
  ];
}

function toKvText(shape: ModelShape): string {
  const { kvBytes } = estimateMemory(shape, { contextTokens: KV_TOKENS, slots: 1 });
  return kvBytes === 0 ? "" : `${formatBytes(kvBytes)} with ${formatCount(KV_TOKENS)} tokens`;
}

function toWindowText({ layers }: ModelShape): string {
  const windowed = layers.filter(({ windowTokens }) => windowTokens !== undefined);
  const tokens = windowed[0]?.windowTokens;
  return tokens === undefined
    ? ""
    : `${formatCount(tokens)} tokens in ${windowed.length} of ${layers.length} layers`;
}
