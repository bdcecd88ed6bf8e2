/** What an answer may be remembered for: never for more than a user would expect from what was shown. */
import type { RememberedCalls } from "../core/approval.ts";
import { isHarmlessPart } from "../core/harmless-command.ts";
import { findRiskOfCommand } from "../core/risky-command.ts";
import type { ShellLine } from "../core/shell-line.ts";
import { coversLine, coversPart } from "./shell-cover.ts";

const setOf = (words: string): ReadonlySet<string> => new Set(words.split(" "));

/** They check, build or test what is in the workspace, whatever their arguments are. */
const TOOLS = setOf(
  "pytest tsc eslint vitest jest mocha ava mypy pylint flake8 black isort pyright prettier tox nox ctest phpunit rspec rubocop " +
    "shellcheck hadolint golangci-lint gofmt rustfmt stylelint oxlint oxfmt unittest",
);
/** Of programs that do many things: the commands that are as harmless. */
const COMMANDS: Readonly<Record<string, ReadonlySet<string>>> = {
  biome: setOf("check lint format ci"),
  bun: setOf("test"),
  cargo: setOf("build b test t check c clippy fmt doc bench"),
  dotnet: setOf("build test"),
  git: setOf("add blame branch commit diff fetch log merge mv show stash status switch"),
  go: setOf("build test vet fmt"),
  mvn: setOf("compile package test verify"),
  npm: setOf("test t start"),
  npx: TOOLS,
  pnpm: setOf("test t start"),
  ruff: setOf("check format"),
  swift: setOf("build test"),
  yarn: setOf("test start"),
};
/** What comes after the name of a target, script or file is no other one. */
const NAMED =
  /^(?:(?:make|gmake|just|rake|ninja|task)|(?:npm|pnpm|yarn|bun) (?:run|run-script)|go run|python[0-9.]* -m|(?:poetry|pipenv|pdm|uv|hatch|rye) run|(?:npm|pnpm|yarn|bundle) exec)$/;
const RUNS_TOOLS = /^(?:python|poetry|pipenv|pdm|uv|hatch|rye|bundle)|exec$/;
const PLAIN_WORD = /^[A-Za-z0-9][\w:.@/+-]*$/;
const OPTION = /^--?[A-Za-z][\w-]*$/;

/**
 * How the one command of a line starts that is neither harmless nor allowed already: `npm test`, `npm run build`, `git commit`. Only of
 * programs that are known, since nobody can tell what others do with other arguments.
 */
export function toOfferedPrefix(
  line: ShellLine,
  allowed: readonly (readonly string[])[],
): RememberedCalls | undefined {
  const open = line.parts.filter(
    (part) => !isHarmlessPart(part) && !allowed.some((prefix) => coversPart(prefix, part)),
  );
  const [part] = open;
  if (!line.understood || part === undefined || open.length > 1) return undefined;
  const prefix = toPrefix(part.argv.map(({ text }) => text));
  if (prefix === undefined || findRiskOfCommand(prefix, false) !== undefined) return undefined;
  return coversLine([prefix, ...allowed], line) ? { tool: "shell", prefix } : undefined;
}

function toPrefix(words: readonly string[]): readonly string[] | undefined {
  const [program = "", second = ""] = words;
  if (TOOLS.has(program)) return words.length === 2 && OPTION.test(second) ? words : [program];
  if (Object.hasOwn(COMMANDS, program) && COMMANDS[program]!.has(second)) return [program, second];
  const count = NAMED.test(program) ? 1 : NAMED.test(`${program} ${second}`) ? 2 : undefined;
  const name = count === undefined ? undefined : words[count];
  if (name === undefined || !PLAIN_WORD.test(name)) return undefined;
  const fixed = words.slice(0, count);
  return RUNS_TOOLS.test(fixed.join(" ")) && !TOOLS.has(name) ? undefined : [...fixed, name];
}
