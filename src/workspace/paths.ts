import { posix } from "node:path";
import { SANDBOX_ROOT } from "../core/sandbox.ts";
import { pathRefused } from "./failures.ts";

const MAX_PATH_BYTES = 4_096;
const MAX_NAME_BYTES = 255;

/**
 * A path as a model writes it, as a relative path with `/` and without `.`, `..` or a trailing slash; the root is `.`.
 * `roots` are the absolute spellings of the root that are taken off. Looks at the words only: links are the walk's business.
 */
export function parsePath(input: string, roots: readonly string[]): string {
  refuseUnusable(input);
  const path = process.platform === "win32" ? input.replaceAll("\\", "/") : input;
  const inside = withoutRoot(path, roots);
  if (inside === undefined) throw outside(input);
  const relative = posix.normalize(inside).replace(/\/$/, "");
  if (relative === ".." || relative.startsWith("../")) throw outside(input);
  for (const name of relative.split("/")) {
    if (Buffer.byteLength(name) > MAX_NAME_BYTES)
      throw pathRefused(input, `a name in it is longer than ${MAX_NAME_BYTES} bytes`);
  }
  return relative === "" ? "." : relative;
}

export function outside(path: string): Error {
  return pathRefused(path, "it lies outside the workspace; use a path relative to the workspace root");
}

function refuseUnusable(input: string): void {
  if (/\p{Cc}/u.test(input)) throw pathRefused(input, "it contains a control character");
  if (/\p{Surrogate}/u.test(input)) throw pathRefused(input, "it is not valid Unicode");
  if (Buffer.byteLength(input) > MAX_PATH_BYTES)
    throw pathRefused(input, `it is longer than ${MAX_PATH_BYTES} bytes`);
  if (/^~([\w.+-]*\/|$)/.test(input)) {
    throw pathRefused(input, "`~` is not expanded; use a path relative to the workspace root");
  }
  if (/^([a-z][a-z0-9+.-]*:\/\/|file:)/i.test(input))
    throw pathRefused(input, "it is a URL; use a path relative to the workspace root");
  if (process.platform === "win32" && input.replace(/^[a-z]:/i, "").includes(":"))
    throw pathRefused(input, "it contains `:`");
}

/** `undefined` for an absolute path elsewhere. */
function withoutRoot(path: string, roots: readonly string[]): string | undefined {
  if (!path.startsWith("/") && !/^[a-z]:\//i.test(path)) return path;
  const absolute = posix.normalize(path);
  const isOwn = roots.some((root) => root === SANDBOX_ROOT || root.startsWith(`${SANDBOX_ROOT}/`));
  for (const root of isOwn ? roots : [...roots, SANDBOX_ROOT]) {
    if (absolute === root || absolute === `${root}/`) return ".";
    if (absolute.startsWith(`${root}/`)) return absolute.slice(root.length + 1);
  }
  return undefined;
}

/** Spelling under which a case-insensitive or Unicode-folding file system would find the same name. */
export function foldName(name: string): string {
  return name
    .normalize("NFKC")
    .replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "")
    .replace(/[. ]+$/, "")
    .toLowerCase();
}
