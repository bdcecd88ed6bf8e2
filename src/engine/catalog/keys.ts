/**
 * Keys as LM Studio makes them: the repository's name in small letters without `-gguf`; with `@` and the quantization where the
 * repository has several files; with the publisher in front where another one has a model of this name.
 */
import { basename } from "node:path";
import { isPracticeModel, PRACTICE_MODEL_ID } from "../plan/model-file.ts";
import type { FoundFile } from "./found-file.ts";
import { stemOf } from "./publisher-folders.ts";

export interface NamedFile {
  file: FoundFile;
  quantization: string | undefined;
}

/** No two are the same. */
export function toKeys<Named extends NamedFile>(files: readonly Named[]): ReadonlyMap<Named, string> {
  const keys = new Map<Named, string>();
  const taken = new Set<string>();
  const forms: readonly ((named: Named) => string)[] = [toShort, toQuantized, toPublished, toFull];
  let left = [...files];
  for (const form of forms) {
    const named = left.map((one) => ({ one, key: form(one), group: toShort(one) }));
    const counts = countBy(named.map(({ key }) => key));
    left = [];
    for (const { one, key } of named) {
      const unique = counts.get(key) === 1 && !taken.has(key);
      if (unique) keys.set(one, key);
      else left.push(one);
    }
    for (const key of keys.values()) taken.add(key);
  }
  for (const one of left) {
    let number = 2;
    while (taken.has(`${toFull(one)}-${number}`)) number += 1;
    keys.set(one, `${toFull(one)}-${number}`);
    taken.add(`${toFull(one)}-${number}`);
  }
  return keys;
}

function toShort({ file }: NamedFile): string {
  const { path, source, repo, tag } = file;
  if (source === "package" && isPracticeModel(path)) return PRACTICE_MODEL_ID;
  const name = source === "ollama" ? repo : basename(repo);
  const base = name.toLowerCase().replace(/-gguf$/, "");
  return tag === undefined || tag === "latest" ? base : `${base}:${tag.toLowerCase()}`;
}

function toQuantized(named: NamedFile): string {
  return `${toShort(named)}@${(named.quantization ?? stemOf(named.file.path)).toLowerCase()}`;
}

function toPublished(named: NamedFile): string {
  const { publisher } = named.file;
  const front = publisher === "" ? named.file.source : publisher.toLowerCase();
  return `${front}/${toQuantized(named)}`;
}

function toFull(named: NamedFile): string {
  const { publisher, source, path } = named.file;
  return `${publisher === "" ? source : publisher.toLowerCase()}/${stemOf(path).toLowerCase()}`;
}

function countBy(keys: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
