/** Times and amounts as people write them. */

const SECOND_MS = 1_000;
const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND_MS,
  m: 60 * SECOND_MS,
  h: 3_600 * SECOND_MS,
  d: 86_400 * SECOND_MS,
};

/** Seconds as a number, or `90s`, `10m`, `2h`, `1h30m`; `never` and negative numbers are infinite. `undefined`: none of these. */
export function toDurationMs(value: unknown): number | undefined {
  const text = String(value).trim().toLowerCase();
  if (text === "never" || /^-\d/.test(text)) return Number.POSITIVE_INFINITY;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * SECOND_MS;
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
  return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (UNITS_MS[unit ?? ""] ?? 0), 0);
}

const UNITS_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** Bytes as a number, or `800MB`, `12 GiB`, `1.5g`: powers of 1024 either way. `undefined`: none of these. */
export function toBytes(value: unknown): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(String(value).trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (UNITS_BYTES[(match[2] ?? "").toLowerCase()] ?? 1);
  return bytes > 0 && Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined;
}
