import { SANDBOX_ROOT } from "../core/sandbox.ts";
import { pathRefused } from "./failures.ts";
import { matchesPath, parsePart, type Part } from "./name-pattern.ts";
import { outside } from "./paths.ts";

const MAX_PATTERN_CHARACTERS = 500;
const MAX_ALTERNATIVES = 100;

/**
 * Makes a test for relative paths. A pattern without `/` is about the name at any depth; one that ends in `/` is about
 * everything below; `{a,b}` is either. Throws `path_refused` for a pattern that points outside.
 */
export function compileGlob(pattern: string, spellings: readonly string[]): (path: string) => boolean {
  const inside = stripRoot(pattern.trim(), spellings).replace(/^(\.\/)+/, "");
  refusePattern(pattern, inside);
  const glob = inside.endsWith("/") ? `${inside}**` : inside === "." || inside === "" ? "**" : inside;
  const alternatives = expandBraces(glob)
    .map(parseGlob)
    .filter((parts) => parts !== undefined);
  return (path) => {
    const names = path.split("/");
    return alternatives.some((parts) => matchesPath(parts, names));
  };

  function expandBraces(text: string): string[] {
    const found = [text];
    for (let at = 0; at < found.length; at += 1) {
      for (let split = splitBraces(found[at] as string); split; split = splitBraces(found[at] as string))
        found.splice(at, 1, ...split);
      if (found.length > MAX_ALTERNATIVES)
        throw pathRefused(pattern, `it has more than ${MAX_ALTERNATIVES} alternatives; use a simpler one`);
    }
    return found;
  }
}

/** What the first `{a,b}` stands for; `undefined` when there is none. */
function splitBraces(text: string): string[] | undefined {
  const commas: number[] = [];
  let open = -1;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === "\\") at += 1;
    else if (letter === "{") {
      if (depth === 0) open = at;
      depth += 1;
    } else if (letter === "," && depth === 1) commas.push(at);
    else if (letter === "}" && depth > 0) {
      depth -= 1;
      if (depth === 0 && commas.length > 0) return cutAt(text, [open, ...commas, at]);
    }
  }
  return undefined;
}

function cutAt(text: string, marks: readonly number[]): string[] {
  const end = text.slice((marks.at(-1) ?? 0) + 1);
  return marks
    .slice(1)
    .map((mark, at) => `${text.slice(0, marks[0])}${text.slice((marks[at] ?? 0) + 1, mark)}${end}`);
}

function parseGlob(glob: string): Part[] | undefined {
  const parts: Part[] = glob.includes("/") ? [] : ["deep"];
  for (const name of glob.split("/").filter((each) => each !== "" && each !== ".")) {
    const part = name === "**" ? "deep" : parsePart(name);
    if (part === undefined) return undefined;
    parts.push(part);
  }
  return parts;
}

function stripRoot(pattern: string, spellings: readonly string[]): string {
  const root = [...spellings, SANDBOX_ROOT].find((spelling) => pattern.startsWith(`${spelling}/`));
  return root === undefined ? pattern : pattern.slice(root.length + 1);
}

function refusePattern(shown: string, pattern: string): void {
  if (pattern.startsWith("/") || /^~[\w.+-]*(\/|$)/.test(pattern) || pattern.split(/[/{},]/).includes(".."))
    throw outside(shown);
  if (pattern.length > MAX_PATTERN_CHARACTERS || /\p{Cc}/u.test(pattern))
    throw pathRefused(shown, "the pattern is too long or has control characters");
}
