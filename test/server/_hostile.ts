/** Bodies that no client should send: anything at all, and sound ones with one thing wrong. */
import * as fc from "../_property.ts";
import type { Json } from "./_agent.ts";

const NASTY = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    0,
    1e9,
    1e308,
    -0.5,
    "",
    "\u0000",
    "../../etc/passwd",
    "__proto__",
    "constructor",
    "x".repeat(5_000),
    [],
    {},
    [[]],
    [null],
    true,
    false,
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

/** A body with the value at one place replaced, one field more, or one less. */
function spoil(body: Json): fc.Arbitrary<Json> {
  const places = listPlaces(body);
  return fc
    .tuple(fc.constantFrom(...places), fc.constantFrom("replace", "remove", "add"), NASTY, fc.string())
    .map(([place, how, value, key]) => {
      const copy = structuredClone(body);
      const parent = place.slice(0, -1).reduce<unknown>((at, step) => (at as Json)[step], copy) as Json;
      const last = place.at(-1) ?? "";
      if (how === "remove") delete parent[last];
      else
        Object.defineProperty(parent, how === "add" ? key : last, {
          value,
          enumerable: true,
          configurable: true,
        });
      return copy;
    });
}

function listPlaces(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const place = [...path, key];
    return [place, ...listPlaces(inner, place)];
  });
}

/** Texts of bodies. */
export function hostileBodies(sound: readonly Json[]): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.oneof(...sound.map(spoil)).map((body) => JSON.stringify(body)) },
    { weight: 2, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string() },
    { weight: 1, arbitrary: fc.constant("[".repeat(50_000)) },
  );
}
