/** What a rule is, and how it is read from what a YAML file holds. */
import { AgentError } from "../core/errors.ts";
import { parseShellLine, type ShellWord } from "../core/shell-line.ts";
import { FILES, fitsTool, isTool, KNOWN_TOOLS, mayFitTool } from "./rule-tools.ts";
import { isObject } from "../core/json-object.ts";

/** Who wrote a rule. The strictest rule that fits wins, whichever layer it is from; `workspace` rules can only ask and deny. */
export type RuleLayer = "admin" | "user" | "workspace" | "remembered";

export const RULE_DECISIONS = ["allow", "ask", "deny"] as const;
export type RuleDecision = (typeof RULE_DECISIONS)[number];

export interface Rule {
  /** Such as `user:2`, the second rule of the user's file; for remembered ones an id of their own. */
  id: string;
  layer: RuleLayer;
  /** Name of the tool; in rules that ask or deny it is in small letters, may hold `*`, and `files` is every tool for files. */
  tool: string;
  decision: RuleDecision;
  /** For `shell`, also as one of several tools: the first words of a command. */
  prefix?: readonly string[];
  /** For other tools: a path pattern for those that have a path, a text with `*` for the rest. */
  pattern?: string;
  /** For remembered ones: the only text of the tool that is meant. */
  version?: string;
  /** In words for the user. */
  reason?: string;
  matchExamples: readonly string[];
  notMatchExamples: readonly string[];
}

export interface RuleSource {
  layer: RuleLayer;
  /** Absolute path, for errors. */
  file: string;
  /** Absolute path with links resolved; for `user`: nothing in it counts as the user's word. */
  workspace?: string;
}

const MAX_RULES = 500;
const MAX_EXAMPLES = 100;
const MAX_TEXT = 1_000;
const FIELDS: ReadonlySet<string> = new Set(
  "tool match decision reason match_examples not_match_examples".split(" "),
);

/** Throws `AgentError` `config_invalid` that names the file, the rule and the field. */
export function parseRules(value: unknown, source: RuleSource): Rule[] {
  if (value === null || value === undefined) return [];
  const list = isObject(value) ? value["rules"] : undefined;
  const strange = isObject(value) ? Object.keys(value).filter((key) => key !== "rules") : [];
  if (!Array.isArray(list) || strange.length > 0)
    throw invalidRules(source, `must hold \`rules:\` with a list and nothing else${named(strange)}`);
  if (list.length > MAX_RULES) throw invalidRules(source, `holds more than ${MAX_RULES} rules`);
  return list.map((item: unknown, index) => parseRule(item, { ...source, number: index + 1 }));
}

interface RuleAt extends RuleSource {
  number: number;
}

function parseRule(value: unknown, at: RuleAt): Rule {
  if (!isObject(value)) throw invalidRule(at, "is no `name: value` lines");
  const strange = Object.keys(value).filter((key) => !FIELDS.has(key));
  if (strange.length > 0) throw invalidRule(at, `has a field that there is not${named(strange)}`);
  const name = textOf(value["tool"], { at, field: "tool", required: true })!;
  const decision = RULE_DECISIONS.find((each) => each === value["decision"]);
  if (decision === undefined)
    throw invalidRule(
      at,
      `needs a \`decision\`: ${RULE_DECISIONS.join(", ")}, not ${shown(value["decision"])}`,
    );
  const reason = textOf(value["reason"], { at, field: "reason" });
  const tool = toTool(name, decision, at);
  return {
    id: `${at.layer}:${at.number}`,
    layer: at.layer,
    tool,
    decision,
    ...parseMatch(value["match"], { at, tool, decision }),
    ...(reason === undefined ? {} : { reason }),
    matchExamples: listOf(value["match_examples"], { at, field: "match_examples" }),
    notMatchExamples: listOf(value["not_match_examples"], { at, field: "not_match_examples" }),
  };
}

function toTool(name: string, decision: RuleDecision, at: RuleAt): string {
  if (decision === "allow" && (name.includes("*") || name === FILES))
    throw invalidRule(at, `allows \`${name}\`, but a rule that allows has to name one tool`);
  if (!(decision === "allow" ? isTool(name) : mayFitTool(name)))
    throw invalidRule(
      at,
      `names the tool ${shown(name)}, which there is not; there are ${KNOWN_TOOLS.join(", ")}, and those that begin with custom_ or mcp_`,
    );
  return decision === "allow" ? name : name.toLowerCase();
}

