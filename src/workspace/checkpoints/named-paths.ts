/** The paths that a call names, as they are on disk: links on the way resolved, and with the folders that would be made on the way. */
import { posix } from "node:path";
import { AgentError } from "../../core/errors.ts";
import { type Folder } from "../folder.ts";
import { foldName } from "../paths.ts";
import { refuseStateFolder } from "../protect.ts";
import { type WalkRoot, walkTo } from "../walk.ts";
import { shownPath } from "./bounds.ts";
import { isPath } from "./file-state.ts";
import { lookUp, namesIn, openParent } from "./look.ts";

const UNSHOWN = "\uFFFD";
const MAX_COMPARED = 2_000;

/** In the order of the folders; what the tool itself will refuse is left out. */
export function resolveNamed(root: WalkRoot, paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const resolved = resolve(root, path);
    if (resolved === undefined) continue;
    for (const missing of missingAbove(root.folder, resolved)) found.add(missing);
    found.add(resolved);
  }
  return [...found];
}

function resolve(root: WalkRoot, path: string): string | undefined {
  // The walk takes names only, and no way up.
  if (!isPath(path)) return undefined;
  let end: string | undefined;
  try {
    const place = walkTo(root, path, { shown: path, onMissing: (missing) => (end = missing) });
    end = place?.relative ?? end;
    place?.release();
  } catch (error) {
    if (AgentError.is(error)) return undefined;
    throw error;
  }
  return end === undefined || end === "." ? undefined : onDisk(root.folder, end);
}

/** A path in which U+FFFD stands for bytes that cannot be shown, by its true names. */
function onDisk(root: Folder, path: string): string {
  if (!path.includes(UNSHOWN)) return path;
  let known = "";
  for (const name of path.split("/")) known = posix.join(known, trueName(root, known, name));
  return known;
}

function trueName(root: Folder, above: string, name: string): string {
  const place = name.includes(UNSHOWN)
    ? openParent(root, above === "" ? name : `${above}/${name}`)
    : undefined;
  if (place === undefined) return name;
  try {
    const names = namesIn(place.folder, MAX_COMPARED) ?? [];
    const alike = names.includes(name) ? [name] : names.filter((each) => shownPath(each) === name);
    return alike.length === 1 ? (alike[0] as string) : name;
  } finally {
    if (place.folder !== root) place.folder.close();
  }
}

/** Folders above a path that are not there yet, the outermost first. */
function missingAbove(root: Folder, path: string): string[] {
  const missing: string[] = [];
  for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1)) {
    const folder = path.slice(0, cut);
    if (isThere(root, folder)) break;
    missing.unshift(folder);
  }
  return missing;
}

function isThere(root: Folder, path: string): boolean {
  const place = openParent(root, path);
  if (place === undefined) return false;
  try {
    return lookUp(place.folder, place.name) !== undefined;
  } finally {
    if (place.folder !== root) place.folder.close();
  }
}

/** Why a path is never recorded nor restored; `undefined` when it may be. */
export function refusal(path: string): string | undefined {
  try {
    refuseStateFolder(path);
  } catch (error) {
    return (error as Error).message;
  }
  const isGit = path.split("/").some((name) => /^git~\d+$|\.git$/.test(foldName(name)));
  return isGit ? "it is part of git's own data, which can make git run programs" : undefined;
}
