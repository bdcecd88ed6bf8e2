import type { ModelEntry } from "../../../engine/catalog/catalog.ts";
import type { BrokenModel } from "../../../engine/catalog/found-file.ts";
import { toModelObject, toParameterString } from "../../../server/lmstudio/model-objects.ts";
import { formatBytes, formatCount } from "../../../tui/format.ts";
import { formatTable } from "../../../tui/table.ts";
import { toTerminalJson, toTerminalLine } from "../../../tui/terminal-text.ts";
import { openModels, readLoaded } from "./open-models.ts";
import type { LoadedInstance, ReadLoaded } from "./open-models.ts";
import { SOURCE_NAMES } from "./source-names.ts";

const COLUMNS = [
  { title: "MODEL" },
  { title: "PARAMS", right: true },
  { title: "QUANT" },
  { title: "SIZE", right: true },
  { title: "CONTEXT", right: true },
  { title: "SOURCE" },
  { title: "STATE" },
];

export interface ListFlags {
  json?: boolean;
  loaded?: boolean;
  llm?: boolean;
  embedding?: boolean;
}

/** Every model of this machine; with `--json` as LM Studio's `/api/v1/models` tells them, with path, source and state. */
export async function listModels(flags: ListFlags, read: ReadLoaded = readLoaded): Promise<number> {
  const { json = false } = flags;
  const { home, catalog } = await openModels();
  const loaded = await read(home);
  const entries = (await catalog.list()).filter((entry) => isAskedFor(entry, flags, loaded));
  const isPart = flags.loaded === true || flags.llm === true || flags.embedding === true;
  const broken = isPart ? [] : await catalog.broken();
  if (json) {
    const models = await Promise.all(entries.map((entry) => toObject(entry, loaded)));
    process.stdout.write(`${toTerminalJson({ models, broken }, 2)}\n`);
    return 0;
  }
  const rows = entries.map((entry) => toRow(entry, loaded));
  const lines =
    entries.length === 0
      ? [isPart ? "There is none." : "No model is on this machine."]
      : formatTable(COLUMNS, rows);
  process.stdout.write(`${[...lines, ...toBrokenLines(broken)].join("\n")}\n`);
  return 0;
}

function isAskedFor(
  { path, purpose }: ModelEntry,
  flags: ListFlags,
  loaded: readonly LoadedInstance[],
): boolean {
  if (flags.loaded === true && !loaded.some((one) => one.path === path)) return false;
  if (flags.llm === flags.embedding) return true;
  return (purpose === "embedding") === (flags.embedding === true);
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
    SOURCE_NAMES[source],
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