function parseMatch(
  match: unknown,
  { at, tool, decision }: { at: RuleAt; tool: string; decision: RuleDecision },
): Pick<Rule, "prefix" | "pattern"> {
  const prefix = tool === "shell" && !isAbsent(match) ? parsePrefix(match, at) : [];
  if (tool === "shell" && decision === "allow" && prefix.length === 0)
    throw invalidRule(at, "allows every command; `match` has to say how the commands start");
  if (isAbsent(match)) return {};
  if (tool === "shell") return prefix.length === 0 ? {} : { prefix };
  const pattern = textOf(match, { at, field: "match", required: true })!;
  const words = decision !== "allow" && fitsTool(tool, "shell") ? toPrefix(readWords(pattern)) : undefined;
  return { pattern, ...(words === undefined || words.length === 0 ? {} : { prefix: words }) };
}

/** No words stand for every command. */
function parsePrefix(match: unknown, at: RuleAt): readonly string[] {
  if (Array.isArray(match)) {
    const words = listOf(match, { at, field: "match" });
    if (words.includes("*")) throw invalidRule(at, `has \`*\` in its \`match\`. ${PREFIX_HELP}`);
    if (words.length > 0) return words;
  }
  const words = readWords(textOf(match, { at, field: "match", required: true })!);
  if (words === undefined)
    throw invalidRule(at, `has the \`match\` ${shown(match)}, which is not the start of one plain command`);
  const prefix = toPrefix(words);
  if (prefix === undefined)
    throw invalidRule(at, `has the \`match\` ${shown(match)} with a pattern in it. ${PREFIX_HELP}`);
  return prefix;
}

const PREFIX_HELP =
  "It is how a command starts, in whole words: `rm` or `rm *` for every `rm`; what is meant as it stands goes into quotes";

/** Words of a text that is the start of one command. */
function readWords(text: string): readonly ShellWord[] | undefined {
  const [part, ...others] = parseShellLine(text).parts;
  return part === undefined || others.length > 0 || part.assignments.length > 0 ? undefined : part.argv;
}

/** A lone `*` at the end is any words, which a prefix allows anyway; `undefined` for any other pattern. */
function toPrefix(words: readonly ShellWord[] | undefined): readonly string[] | undefined {
  const last = words?.at(-1);
  const fixed = last?.glob && last.text === "*" ? words!.slice(0, -1) : words;
  return fixed === undefined || fixed.some(({ glob }) => glob) ? undefined : fixed.map(({ text }) => text);
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

interface FieldAt {
  at: RuleAt;
  field: string;
  required?: boolean;
}

function textOf(value: unknown, { at, field, required = false }: FieldAt): string | undefined {
  if ((value === undefined || value === null) && !required) return undefined;
  if (typeof value === "string" && value.trim() !== "" && value.length <= MAX_TEXT && !value.includes("\0"))
    return value;
  throw invalidRule(
    at,
    `needs a \`${field}\` that is a text of 1 to ${MAX_TEXT} characters, not ${shown(value)}`,
  );
}

function listOf(value: unknown, where: FieldAt): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_EXAMPLES)
    throw invalidRule(where.at, `needs a list of at most ${MAX_EXAMPLES} texts in \`${where.field}\``);
  return value.map((item: unknown) => textOf(item, { ...where, required: true })!);
}

function shown(value: unknown): string {
  return `\`${(JSON.stringify(value) ?? "nothing").slice(0, 80)}\``;
}

function named(keys: readonly string[]): string {
  return keys.length === 0 ? "" : `: \`${keys.slice(0, 3).join("`, `").slice(0, 80)}\``;
}

const WAY_OUT = "Repair the rule, or take it out";

function invalidRule({ file, number }: RuleAt, what: string): AgentError {
  return new AgentError("config_invalid", `Rule ${number} of \`${file}\` ${what}. ${WAY_OUT}.`, {
    data: { path: file, rule: number },
  });
}

export function invalidRules({ file }: RuleSource, what: string): AgentError {
  return new AgentError(
    "config_invalid",
    `The permission rules in \`${file}\` cannot be used: the file ${what}. Repair it, or move it away.`,
    { data: { path: file } },
  );
}

export function faultyRule({ file }: RuleSource, rule: Rule, what: string): AgentError {
  const number = Number(rule.id.split(":")[1]);
  return new AgentError("config_invalid", `Rule ${number} of \`${file}\` ${what}. ${WAY_OUT}.`, {
    data: { path: file, rule: number },
  });
}

/** A rule in words: what it does, with what, and who says so. */
export function describeRule({ id, layer, tool, decision, prefix, pattern }: Rule): string {
  const match = prefix?.join(" ") ?? pattern;
  const what = `${decision} ${tool}${match === undefined ? "" : ` \`${match}\``}`;
  return layer === "remembered" ? `remembered: ${what}` : `rule ${id}: ${what}`;
}
