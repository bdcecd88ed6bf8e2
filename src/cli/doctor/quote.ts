/** For a shell: what could be more than a word is put in quotes. */
export function quoteForShell(word: string): string {
  return /^[\w./:@+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
