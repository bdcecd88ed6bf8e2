import type { ModelEntry } from "../../../engine/catalog/catalog.ts";
import type { BrokenModel } from "../../../engine/catalog/found-file.ts";
import { toModelObject, toParameterString } from "../../../server/lmstudio/model-objects.ts";
import { formatBytes, formatCount } from "../../../tui/format.ts";
import { formatTable } from "../../../tui/table.ts";
import { toTerminalJson, toTerminalLine } from "../../../tui/terminal-text.ts";
import { openModels, readLoaded } from "./open-models.ts";
import type { LoadedInstance, ReadLoaded } from "./open-models.ts";

const COLUMNS = [
  { title: "MODEL" },
  { title: "PARAMS", right: true },
  { title: "QUANT" },
  { title: "SIZE", right: true },
  { title: "CONTEXT", right: true },
  { title: "SOURCE" },
  { title: "STATE" },
];

const SOURCES: Readonly<Record<ModelEntry["source"], string>> = {
  lmagent: "LMAgent",
  lmstudio: "LM Studio",
  ollama: "Ollama",
  huggingface: "Hugging Face",
  package: "built in",
  file: "file",
};

/** Every model of this machine; with `--json` as LM Studio's `/api/v1/models` tells them, with path, source and state. */
export async function listModels(
  { json = false }: { json?: boolean },
  read: ReadLoaded = readLoaded,
): Promise<number> {
  const { home, catalog } = await openModels();
  const [entries, broken, loaded] = [await catalog.list(), await catalog.broken(), await read(home)];
  if (json) {
    const models = await Promise.all(entries.map((entry) => toObject(entry, loaded)));
    process.stdout.write(`${toTerminalJson({ models, broken }, 2)}\n`);
    return 0;
  }
  const rows = entries.map((entry) => toRow(entry, loaded));
  const lines = entries.length === 0 ? ["No model is on this machine."] : formatTable(COLUMNS, rows);
  process.stdout.write(`${[...lines, ...toBrokenLines(broken)].join("\n")}\n`);
  return 0;
}

async function toObject(
  entry: ModelEntry,
  loaded: readonly LoadedInstance[],
): Promise<Record<string, unknown>> {
  const instances = loaded.filter(({ path }) => path === entry.path);
  return {
    ...(await toModelObject({ entry, loaded: [] })),
    loaded_instances: instances.map(({ id, contextTokens, slots }) => ({
      id,
      config: { context_length: contextTokens, parallel: slots },
    })),
    path: entry.path,
    source: entry.source,
    state: toState(instances),
  };
}

function toRow(entry: ModelEntry, loaded: readonly LoadedInstance[]): readonly string[] {
  const { key, parameters, quantization = "-", sizeBytes, maxContextTokens, source, path } = entry;
  return [
    key,
    parameters === undefined ? "-" : toParameterString(parameters),
    quantization,
    formatBytes(sizeBytes),
    maxContextTokens === undefined ? "-" : formatCount(maxContextTokens),
    SOURCES[source],
    toState(loaded.filter((one) => one.path === path)),
  ];
}

function toState(instances: readonly LoadedInstance[]): string {
  const [first] = instances;
  if (first === undefined) return "not-loaded";
  return instances.some(({ state }) => state === "ready") ? "loaded" : first.state;
}

function toBrokenLines(broken: readonly BrokenModel[]): readonly string[] {
  if (broken.length === 0) return [];
  const lines = broken.map(
    ({ path, why }) => `  ${toTerminalLine(why.includes(path) ? why : `${path}: ${why}`)}`,
  );
  return ["", "Cannot be used:", ...lines];
}
