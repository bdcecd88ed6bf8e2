/** Reads the files that hold rules. Those of administrator and user stop the start when they cannot be relied on. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";
import { failedExample, invalidRules, parseRules, type Rule, type RuleSource } from "./rule.ts";
import { findFailedExample } from "./rule-match.ts";

const MAX_BYTES = 100_000;
/** A list of rules has three levels of its own; the rest is for lists of examples written over several lines. */
const MAX_LEVELS = 20;
const OTHERS_MAY_WRITE = 0o022;

/**
 * No file means no rules. Throws `AgentError` `config_invalid` for anything that cannot be relied on: not YAML, a field or example that
 * is wrong, a link, a file of somebody else or one that others may write.
 */
export async function readRuleFile(source: RuleSource): Promise<Rule[]> {
  const text = readText(source);
  if (text === undefined) return [];
  const rules = parseRules(await parseYaml(text, source), source);
  for (const rule of rules) {
    const failed = findFailedExample(rule);
    if (failed !== undefined) throw failedExample(source, rule, failed);
  }
  return rules;
}

function readText(source: RuleSource): string | undefined {
  const { file } = source;
  let fd: number;
  try {
    if (source.layer === "workspace" && lstatSync(dirname(file)).isSymbolicLink())
      throw invalidRules(source, "lies behind a link");
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

/** What others can write would be their word and not the user's or the administrator's. */
function refuseForeign(source: RuleSource, stats: Stats): void {
  const user = process.geteuid?.();
  if (user === undefined || source.layer === "workspace") return;
  const folder = lstatSync(dirname(source.file));
  const owners = source.layer === "admin" ? [0] : [user, 0, ...(user === 0 ? [folder.uid] : [])];
  const isTheirs = (each: Stats): boolean =>
    !owners.includes(each.uid) || (each.mode & OTHERS_MAY_WRITE) !== 0;
  if (isTheirs(stats) || (source.layer === "admin" && isTheirs(folder)))
    throw invalidRules(
      source,
      `or its folder can be changed by others than ${source.layer === "admin" ? "root" : "you"}`,
    );
}

async function parseYaml(text: string, source: RuleSource): Promise<unknown> {
  if (isTooDeep(text)) throw invalidRules(source, `is nested deeper than ${MAX_LEVELS} levels`);
  // By its default export: a bundled CommonJS module has no other.
  const { isAlias, parseDocument, visit } = (await import("yaml")).default;
  try {
    // Pretty errors look through the whole text for each of its faults.
    const document = parseDocument(text, {
      uniqueKeys: true,
      merge: false,
      schema: "core",
      prettyErrors: false,
    });
    const [error] = document.errors;
    if (error !== undefined) {
      const line = text.slice(0, error.pos[0]).split("\n").length;
      throw invalidRules(source, `is no valid YAML (line ${line}: ${error.message})`);
    }
    let aliased = false;
    visit(document, (_, node) => {
      aliased ||= isAlias(node);
    });
    if (aliased) throw invalidRules(source, "uses `*` references, which rules cannot");
    return document.toJS({ maxAliasCount: 0 }) as unknown;
  } catch (error) {
    if (AgentError.is(error)) throw error;
    throw invalidRules(source, `is no valid YAML (${errorMessage(error).split("\n")[0]})`);
  }
}

/** Counted in the text alone, before a parser that calls itself for every level sees it; quotes and comments count too. */
function isTooDeep(text: string): boolean {
  let open = 0;
  for (const character of text) {
    if (character === "[" || character === "{") open += 1;
    else if (character === "]" || character === "}") open = Math.max(0, open - 1);
    if (open > MAX_LEVELS * 4) return true;
  }
  // `- - - x` opens a level with every dash. Levels by indentation are bounded by the size of the file.
  return /^[ \t]*(?:[-?:][ \t]+){21}/m.test(text);
}
