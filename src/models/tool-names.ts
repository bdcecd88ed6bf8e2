export type ResolvedName =
  | { name: string; /** Set when the name had to be corrected. */ rescued?: string }
  | { problem: string };

/** A slip in a shorter name could be any of many words. */
const MIN_GUESS_LENGTH = 3;
const MAX_LISTED = 40;

/** Finds the declared tool that a model means: itself, with a name space around it, in another case, or one slip away. */
export function resolveToolName(written: string, declared: readonly string[]): ResolvedName {
  if (declared.includes(written)) return { name: written };
  const bare = stripNamespace(written);
  const wanted = normalize(bare);
  const candidates =
    pick(declared, (name) => name === bare) ??
    pick(declared, (name) => normalize(name) === wanted) ??
    pick(declared, (name) => name.length >= MIN_GUESS_LENGTH && isOneSlip(normalize(name), wanted));
  if (candidates?.length === 1) return { name: candidates[0] as string, rescued: `name \`${cut(written)}\`` };
  return { problem: describeUnknown(written, declared, candidates) };
}

function pick(names: readonly string[], test: (name: string) => boolean): readonly string[] | undefined {
  const found = names.filter(test);
  return found.length > 0 ? found : undefined;
}

/** `functions.read`, `tools.read`, `default_api:read`, `read:0`, `read()`. */
function stripNamespace(written: string): string {
  const trimmed = written.trim().replace(/(?::\d+|\(\))$/, "");
  return trimmed.split(/[.:/]/).at(-1) ?? trimmed;
}

function normalize(name: string): string {
  return name.toLowerCase().replace(/[-_\s]/g, "");
}

/** One letter added, lost or changed, or two neighbours swapped. */
function isOneSlip(one: string, other: string): boolean {
  const [short, long] = one.length <= other.length ? [one, other] : [other, one];
  if (long.length - short.length > 1) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at += 1;
  if (long.length > short.length) return short.slice(at) === long.slice(at + 1);
  if (short.slice(at + 1) === long.slice(at + 1)) return true;
  const swapped = short[at] === long[at + 1] && short[at + 1] === long[at];
  return swapped && short.slice(at + 2) === long.slice(at + 2);
}

function describeUnknown(
  written: string,
  declared: readonly string[],
  candidates: readonly string[] = [],
): string {
  const wanted = normalize(stripNamespace(written));
  const near =
    candidates.length > 0 ? candidates : declared.filter((name) => isNear(normalize(name), wanted));
  const list = (near.length > 0 ? near : declared).slice(0, MAX_LISTED).map((name) => `\`${name}\``);
  if (list.length === 0) return `There is no tool \`${cut(written)}\`, and no tools are offered here.`;
  const lead = near.length > 0 ? "Did you mean" : "The tools are";
  return `There is no tool \`${cut(written)}\`. ${lead} ${list.join(", ")}${near.length > 0 ? "?" : "."}`;
}

function isNear(name: string, wanted: string): boolean {
  if (wanted.length < 2) return false;
  return name.startsWith(wanted.slice(0, 3)) || wanted.includes(name) || name.includes(wanted);
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
