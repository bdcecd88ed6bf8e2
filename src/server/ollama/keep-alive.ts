/** `keep_alive`: seconds as a number, or a duration in Go's words (https://pkg.go.dev/time#ParseDuration); negative means for ever. */
import * as z from "zod/mini";

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^([-+]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/u;
const PIECE = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gu;
/** A hundred years: longer than any server runs. */
const FOREVER_MS = 3.2e12;

/** `null`: never; `undefined`: no duration. */
export function parseKeepAlive(value: string | number): number | null | undefined {
  if (typeof value === "number") return toTtl(value * 1_000);
  const text = value.trim();
  if (/^[-+]?\d+(\.\d+)?$/.test(text)) return toTtl(Number(text) * 1_000);
  const [, sign, pieces] = DURATION.exec(text) ?? [];
  if (pieces === undefined) return undefined;
  const ms = [...pieces.matchAll(PIECE)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (UNITS_MS[unit ?? ""] ?? 0),
    0,
  );
  return toTtl(sign === "-" ? -ms : ms);
}

function toTtl(ms: number): number | null {
  return ms < 0 || ms > FOREVER_MS ? null : Math.round(ms);
}

export const keepAliveField = z.nullish(
  z
    .union([z.number(), z.string().check(z.maxLength(100))])
    .check(
      z.refine(
        (value) => parseKeepAlive(value) !== undefined,
        'must be seconds or a duration such as "5m"; 0 unloads at once, -1 keeps it for ever',
      ),
    ),
);

/** `{ttlMs}` for `withModel`; empty where the request says nothing. */
export function toTtlOption(value: string | number | null | undefined): { ttlMs?: number | null } {
  const ttlMs = value === null || value === undefined ? undefined : parseKeepAlive(value);
  return ttlMs === undefined ? {} : { ttlMs };
}
