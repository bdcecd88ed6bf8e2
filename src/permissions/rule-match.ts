/** Which calls a rule fits. Rules that ask or deny fit generously, rules that allow fit narrowly. */
import type { PermissionCall } from "../core/permission.ts";
import { parseShellLine, type ShellLine } from "../core/shell-line.ts";
import { findsCommand } from "../core/shell-search.ts";
import { isLiteral, matchesPath, matchesText, toRootRelative } from "./pattern.ts";
import type { Rule } from "./rule.ts";
import { FILES, fitsTool, isAboutFiles, isAboutReading } from "./rule-tools.ts";
import { coversLine } from "./shell-cover.ts";
import { namesFile, toNamedFiles, type NamedFiles } from "./shell-paths.ts";

/** What of a call rules look at. */
export interface RuleTarget {
  tool: string;
  /** For `shell`. */
  line?: ShellLine;
  /** For `shell`: what may be files. */
  named?: NamedFiles;
  /** Files that the call is about, as names from the workspace's root; `undefined` stands for one that leads out of it. */
  paths?: readonly (string | undefined)[];
  /** Of a tool whose text can change. */
  version?: string;
  /** Every text among the arguments. */
  texts: readonly string[];
}

const MAX_LEVELS = 50;

export function toTarget({ tool, input, preview }: PermissionCall, root: string): RuleTarget {
  const { command, path, paths } = (input ?? {}) as Record<string, unknown>;
  const given = [path, ...(Array.isArray(paths) ? (paths as unknown[]) : [])]
    .filter((each) => typeof each === "string")
    .map((each) => toRootRelative(each, root));
  const files = [...given, ...(preview.writes ?? [])];
  const line = preview.command ?? (typeof command === "string" ? command : "");
  return {
    tool,
    ...(tool === "shell" ? toShellTarget(line, root) : {}),
    ...(files.length > 0 ? { paths: files } : {}),
    ...(preview.version === undefined ? {} : { version: preview.version }),
    texts: textsOf(input, MAX_LEVELS),
  };
}

function toShellTarget(command: string, root: string): Pick<RuleTarget, "line" | "named"> {
  const line = parseShellLine(command);
  return { line, named: toNamedFiles(line, root) };
}

function textsOf(value: unknown, levels: number): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null || levels === 0) return [];
  return Object.values(value).flatMap((field) => textsOf(field, levels - 1));
}

/** For rules that ask or deny: whether anything in the call fits. */
export function firesOn(rule: Rule, { tool, line, named, paths, texts }: RuleTarget): boolean {
  if (named !== undefined && firesOnNamed(rule, named)) return true;
  if (!fitsTool(rule.tool, tool)) return false;
  const { prefix, pattern } = rule;
  if (prefix !== undefined && line !== undefined && hasWords(line, prefix)) return true;
  if (pattern === undefined) return prefix === undefined;
  const loose = { loose: true };
  const about = paths?.filter((path) => path !== undefined) ?? [];
  return (
    about.some((path) => matchesPath(pattern, path, loose)) ||
    texts.some((text) => matchesText(pattern, text, loose) || matchesPath(pattern, text, loose))
  );
}

/** Whether a rule about files means one that is named in a command. What is only about changes lets commands read. */
function firesOnNamed({ tool, pattern }: Rule, { all, changed }: NamedFiles): boolean {
  if (pattern === undefined || !isAboutFiles(tool)) return false;
  return namesFile(pattern, isAboutReading(tool) ? all : changed);
}

/** The words in this order, anywhere in the line. */
function hasWords({ parts, runs }: ShellLine, words: readonly string[]): boolean {
  const commands = [...parts.map(({ argv }) => argv.map(({ text }) => text)), ...runs];
  return commands.some((command) => findsCommand(command, words));
}

/** For rules that allow: the commands of all rules together, or one rule for everything that the call is about. */
export function findAllowing(
  rules: readonly Rule[],
  target: RuleTarget,
  { namedOnly = false }: { namedOnly?: boolean } = {},
): Rule | undefined {
  const own = rules.filter(({ tool, decision }) => decision === "allow" && tool === target.tool);
  if (target.line !== undefined) return findCovering(own, target.line);
  // A remembered answer was given to what could be looked at then; a rule of a file means the tool by its name.
  const meant = own.filter(({ layer, version }) => layer !== "remembered" || version === target.version);
  return meant.find((rule) => allows(rule, target, namedOnly));
}

/** The rule to name: the first of those that cover the line together. */
function findCovering(rules: readonly Rule[], line: ShellLine): Rule | undefined {
  if (!coversLine(toAllowedPrefixes(rules), line)) return undefined;
  return rules.find((rule) => coversLine(toAllowedPrefixes([rule]), line)) ?? rules[0];
}

/** How commands start that rules allow. */
export function toAllowedPrefixes(rules: readonly Rule[]): readonly (readonly string[])[] {
  return rules.flatMap(({ tool, decision, prefix }) =>
    tool === "shell" && decision === "allow" && prefix !== undefined ? [prefix] : [],
  );
}

function allows({ pattern }: Rule, { paths, texts }: RuleTarget, namedOnly: boolean): boolean {
  if (pattern === undefined) return !namedOnly;
  if (namedOnly && !isLiteral(pattern)) return false;
  const strict = { loose: false };
  if (paths !== undefined)
    return paths.every((path) => path !== undefined && matchesPath(pattern, path, strict));
  return !namedOnly && texts.length > 0 && texts.every((text) => matchesText(pattern, text, strict));
}

/** What is wrong with a rule: an example that it does not treat as it says, or that it allows nothing. */
export function findFault(rule: Rule): string | undefined {
  const missed = rule.matchExamples.find((example) => !fitsExample(rule, example));
  if (missed !== undefined) return `does not match its example \`${missed}\``;
  const caught = rule.notMatchExamples.find((example) => fitsExample(rule, example));
  if (caught !== undefined) return `matches \`${caught}\`, which is one of its \`not_match_examples\``;
  const { prefix = [] } = rule;
  return allowsNothing(rule)
    ? `can never allow anything: \`${prefix.join(" ")}\` is asked about whatever follows it, since it runs its arguments, deletes, or needs its command or script in the rule`
    : undefined;
}

/** With nothing, a file, or a plain script after it, every start of a command that can be allowed is allowed. */
function allowsNothing({ decision, layer, prefix }: Rule): boolean {
  if (prefix === undefined || decision !== "allow" || layer === "workspace") return false;
  const start = prefix.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
  return ["", " x", " -n 1p"].every((end) => !coversLine([prefix], parseShellLine(start + end)));
}

function fitsExample(rule: Rule, example: string): boolean {
  const { decision, prefix } = rule;
  const tool = rule.tool === FILES ? "read" : rule.tool;
  const shell: RuleTarget = { tool: "shell", line: parseShellLine(example), texts: [example] };
  const others: readonly RuleTarget[] = [
    { tool, paths: [toRootRelative(example, "")], texts: [example] },
    { tool, texts: [example] },
  ];
  const targets = tool === "shell" ? [shell] : prefix === undefined ? others : [...others, shell];
  return targets.some((target) =>
    decision === "allow" ? findAllowing([rule], target) !== undefined : firesOn(rule, target),
  );
}
