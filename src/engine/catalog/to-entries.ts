/** Found files to entries with keys of their own: parts joined, projectors put to their models, the same file under two names once. */
import { basename, dirname } from "node:path";
import { AgentError, errorMessage } from "../../core/errors.ts";
import { toPurpose } from "./catalog.ts";
import type { ModelEntry } from "./catalog.ts";
import { quantizationOfName } from "../gguf/quantization.ts";
import { parsePartName, partPaths } from "../gguf/split.ts";
import { isPracticeModel, PRACTICE_MODEL_ID } from "../plan/model-file.ts";
import type { BrokenModel, Findings, FoundFile } from "./found-file.ts";
import type { HeaderFacts, HeaderIndex, ReadFile } from "./header-index.ts";
import { toKeys } from "./keys.ts";
import type { NamedFile } from "./keys.ts";
import { stemOf } from "./publisher-folders.ts";

export interface CatalogContent {
  entries: readonly ModelEntry[];
  broken: readonly BrokenModel[];
}

interface Known extends NamedFile {
  read: Omit<ReadFile, "facts"> & { facts: HeaderFacts };
  /** What it is called under its other places. */
  others: readonly FoundFile[];
}

const READ_AT_ONCE = 4;

/** The first place of a file counts, so the order of the findings is the order of preference. */
export async function toEntries(findings: readonly Findings[], index: HeaderIndex): Promise<CatalogContent> {
  const broken = findings.flatMap((finding) => [...finding.broken]);
  const files = findings.flatMap((finding) => finding.files).filter(({ path }) => isFirstPart(path));
  const projectors = new Map<string, string[]>();
  const known = new Map<string, Known>();
  for (const { file, read } of await readAll(files, index, broken)) {
    if (read.facts.kind === "projector") addTo(projectors, dirname(file.path), file.path);
    else if (read.facts.kind !== "model") broken.push({ ...file, why: notAModel(read.facts.kind) });
    else {
      const before = known.get(read.identity);
      if (before !== undefined) known.set(read.identity, { ...before, others: [...before.others, file] });
      else
        known.set(read.identity, { file, read, others: [], quantization: toQuantization(file, read.facts) });
    }
  }
  const models = [...known.values()];
  const keys = toKeys(models);
  const entries = models.map((model) => toEntry(model, { key: keys.get(model) ?? "", projectors }));
  return { entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)), broken: broken.map(toBroken) };
}

interface ReadModel {
  file: FoundFile;
  read: Known["read"];
}

async function readAll(
  files: readonly FoundFile[],
  index: HeaderIndex,
  broken: BrokenModel[],
): Promise<readonly ReadModel[]> {
  const found: (ReadModel | undefined)[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < files.length; at = next++) {
      const file = files[at] as FoundFile;
      const { facts, ...read } = await index.read(file.path).catch(toUnreadable);
      if ("broken" in facts) broken.push({ ...file, why: facts.broken });
      else found[at] = { file, read: { ...read, facts } };
    }
  };
  await Promise.all(Array.from({ length: READ_AT_ONCE }, work));
  return found.filter((one) => one !== undefined);
}

function toUnreadable(thrown: unknown): ReadFile {
  const why = AgentError.is(thrown) ? thrown.message : `It cannot be read: ${errorMessage(thrown)}`;
  return { sizeBytes: 0, modifiedMs: 0, identity: "", facts: { broken: why } };
}

function notAModel(kind: string): string {
  return kind === "adapter"
    ? "It is an adapter, which changes another model and cannot be used alone."
    : "It is no model.";
}

function toBroken({ path, source, why }: BrokenModel): BrokenModel {
  return { path, source, why };
}

function isFirstPart(path: string): boolean {
  return (parsePartName(path)?.part ?? 1) === 1;
}

/** The name tells more kinds apart than the header does. */
function toQuantization({ path, source }: FoundFile, facts: HeaderFacts): string | undefined {
  const named = source === "ollama" ? undefined : quantizationOfName(stemOf(path));
  return named ?? facts.quantization;
}

function toEntry(
  { file, read, quantization, others }: Known,
  { key, projectors }: { key: string; projectors: ReadonlyMap<string, readonly string[]> },
): ModelEntry {
  const { facts } = read;
  const projectorPath = file.projectorPath ?? chooseProjector(projectors.get(dirname(file.path)) ?? [], file);
  const { bitsPerWeight, maxContextTokens } = facts;
  return {
    key,
    aliases: toAliases([file, ...others], key, quantization),
    path: file.path,
    files: [...partPaths(file.path), ...(projectorPath === undefined ? [] : [projectorPath])],
    sizeBytes: read.sizeBytes,
    source: file.source,
    publisher: file.publisher,
    displayName: facts.name ?? basename(file.repo),
    purpose: toPurpose(facts),
    architecture: facts.architecture,
    parameters: facts.parameters,
    ...(quantization === undefined ? {} : { quantization }),
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
    ...(maxContextTokens === undefined ? {} : { maxContextTokens }),
    ...(projectorPath === undefined ? {} : { projectorPath }),
    ...(file.ollama === undefined ? {} : { ollama: file.ollama }),
    // Its template does not show tools, but it was trained on them.
    toolUse: facts.toolUse || isPracticeModel(file.path),
    modifiedAt: new Date(read.modifiedMs),
  };
}

/** Of several kinds the one of half precision. A folder of unrelated models has none for all. */
function chooseProjector(paths: readonly string[], { publisher, repo, path }: FoundFile): string | undefined {
  if (publisher === "" && repo === stemOf(path)) return undefined;
  const rank = (one: string): number =>
    ["F16", "BF16"].indexOf(quantizationOfName(basename(one)) ?? "") >>> 0;
  return paths.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))[0];
}

function toAliases(
  files: readonly FoundFile[],
  key: string,
  quantization: string | undefined,
): readonly string[] {
  const names = files.flatMap(({ path, publisher, repo, tag, source }) => {
    if (isPracticeModel(path) && source === "package") return [PRACTICE_MODEL_ID];
    if (tag !== undefined) return [`${repo}:${tag}`, ...(tag === "latest" ? [repo] : [])];
    const full = publisher === "" ? repo : `${publisher}/${repo}`;
    const plain = basename(repo);
    const wholes = [full, plain].flatMap((name) => [name, name.replace(/-gguf$/i, "")]);
    const quants =
      quantization === undefined ? [] : wholes.map((name) => `${name}@${quantization.toLowerCase()}`);
    return [full, ...quants, ...wholes, stemOf(path), basename(path)];
  });
  return [...new Set(names)].filter((name) => name !== key && name !== "");
}

function addTo(map: Map<string, string[]>, key: string, value: string): void {
  map.set(key, [...(map.get(key) ?? []), value]);
}
