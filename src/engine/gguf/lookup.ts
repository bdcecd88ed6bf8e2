/** Typed questions to metadata. A value of another kind than asked for counts as absent. */
import type { GgufHeader } from "./header.ts";
import type { GgufValue } from "./values.ts";

export interface Lookup {
  /** A whole number, 0 or more. */
  count(key: string): number | undefined;
  /** For each layer: an array's own value, or the one number for all. */
  counts(key: string, layers: number): readonly (number | undefined)[];
  text(key: string): string | undefined;
  flags(key: string): readonly boolean[] | undefined;
  /** Elements of an array. */
  length(key: string): number | undefined;
}

export function createLookup({ metadata }: Pick<GgufHeader, "metadata">): Lookup {
  const count = (key: string): number | undefined => toCount(metadata.get(key));
  return {
    count,
    counts: (key, layers) => {
      const value = metadata.get(key);
      const list = isArray(value) ? value : undefined;
      return Array.from({ length: layers }, (_, layer) => toCount(list === undefined ? value : list[layer]));
    },
    text: (key) => {
      const value = metadata.get(key);
      return typeof value === "string" ? value : undefined;
    },
    flags: (key) => {
      const value = metadata.get(key);
      return isArray(value) ? value.map(Boolean) : undefined;
    },
    length: (key) => {
      const value = metadata.get(key);
      return typeof value === "object" ? value.length : undefined;
    },
  };
}

function isArray(value: GgufValue | undefined): value is Extract<GgufValue, readonly unknown[]> {
  return Array.isArray(value);
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
