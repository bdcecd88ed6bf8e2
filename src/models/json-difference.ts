export interface Difference {
  /** Such as `messages.3.content`. */
  at: string;
  before: string;
  now: string;
}

const SHOWN_CHARS = 80;
/** Deeper values are compared as a whole. */
const MAX_DEPTH = 60;

/** The first place where two documents differ, in the order of the keys of `before`; `undefined`: nowhere. */
export function findDifference(
  before: unknown,
  now: unknown,
  path: readonly string[] = [],
): Difference | undefined {
  if (Object.is(before, now)) return undefined;
  if (
    path.length < MAX_DEPTH &&
    isContainer(before) &&
    isContainer(now) &&
    Array.isArray(before) === Array.isArray(now)
  ) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    for (const key of keys) {
      const found = findDifference(before[key], now[key], [...path, key]);
      if (found) return found;
    }
    return undefined;
  }
  const [was, is] = [toText(before), toText(now)];
  return was === is ? undefined : { at: path.join(".") || "body", ...excerpt(was, is) };
}

type Container = Readonly<Record<string, unknown>>;

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}

function toText(value: unknown): string {
  return value === undefined ? "nothing" : (JSON.stringify(value) ?? "nothing");
}

/** Around the first character that differs. */
function excerpt(before: string, now: string): { before: string; now: string } {
  let same = 0;
  while (same < before.length && before[same] === now[same]) same += 1;
  const start = Math.max(0, same - SHOWN_CHARS / 4);
  const show = (text: string): string => {
    const end = start + SHOWN_CHARS;
    return `${start > 0 ? "…" : ""}${text.slice(start, end)}${text.length > end ? "…" : ""}`;
  };
  return { before: show(before), now: show(now) };
}
