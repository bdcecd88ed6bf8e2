/**
 * The custom tools that lie in a workspace, read and never run. The folder may be hostile: nothing here follows a link, waits for a pipe
 * or takes more than is bounded, and what is returned is the text itself, so that nobody has to read the file a second time.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AgentError, errnoOf } from "../core/errors.ts";
import { TOOLS_FOLDER } from "../core/workspace.ts";
import { toContentHash } from "./trust-store.ts";

const MAX_TOOLS = 50;
const MAX_TOOL_BYTES = 1_024 * 1_024;
const TOOL_FILE = /^([a-z0-9_]{1,40})\.m?js$/;
/** What people take for a tool too. */
const NEARLY_A_TOOL = /\.(?:[mc]?[jt]s|[jt]sx)$/;

export interface ToolFile {
  /** `weather`. */
  name: string;
  /** `weather.mjs`. */
  file: string;
  text: string;
  sha256: string;
}

export interface FoundTools {
  /** By name. */
  tools: ToolFile[];
  /** Files that look like tools and cannot be used, with the reason, in words for the user. */
  problems: string[];
}

/** `root`: absolute path of the workspace with links resolved. Expected trouble with a file is a problem of that file. */
export function readToolFiles(root: string): FoundTools {
  const found: FoundTools = { tools: [], problems: [] };
  const held: number[] = [];
  try {
    const folder = holdToolsFolder(root, held);
    const names = readdirSync(folder).sort();
    const candidates = names.filter((name) => NEARLY_A_TOOL.test(name));
    if (candidates.length > MAX_TOOLS) {
      found.problems.push(
        `\`${TOOLS_FOLDER}\` holds ${candidates.length} tools, at most ${MAX_TOOLS} are allowed: none was loaded`,
      );
      return found;
    }
    for (const file of candidates) addTool(found, folder, file);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") found.problems.push(`\`${TOOLS_FOLDER}\` ${describe(error)}`);
  } finally {
    for (const fd of held) closeSync(fd);
  }
  return found;
}

/** A path for use while the descriptors are held: on Linux a link put in place of a folder meanwhile changes nothing. */
function holdToolsFolder(root: string, held: number[]): string {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  let path = root;
  for (const name of ["", ...TOOLS_FOLDER.split("/")]) {
    const fd = openSync(join(path, name), flags);
    held.push(fd);
    path = existsSync(`/proc/self/fd/${fd}`) ? `/proc/self/fd/${fd}` : join(path, name);
  }
  return path;
}

function addTool(found: FoundTools, folder: string, file: string): void {
  const name = TOOL_FILE.exec(file)?.[1];
  const refuse = (why: string): void => {
    found.problems.push(`\`${TOOLS_FOLDER}/${shorten(file)}\` ${why}`);
  };
  if (name === undefined) {
    refuse("is no tool: its name must be a-z, 0-9 and _, at most 40, and end in `.mjs` or `.js`");
    return;
  }
  if (found.tools.some((tool) => tool.name === name)) {
    refuse(`has the same name as another tool, \`${name}\`: remove one of them`);
    return;
  }
  try {
    const bytes = readTool(join(folder, file));
    // Bytes and text stand for each other: what is hashed is what is shown and what runs.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    found.tools.push({ name, file, text, sha256: toContentHash(bytes) });
  } catch (error) {
    refuse(error instanceof TypeError ? "is not UTF-8 text" : describe(error));
  }
}

function readTool(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw refused("is no regular file");
    if (stats.nlink > 1) throw refused("has another name elsewhere (a hard link): copy it");
    if (stats.size > MAX_TOOL_BYTES)
      throw refused(`has ${stats.size} bytes, at most ${MAX_TOOL_BYTES} are allowed`);
    const bytes = readFileSync(fd);
    if (bytes.length > MAX_TOOL_BYTES) throw refused("grows while it is read");
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function refused(why: string): AgentError {
  return new AgentError("path_refused", why);
}

function describe(error: unknown): string {
  if (AgentError.is(error)) return error.message;
  const errno = errnoOf(error) ?? "";
  if (errno === "ELOOP" || errno === "EMLINK") return "is a link, which is not followed";
  if (errno === "ENOTDIR") return "is a link or a file and no folder";
  return `cannot be read (${errno === "" ? String(error) : errno})`;
}

function shorten(name: string): string {
  const shown = name.replaceAll(/\p{C}/gu, "?");
  return shown.length > 80 ? `${shown.slice(0, 80)}…` : shown;
}
