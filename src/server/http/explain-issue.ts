/** What would have been right, in words: the small build of the schema library has none of its own. */
import type * as z from "zod/mini";

type Issue = z.core.$ZodIssue;

/** Goes on after "it". */
export function explainIssue(issue: Issue | undefined): string {
  if (issue !== undefined && issue.message !== "Invalid input") return issue.message;
  const wanted = issue === undefined ? undefined : describeWanted(issue);
  return wanted === undefined ? "is not valid here" : `has to be ${wanted}`;
}

function describeWanted(issue: Issue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return TYPES[issue.expected] ?? issue.expected;
    case "invalid_value":
      return listValues(issue.values);
    case "too_small":
      return describeBound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    case "too_big":
      return describeBound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    case "invalid_union":
      return "options" in issue && Array.isArray(issue.options)
        ? listValues(issue.options)
        : describeUnion(issue.errors);
    default:
      return undefined;
  }
}

function listValues(values: readonly unknown[]): string {
  return values.map((value) => `\`${JSON.stringify(value)}\``).join(" or ");
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "`true` or `false`",
  array: "a list",
  object: "an object",
  record: "an object",
};

const UNITS: Readonly<Record<string, string>> = { string: " characters long", array: " items long" };

function describeBound(origin: string, how: string, bound: number | bigint): string {
  return `${how} ${bound}${UNITS[origin] ?? ""}`;
}

/** Only where each of the forms is another kind of value: the faults inside one form say nothing about the others. */
function describeUnion(errors: readonly (readonly Issue[])[]): string | undefined {
  const forms = errors.map(([first]) =>
    first === undefined || first.path.length > 0 ? undefined : describeWanted(first),
  );
  const known = forms.filter((form) => form !== undefined);
  return known.length === 0 || known.length < forms.length ? undefined : [...new Set(known)].join(", or ");
}
