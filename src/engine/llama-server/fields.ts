/** Values of JSON that somebody else wrote: what is not as it should be is as if it were not there. */
export type Fields = Readonly<Record<string, unknown>>;

export function toFields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function toItems(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function toText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function toNumber(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** Whole numbers from 0 on, such as tokens. */
export function toIntegers(value: unknown): number[] {
  return toItems(value).filter(
    (each): each is number => typeof each === "number" && Number.isSafeInteger(each) && each >= 0,
  );
}
