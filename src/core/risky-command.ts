/** Commands that a person should see in every mode: they throw work away, hand it to others, or bring in code from elsewhere. */
import type { ShellLine } from "./shell-line.ts";
import { programName } from "./shell-runners.ts";

export interface RiskOptions {
  /** Commands can reach other machines. */
  network: boolean;
}

/** Why a line is risky, in words for the user; `undefined` when nothing of the kind was found in it. */
export function findRisk(
  { parts, runs, understood }: ShellLine,
  { network }: RiskOptions,
): string | undefined {
  // What is understood is judged part by part; in anything else every word may start a command.
  const risks = understood
    ? parts.map(
        ({ argv }) =>
          () =>
            findRiskOfCommand(
              argv.map(({ text }) => text),
              network,
            ),
      )
    : runs.map((run) => () => findRiskInRun(run, network));
  for (const find of risks) {
    const risk = find();
    if (risk !== undefined) return risk;
  }
  return undefined;
}

/** Looks at each word a few times at most: lines may be as long as the system takes them. */
function findRiskInRun(run: readonly string[], network: boolean): string | undefined {
  const afterOptions = skipGitOptions(run);
  /** What follows a later one follows the first one too. */
  const judged = new Set<string>();
  for (const [index, word] of run.entries()) {
    const name = programName(word);
    let risk: string | undefined;
    if (name === "git") {
      const start = afterOptions[index + 1] ?? run.length;
      const command = run[start] ?? "";
      if (!Object.hasOwn(GIT_RISKS, command) || judged.has(command)) continue;
      judged.add(command);
      risk = findGitRisk(run.slice(start));
    } else if (INSTALLERS.has(name)) {
      let end = index + 1;
      while (end < run.length && isSkipped(run[end]!)) end += 1;
      risk = findRiskOfCommand([word, ...run.slice(end, end + 1)], network);
    }
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

/** `git -C folder -c name=value --no-pager status` is `git status`. */
export function withoutGitOptions(args: readonly string[]): readonly string[] {
  let start = 0;
  while (start < args.length && args[start]!.startsWith("-")) start += TAKES_VALUE.test(args[start]!) ? 2 : 1;
  return args.slice(start);
}

const TAKES_VALUE =
  /^(?:-C|-c|--git-dir|--work-tree|--namespace|--exec-path|--config-env|--super-prefix|--attr-source)$/;

/** The same for every place at once: by index, where the command of git begins when its options begin there. */
function skipGitOptions(words: readonly string[]): readonly number[] {
  const starts: number[] = Array.from({ length: words.length + 2 }, () => words.length);
  for (let index = words.length - 1; index >= 0; index -= 1) {
    const word = words[index]!;
    starts[index] = word.startsWith("-") ? starts[index + (TAKES_VALUE.test(word) ? 2 : 1)]! : index;
  }
  return starts;
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
  const command = args.find((argument) => !isSkipped(argument));
  // `yarn` alone installs.
  return ALWAYS_FETCH.has(name) || (command === undefined ? name === "yarn" : FETCH.test(command));
}

/** An option before the command of an installer; `-S` is the command of pacman(8). */
function isSkipped(argument: string): boolean {
  return argument.startsWith("-") && !argument.startsWith("-S");
}
