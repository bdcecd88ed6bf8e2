/** Commands that a person should see in every mode: they throw work away, hand it to others, or bring in code from elsewhere. */
import type { ShellLine } from "./shell-line.ts";
import { programName } from "./shell-runners.ts";

export interface RiskOptions {
  /** Commands can reach other machines. */
  network: boolean;
}

/** Why a line is risky, in words for the user; `undefined` when nothing of the kind was found in it. */
export function findRisk(line: ShellLine, { network }: RiskOptions): string | undefined {
  // What is understood is judged part by part; in anything else every word may start a command.
  const commands = line.understood
    ? line.parts.map(({ argv }) => argv.map(({ text }) => text))
    : line.runs.flatMap((run) => run.flatMap((word, index) => (isProgram(word) ? [run.slice(index)] : [])));
  for (const command of commands) {
    const risk = findRiskOfCommand(command, network);
    if (risk !== undefined) return risk;
  }
  return undefined;
}

/** Whether these words, as the start of a command, name something that is risky. */
export function findRiskOfCommand(
  [program = "", ...args]: readonly string[],
  network: boolean,
): string | undefined {
  const name = programName(program);
  if (name === "git") return findGitRisk(withoutGitOptions(args));
  return network && isInstall(name, args) ? `\`${name}\` brings in code from the network` : undefined;
}

function isProgram(word: string): boolean {
  const name = programName(word);
  return name === "git" || INSTALLERS.has(name);
}

/** `git -C folder -c name=value --no-pager status` is `git status`. */
export function withoutGitOptions(args: readonly string[]): readonly string[] {
  const takesValue =
    /^(?:-C|-c|--git-dir|--work-tree|--namespace|--exec-path|--config-env|--super-prefix|--attr-source)$/;
  let start = 0;
  while (start < args.length && args[start]!.startsWith("-")) start += takesValue.test(args[start]!) ? 2 : 1;
  return args.slice(start);
}

/** The options with which a command of git throws work away; `true` when it always does, or hands work to others. */
const GIT_RISKS: Readonly<Record<string, RegExp | true>> = {
  push: true,
  clean: true,
  reset: /^--h(?:a|ar|ard)?$/,
  checkout: /^(?:-[a-zA-Z]*f[a-zA-Z]*|--force|--|\.)$/,
  switch: /^(?:-[a-zA-Z]*f[a-zA-Z]*|--force|--discard-changes)$/,
  restore: true,
  stash: /^(?:drop|clear)$/,
  branch: /^-[a-zA-Z]*D[a-zA-Z]*$/,
  reflog: /^(?:expire|delete)$/,
  "filter-branch": true,
};

function findGitRisk([command = "", ...args]: readonly string[]): string | undefined {
  const risk = Object.hasOwn(GIT_RISKS, command) ? GIT_RISKS[command] : undefined;
  if (risk === undefined) return undefined;
  if (risk === true)
    return `\`git ${command}\` ${command === "push" ? "hands work to others" : "throws work away"}`;
  const option = args.find((argument) => risk.test(argument));
  return option === undefined ? undefined : `\`git ${command} ${option}\` throws work away`;
}

const INSTALLERS: ReadonlySet<string> = new Set(
  "npm pnpm yarn bun npx bunx pip pip3 pipx uv uvx apt apt-get apk dnf yum zypper pacman brew port gem bundle cargo go composer deno conda mamba".split(
    " ",
  ),
);
const ALWAYS_FETCH: ReadonlySet<string> = new Set(["npx", "bunx", "uvx"]);
const FETCH = /^(?:install|i|ci|add|update|upgrade|up|get|sync|dlx|exec|x|create|init|require|-S[a-z]*)$/;

function isInstall(name: string, args: readonly string[]): boolean {
  if (/^python[0-9.]*$/.test(name)) return args.join(" ").startsWith("-m pip");
  if (!INSTALLERS.has(name)) return false;
  const command = args.find((argument) => !argument.startsWith("-") || argument.startsWith("-S"));
  // `yarn` alone installs.
  return ALWAYS_FETCH.has(name) || (command === undefined ? name === "yarn" : FETCH.test(command));
}
