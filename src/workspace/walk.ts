import { lstatSync, mkdirSync, readlinkSync, type Stats } from "node:fs";
import { errnoOf } from "../core/errors.ts";
import { SANDBOX_ROOT } from "../core/sandbox.ts";
import { fileFailed, pathRefused, systemFailure } from "./failures.ts";
import { type Folder, pathIn } from "./folder.ts";
import { giveToOwner } from "./owner.ts";
import { refuseStateFolder } from "./protect.ts";

const MAX_LINKS = 32;

/** Where a path ends after links were resolved: a held folder and a name in it. Release it after use. */
export interface Place {
  readonly folder: Folder;
  /** Empty when the place is the held folder itself. */
  readonly name: string;
  /** For system calls. */
  readonly path: string | Buffer;
  /** Relative to the root, links resolved. */
  readonly relative: string;
  /** Of what is there, never a link; `undefined` when nothing is. */
  readonly stats: Stats | undefined;
  release(): void;
}

export interface WalkRoot {
  readonly folder: Folder;
  /** Absolute spellings of the root, for links that were made with one. */
  readonly spellings: readonly string[];
}

export interface WalkOptions {
  /** The path as the model wrote it, for messages. */
  shown: string;
  /** The place will be changed: the state folder is refused. */
  forWriting?: boolean;
  /** Makes folders that are missing on the way. */
  makeFolders?: boolean;
  /** Told where a path would end whose folder is missing, links before it resolved. */
  onMissing?: (relative: string) => void;
}

/** How far a walk has come. `names` lead from the root to `folder`, without links. */
interface Walk {
  readonly root: WalkRoot;
  readonly options: WalkOptions;
  folder: Folder;
  names: string[];
  pending: string[];
  links: number;
}

/**
 * Goes from the root to a relative path one step at a time, each without following links; links are read and walked by
 * hand, so that they cannot lead out. `undefined` when a folder on the way is missing.
 */
export function walkTo(root: WalkRoot, relative: string, options: WalkOptions): Place | undefined {
  const pending = relative === "." ? [] : relative.split("/");
  const walk: Walk = { root, options, folder: root.folder, names: [], pending, links: 0 };
  let place: Place | undefined;
  try {
    place = advance(walk);
  } catch (error) {
    throw systemFailure(options.shown, "reach", error);
  } finally {
    if (place === undefined) enter(walk, root.folder);
  }
  return place;
}

function advance(walk: Walk): Place | undefined {
  for (;;) {
    while (walk.pending.length > 1) {
      if (step(walk)) continue;
      walk.options.onMissing?.([...walk.names, ...walk.pending].join("/"));
      return undefined;
    }
    const name = walk.pending[0];
    if (name === undefined) return placeOf(walk, "", lstatSync(`${walk.folder.path}/.`));
    const stats = lstatSync(pathIn(walk.folder.path, name), { throwIfNoEntry: false });
    walk.folder.confirm();
    if (stats?.isSymbolicLink()) {
      followLink(walk);
      continue;
    }
    if (walk.options.forWriting) refuseStateFolder([...walk.names, name].join("/"));
    return placeOf(walk, name, stats);
  }
}

/** Enters the next folder, or puts what its link says in its place. False when it is missing. */
function step(walk: Walk): boolean {
  const name = walk.pending[0] as string;
  const { shown, makeFolders } = walk.options;
  try {
    enter(walk, walk.folder.open(name));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT") return makeFolders === true && makeNext(walk);
    if (errno !== "ENOTDIR" && errno !== "ELOOP") throw error;
    if (lstatSync(pathIn(walk.folder.path, name), { throwIfNoEntry: false })?.isSymbolicLink()) {
      followLink(walk);
      return true;
    }
    throw fileFailed(
      shown,
      `cannot reach ${shown}: ${[...walk.names, name].join("/")} is a file, not a folder`,
      error,
    );
  }
  walk.names.push(name);
  walk.pending.shift();
  return true;
}

function enter(walk: Walk, folder: Folder): void {
  if (walk.folder !== walk.root.folder) walk.folder.close();
  walk.folder = folder;
}

function makeNext(walk: Walk): boolean {
  const name = walk.pending[0] as string;
  refuseStateFolder([...walk.names, name].join("/"));
  try {
    mkdirSync(`${walk.folder.path}/${name}`);
    giveToOwner(walk.folder, name);
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw systemFailure(walk.options.shown, "make a folder for", error);
  }
  return true;
}

/** Starts again from the root with what the link says, so that `..` in it needs no parents held open. */
function followLink(walk: Walk): void {
  const { shown } = walk.options;
  walk.links += 1;
  if (walk.links > MAX_LINKS) throw pathRefused(shown, "its links lead in a circle");
  const target = readlinkSync(pathIn(walk.folder.path, walk.pending[0] as string));
  const base = target.startsWith("/") ? [] : walk.names;
  const names: string[] = [];
  for (const name of [...base, ...linkTarget(target, walk).split("/")]) {
    if (name === "" || name === ".") continue;
    if (name !== "..") names.push(name);
    else if (names.pop() === undefined)
      throw pathRefused(shown, "it is a link that leads outside the workspace");
  }
  enter(walk, walk.root.folder);
  walk.names = [];
  walk.pending = [...names, ...walk.pending.slice(1)];
}

/** A link's target relative to its folder, or to the root when it is absolute. */
function linkTarget(target: string, { root, options }: Walk): string {
  if (!target.startsWith("/")) return target;
  const spelling = [...root.spellings, SANDBOX_ROOT].find(
    (spelling) => target === spelling || target.startsWith(`${spelling}/`),
  );
  if (spelling === undefined)
    throw pathRefused(options.shown, "it is a link that leads outside the workspace");
  return target.slice(spelling.length + 1);
}

function placeOf(walk: Walk, name: string, stats: Stats | undefined): Place {
  const { folder, names, root } = walk;
  return {
    folder,
    name,
    path: name === "" ? folder.path : pathIn(folder.path, name),
    relative: [...names, ...(name === "" ? [] : [name])].join("/") || ".",
    stats,
    release: () => folder === root.folder || folder.close(),
  };
}
