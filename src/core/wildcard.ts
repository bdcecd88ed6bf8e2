/**
 * Matches a row of items (names of a path, characters of a name) against a pattern in which `many` stands for any number of them.
 * Takes time in proportion to the product of both lengths at most: patterns come from models and from files of a workspace.
 */
export interface WildcardOptions<Pattern, Item> {
  many: Pattern;
  /** Never asked about `many`. */
  fits: (pattern: Pattern, item: Item) => boolean;
}

/** Goes back only to the newest `many`, which is enough: an earlier one could not do better. */
export function matchesWildcards<Pattern, Item>(
  patterns: ArrayLike<Pattern>,
  items: ArrayLike<Item>,
  { many, fits }: WildcardOptions<Pattern, Item>,
): boolean {
  let at = 0;
  let index = 0;
  let back: { at: number; index: number } | undefined;
  while (index < items.length) {
    if (at < patterns.length && patterns[at] === many) {
      at += 1;
      back = { at, index };
    } else if (at < patterns.length && fits(patterns[at] as Pattern, items[index] as Item)) {
      at += 1;
      index += 1;
    } else if (back === undefined) return false;
    else {
      back = { at: back.at, index: back.index + 1 };
      ({ at, index } = back);
    }
  }
  while (at < patterns.length && patterns[at] === many) at += 1;
  return at === patterns.length;
}
