import { SANDBOX_ROOT } from "../core/sandbox.ts";
import { pathRefused } from "./failures.ts";
import { outside } from "./paths.ts";

const MAX_PATTERN_CHARACTERS = 500;
/** More stars than this can make matching one long name take seconds. */
const MAX_STARS = 4;

/**
 * Makes a test for relative paths. A pattern without `/` is about the name at any depth; one that ends in `/` is about
 * everything below. Throws `path_refused` for a pattern that points outside.
 */
export async function compileGlob(
  pattern: string,
  spellings: readonly string[],
): Promise<(path: string) => boolean> {
  const inside = stripRoot(pattern.trim(), spellings).replace(/^(\.\/)+/, "");
  refusePattern(pattern, inside);
  const { default: picomatch } = await import("picomatch");
  const glob = inside.endsWith("/") ? `${inside}**` : inside === "." || inside === "" ? "**" : inside;
  try {
    return picomatch(glob, { dot: true, nonegate: true, noextglob: true, basename: !glob.includes("/") });
  } catch {
    throw pathRefused(pattern, "it is not a glob pattern");
  }
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
  const parts = pattern.split("/");
  const folders = parts.filter((part) => part === "**").length;
  if (
    folders > MAX_STARS ||
    parts.some((part) => part !== "**" && (part.match(/\*/g)?.length ?? 0) > MAX_STARS)
  ) {
    throw pathRefused(
      shown,
      `the pattern has more than ${MAX_STARS} stars in a row of names; use a simpler one`,
    );
  }
}
