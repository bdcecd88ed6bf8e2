/** Which keys `propertyNames` allows. */
import { intersect, ofLength, ofTexts, unite } from "./automaton.ts";
import type { Automaton } from "./automaton.ts";
import { expand } from "./branches.ts";
import type { Context } from "./context.ts";
import { pointer, readKeyword, SCHEMA } from "./node.ts";
import type { Item } from "./node.ts";
import { constrain } from "./scalars.ts";
import { toShape } from "./shape.ts";
import { fits } from "./validate.ts";

/** `undefined`: any. */
export function nameLanguage(context: Context, items: readonly Item[]): Automaton | undefined {
  const named = items.filter((item) => readKeyword(item, "propertyNames", SCHEMA) !== undefined);
  if (named.length === 0) return undefined;
  const conjunction = named.flatMap((item) =>
    context.item(readKeyword(item, "propertyNames", SCHEMA) ?? true, pointer(item.path, "propertyNames")),
  );
  if (conjunction.length === 0) return undefined;
  const languages = expand(context, conjunction).map((branch) => {
    const shape = toShape(context, branch);
    if (!shape.types.has("string")) return [];
    const { values } = shape;
    if (values !== undefined) {
      const texts = values.filter((value) => typeof value === "string");
      return ofTexts(texts.filter((text) => conjunction.every((item) => fits(context.root, item, text))));
    }
    const { min, max } = shape.string;
    const language = constrain(context, shape);
    if (min === 0 && max === undefined) return language ?? ofLength(0);
    if (Math.max(min, max ?? 0) > 1000) return undefined;
    return language === undefined ? ofLength(min, max) : intersect(language, ofLength(min, max));
  });
  const joined = languages.reduce<Automaton | undefined>(
    (found, one) => (found === undefined || one === undefined ? undefined : unite(found, one)),
    [],
  );
  if (joined === undefined) named.forEach((item) => context.leave(item, "propertyNames"));
  return joined;
}
