/** The text of a file of rules, when nobody else can have put words into it. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
} from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";
import { invalidRules, type RuleSource } from "./rule.ts";

const MAX_BYTES = 100_000;
const OTHERS_MAY_WRITE = 0o022;
const MAX_HOPS = 8;

/** `undefined` when there is no such file. Throws `AgentError` `config_invalid` for one that cannot be relied on. */
export function readRuleText(source: RuleSource): string | undefined {
  let fd: number;
  try {
    if (source.layer === "workspace" && lstatSync(dirname(source.file)).isSymbolicLink())
      throw invalidRules(source, "lies behind a link");
    const file = source.layer === "user" ? followOwnLink(source) : source.file;
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    if (AgentError.is(error)) throw error;
    throw invalidRules(
      source,
      errnoOf(error) === "ELOOP" ? "is a link" : `cannot be read (${errorMessage(error)})`,
    );
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw invalidRules(source, "is no regular file");
    if (stats.size > MAX_BYTES) throw invalidRules(source, `is larger than ${MAX_BYTES} bytes`);
    refuseForeign(source, stats);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

/** Users keep their settings in a folder of their own and link to it. What lies in a workspace is nobody's word: commands write there. */
function followOwnLink(source: RuleSource): string {
  let path = source.file;
  for (let hops = 0; hops <= MAX_HOPS; hops += 1) {
    const stats = lstatSync(path);
    if (!stats.isSymbolicLink()) return path;
    if (!ownersOf(source).includes(stats.uid)) throw changedByOthers(source);
    path = resolve(realpathSync(dirname(path)), readlinkSync(path));
    checkHop(source, path);
  }
  throw invalidRules(source, "is a link that leads nowhere");
}

function checkHop(source: RuleSource, path: string): void {
  let folder: string;
  try {
    folder = realpathSync(dirname(path));
    lstatSync(path);
  } catch (error) {
    throw invalidRules(source, `is a link that leads nowhere (${errorMessage(error)})`);
  }
  const { workspace } = source;
  if (workspace !== undefined && [path, folder].some((each) => isBelow(each, workspace)))
    throw invalidRules(source, "is a link into the workspace, where commands can change it");
  if (isForeign(source, lstatSync(folder))) throw changedByOthers(source);
}

function isBelow(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`);
}

/** What others can write or replace would be their word and not the user's or the administrator's. */
function refuseForeign(source: RuleSource, stats: Stats): void {
  if (source.layer === "workspace") return;
  if (isForeign(source, stats) || isForeign(source, lstatSync(dirname(source.file))))
    throw changedByOthers(source);
}

function isForeign(source: RuleSource, { uid, mode }: Stats): boolean {
  if (process.geteuid === undefined) return false;
  return !ownersOf(source).includes(uid) || (mode & OTHERS_MAY_WRITE) !== 0;
}

function ownersOf({ layer, file }: RuleSource): readonly number[] {
  const user = process.geteuid?.() ?? 0;
  if (layer === "admin") return [0];
  return [user, 0, ...(user === 0 ? [lstatSync(dirname(file)).uid] : [])];
}

function changedByOthers(source: RuleSource): AgentError {
  const whose = source.layer === "admin" ? "root" : "you";
  return invalidRules(
    source,
    `or its folder can be changed by others than ${whose} (\`chmod go-w\` on both takes that away)`,
  );
}
