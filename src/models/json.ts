/** An object of parsed JSON whose fields may be anything. */
export type Json = Readonly<Record<string, unknown>>;

/** What is no object counts as an empty one. */
export function toObject(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
