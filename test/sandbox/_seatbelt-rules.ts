/** Reads a Seatbelt profile and says what it decides: the last rule that matches an operation and a path wins. */
import type { SeatbeltProfile } from "../../src/sandbox/seatbelt-profile.ts";

export type Expression = string | { text: string } | { regex: string } | Expression[];

/** Throws where Apple's reader would: at a parenthesis or a string that has no end. */
export function parseExpressions(text: string): Expression[] {
  const tokens = text.match(/#"[^"]*"|"[^"]*"|[()]|[^\s()"]+/g) ?? [];
  if (tokens.join("").replaceAll(/\s/g, "") !== text.replaceAll(/\s/g, ""))
    throw new Error("a string has no end");
  const stack: Expression[][] = [[]];
  for (const token of tokens) {
    if (token === "(") stack.push([]);
    else if (token === ")") {
      const done = stack.pop();
      const outer = stack.at(-1);
      if (done === undefined || outer === undefined) throw new Error("one `)` too many");
      outer.push(done);
    } else stack.at(-1)?.push(toAtom(token));
  }
  if (stack.length !== 1) throw new Error("a `)` is missing");
  return stack[0] as Expression[];
}

function toAtom(token: string): Expression {
  if (token.startsWith('#"')) return { regex: token.slice(2, -1) };
  return token.startsWith('"') ? { text: token.slice(1, -1) } : token;
}

/** Whether the profile lets a command do `operation` at `path`. Rules about anything but paths match nothing. */
export function allows(profile: SeatbeltProfile, operation: string, path: string): boolean {
  let allowed = false;
  for (const rule of parseExpressions(profile.text)) {
    if (!Array.isArray(rule)) continue;
    const [verb, ...rest] = rule;
    if (verb !== "allow" && verb !== "deny") continue;
    const operations = rest.filter((each): each is string => typeof each === "string");
    const filters = rest.filter((each) => typeof each !== "string");
    const isMeant = operations.some((each) => each === "default" || covers(each, operation));
    if (!isMeant) continue;
    if (filters.length === 0 || filters.some((each) => matches(each, path, profile)))
      allowed = verb === "allow";
  }
  return allowed;
}

function covers(pattern: string, operation: string): boolean {
  return pattern.endsWith("*") ? operation.startsWith(pattern.slice(0, -1)) : pattern === operation;
}

function matches(filter: Expression, path: string, profile: SeatbeltProfile): boolean {
  if (!Array.isArray(filter)) return false;
  const [kind, ...values] = filter;
  switch (kind) {
    case "literal":
      return toText(values[0], profile) === path;
    case "subpath":
      return `${path}/`.startsWith(`${toText(values[0], profile)}/`);
    case "regex":
      return new RegExp((values[0] as { regex: string }).regex).test(path);
    case "require-all":
      return values.every((each) => matches(each, path, profile));
    case "require-not":
      return !values.some((each) => matches(each, path, profile));
    default:
      return false;
  }
}

function toText(value: Expression | undefined, { parameters }: SeatbeltProfile): string {
  if (Array.isArray(value) && value[0] === "param") {
    const found = parameters[(value[1] as { text: string }).text];
    if (found === undefined) throw new Error(`no parameter ${JSON.stringify(value[1])}`);
    return found;
  }
  return (value as { text: string }).text;
}
