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

/**
 * Swaps characters of `text` the way the file differs from `old`. Quotes go in order, and on in turns, since one plain
 * quote stands for an opening and a closing one; other characters only where the file always has the same one.
 */
export function toFileSpelling(text: string, pairs: readonly { old: string; file: string }[]): string {
  const spelled = new Map<string, string[]>();
  for (const { old, file } of pairs) {
    if (old.length !== file.length || toPlain(old) !== toPlain(file)) continue;
    for (let at = 0; at < old.length; at += 1) collect(spelled, old[at] as string, file[at] as string);
  }
  const used = new Map<string, number>();
  return text.replaceAll(/['"\u2010-\u201f\u2032\u2033\u2212\u00a0 -]/g, (character) => {
    const forms = spelled.get(character);
    const at = used.get(character) ?? 0;
    used.set(character, at + 1);
    return forms ? pickForm(character, forms, at) : character;
  });
}

function collect(spelled: Map<string, string[]>, from: string, to: string): void {
  const forms = spelled.get(from);
  if (forms) forms.push(to);
  else spelled.set(from, [to]);
}

function pickForm(character: string, forms: readonly string[], at: number): string {
  const plain = toPlain(character);
  if (plain !== "'" && plain !== '"')
    return forms.every((form) => form === forms[0]) ? (forms[0] as string) : character;
  const pair = forms.slice(-2);
  return forms[at] ?? (pair[(at - forms.length) % pair.length] as string);
}
