/** Characters that models swap for one another: quotes, dashes and spaces. One UTF-16 unit becomes one, so offsets stay. */
const LOOKALIKES: readonly { plain: string; from: RegExp }[] = [
  { plain: "'", from: /[\u2018-\u201b\u2032]/g },
  { plain: '"', from: /[\u201c-\u201f\u2033]/g },
  { plain: "-", from: /[\u2010-\u2015\u2212]/g },
  { plain: " ", from: /[\u00a0\u2000-\u200a\u202f\u205f\u3000]/g },
];

export function toPlain(text: string): string {
  return LOOKALIKES.reduce((result, { plain, from }) => result.replace(from, plain), text);
}

/** What is left of a line when white space and look-alikes do not count. */
export function lineKey(line: string): string {
  return toPlain(line)
    .replaceAll(/[\u200b\u2060\ufeff]/g, "")
    .trim()
    .replaceAll(/\s+/g, " ");
}

/** Swaps characters the way the file differs from `old`; a character with two counterparts is left alone. */
export function toFileSpelling(text: string, pairs: readonly { old: string; file: string }[]): string {
  const swaps = new Map<string, string | undefined>();
  for (const { old, file } of pairs) {
    if (old.length !== file.length) continue;
    for (let at = 0; at < old.length; at += 1) noteSwap(swaps, old[at] as string, file[at] as string);
  }
  return text.replaceAll(/./gsu, (character) => swaps.get(character) ?? character);
}

function noteSwap(swaps: Map<string, string | undefined>, from: string, to: string): void {
  if (from === to && !swaps.has(from)) return;
  if (toPlain(from) !== toPlain(to)) return;
  swaps.set(from, swaps.has(from) && swaps.get(from) !== to ? undefined : to);
}
