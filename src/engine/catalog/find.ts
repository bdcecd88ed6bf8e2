/** From what somebody calls a model to its entry. */
import type { ModelEntry } from "./catalog.ts";
import type { BrokenModel } from "./found-file.ts";

const LIMIT_NAME = 1_000;
const SUGGESTIONS = 5;
/** Of Q4_K_M: small enough for most machines, and hardly worse than more. */
const USUAL_BITS = 4.85;

/**
 * By key, then by alias, in any case. Where several have the name, the one nearest to 4.85 bits a weight (Q4_K_M), of two the newer one.
 * `publisher/repo:quant`, as Ollama writes it, is taken for `@`.
 */
export function findByName(entries: readonly ModelEntry[], given: string): ModelEntry | undefined {
  return findAllByName(entries, given).toSorted(byPreference)[0];
}

/** All that have this name; the one whose key it is has it alone. */
export function findAllByName(entries: readonly ModelEntry[], given: string): readonly ModelEntry[] {
  if (given.length > LIMIT_NAME) return [];
  const name = given.trim().toLowerCase();
  if (name === "") return [];
  const found = find(entries, name);
  return found.length > 0 ? found : find(entries, name.replace(/:(?=[^/:]+$)/, "@"));
}

function find(entries: readonly ModelEntry[], name: string): readonly ModelEntry[] {
  const exact = entries.filter(({ key }) => key.toLowerCase() === name);
  if (exact.length > 0) return exact;
  return entries.filter(({ aliases }) => aliases.some((alias) => alias.toLowerCase() === name));
}

function byPreference(one: ModelEntry, other: ModelEntry): number {
  const distance = ({ bitsPerWeight = 100 }: ModelEntry): number => Math.abs(bitsPerWeight - USUAL_BITS);
  return distance(one) - distance(other) || other.modifiedAt.getTime() - one.modifiedAt.getTime();
}

/** Why the file that would have this name cannot be used. */
export function explainBroken(broken: readonly BrokenModel[], given: string): string | undefined {
  const name = given.trim().toLowerCase();
  return name === "" ? undefined : broken.find(({ path }) => toNames(path).includes(name))?.why;
}

/** What a file is called by its place alone: its own name, its repository, and that with the publisher. */
function toNames(path: string): readonly string[] {
  const [publisher = "", repo = "", file = ""] = path.toLowerCase().split(/[\\/]/).slice(-3);
  return [file, file.replace(/\.gguf$/, ""), repo, repo.replace(/-gguf$/, ""), `${publisher}/${repo}`];
}

/** Keys that the name may have meant, best first. */
export function suggestNames(entries: readonly ModelEntry[], given: string): readonly string[] {
  const wanted = toParts(given.slice(0, LIMIT_NAME));
  const scored = entries.map(({ key, aliases }) => ({
    key,
    score: Math.max(...[key, ...aliases].map((name) => likeness(wanted, toParts(name)))),
  }));
  return scored
    .filter(({ score }) => score >= 0.4)
    .toSorted((a, b) => b.score - a.score)
    .slice(0, SUGGESTIONS)
    .map(({ key }) => key);
}

/** Pairs of neighbouring letters. */
function toParts(name: string): ReadonlySet<string> {
  const letters = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return new Set(
    Array.from({ length: Math.max(0, letters.length - 1) }, (_, at) => letters.slice(at, at + 2)),
  );
}

/** Dice's coefficient: 1 for the same pairs, 0 for none in common. */
function likeness(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  const common = [...one].filter((pair) => other.has(pair)).length;
  return one.size + other.size === 0 ? 0 : (2 * common) / (one.size + other.size);
}
