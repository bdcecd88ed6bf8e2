/** Models in several files, as llama.cpp's `gguf-split` names them: `name-00001-of-00003.gguf`. */
import { basename, dirname, join } from "node:path";

const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/i;
const LIMIT_PARTS = 1_000;

export interface PartName {
  /** Without the number. */
  stem: string;
  part: number;
  parts: number;
}

export function parsePartName(path: string): PartName | undefined {
  const match = PART.exec(basename(path));
  if (match === null) return undefined;
  const [, stem = "", part, parts] = match;
  const name = { stem, part: Number(part), parts: Number(parts) };
  return name.part >= 1 && name.part <= name.parts && name.parts <= LIMIT_PARTS ? name : undefined;
}

/** All parts of the model that this file is one of, the first one first; a model in one file is its only part. */
export function partPaths(path: string): readonly string[] {
  const name = parsePartName(path);
  if (name === undefined) return [path];
  const digits = (value: number): string => String(value).padStart(5, "0");
  return Array.from({ length: name.parts }, (_, index) =>
    join(dirname(path), `${name.stem}-${digits(index + 1)}-of-${digits(name.parts)}.gguf`),
  );
}
