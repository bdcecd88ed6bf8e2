/** Reads the files that hold rules. Those of administrator and user stop the start when they cannot be relied on. */
import { AgentError, errorMessage } from "../core/errors.ts";
import { faultyRule, invalidRules, parseRules, type Rule, type RuleSource } from "./rule.ts";
import { findFault } from "./rule-match.ts";
import { readRuleText } from "./rule-text.ts";

/** A list of rules has three levels of its own; the rest is for lists of examples written over several lines. */
const MAX_LEVELS = 20;

/**
 * No file means no rules. Throws `AgentError` `config_invalid` for anything that cannot be relied on: not YAML, a field or example that
 * is wrong, a link (but one of the user to a file of theirs), a file of somebody else or one that others may change.
 */
export async function readRuleFile(source: RuleSource): Promise<Rule[]> {
  const text = readRuleText(source);
  if (text === undefined) return [];
  const rules = parseRules(await parseYaml(text, source), source);
  for (const rule of rules) {
    const fault = findFault(rule);
    if (fault !== undefined) throw faultyRule(source, rule, fault);
  }
  return rules;
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
