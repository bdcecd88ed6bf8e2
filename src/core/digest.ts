/** Fingerprints of data: the same data gives the same text and the same SHA-256, whatever the order of its keys. */

const encoder = new TextEncoder();

/** JSON with sorted keys. `undefined` in an object is left out, as in JSON; a number that JSON lacks keeps its name. */
export function toCanonicalJson(value: unknown): string {
  if (typeof value === "number" && !Number.isFinite(value)) return `"${value}"`;
  if (typeof value === "bigint") return `"${value}n"`;
  if (Array.isArray(value)) return `[${value.map(toCanonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if ("toJSON" in value && typeof value.toJSON === "function") return toCanonicalJson(value.toJSON());
  const entries = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${toCanonicalJson(field)}`).join(",")}}`;
}

/** SHA-256 of the canonical JSON of a value, in hex. */
export async function digestOf(value: unknown): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(toCanonicalJson(value)))));
}

/** First 16 hexadecimal digits of the SHA-256 of its UTF-8: enough to tell texts apart, and short enough to be shown. */
export async function toShortHash(text: string): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)), 0, 8));
}

/** Two digits a byte, in lower case. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether data is nested deeper than `levels`; looks no further than that. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((field) => isDeeperThan(field, levels - 1));
}

/** Freezes plain data in place, all the way down. The data must not be nested too deeply or hold itself. */
export function freezeDeep<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) return value;
  for (const field of Object.values(value)) freezeDeep(field);
  return Object.freeze(value);
}
