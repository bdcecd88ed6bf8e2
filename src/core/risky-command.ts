/** Commands that a person should see in every mode: they throw work away, hand it to others, or bring in code from elsewhere. */
import { isHarmlessPart } from "./harmless-command.ts";
import { watchGit } from "./risky-git.ts";
import type { ShellLine } from "./shell-line.ts";
import { programName } from "./shell-runners.ts";
import { mayTakeValue } from "./shell-search.ts";

export interface RiskOptions {
  /** Commands can reach other machines. */
  network: boolean;
}

/** Why a line is risky, in words for the user; `undefined` when nothing of the kind was found in it. */
export function findRisk(
  { parts, runs, understood }: ShellLine,
  { network }: RiskOptions,
): string | undefined {
  // What is understood is judged part by part, and a part that only reads starts nothing.
  const commands = understood
    ? parts
        .filter((part) => !isHarmlessPart(part))
        .map(({ assignments, argv }) => [...assignments, ...argv.map(({ text }) => text)])
    : runs;
  for (const command of commands) {
    const risk = findRiskOfCommand(command, network);
    if (risk !== undefined) return risk;
  }
  return undefined;
}

/**
 * Whether something risky may start anywhere in these words: many programs run their arguments. Looks at each word a few times at
 * most, as lines may be as long as the system takes them.
 */
export function findRiskOfCommand(words: readonly string[], network: boolean): string | undefined {
  const ofGit = watchGit();
  const installs = network ? watchInstalls() : undefined;
  for (const word of words) {
    const risk = ofGit(word) ?? installs?.next(word);
    if (risk !== undefined) return risk;
  }
  return installs?.end();
}

const INSTALLERS: ReadonlySet<string> = new Set(
  "npm pnpm yarn bun npx bunx pip pip3 pipx uv uvx apt apt-get apk dnf yum zypper pacman brew port gem bundle cargo go composer deno conda mamba".split(
    " ",
  ),
);
const ALWAYS_FETCH: ReadonlySet<string> = new Set(["npx", "bunx", "uvx"]);
const FETCH = /^(?:install|i|ci|add|update|upgrade|up|get|sync|dlx|exec|x|create|init|require|-S[a-z]*)$/;
const PYTHON = /^python[0-9.]*$/;

interface InstallWatch {
  next(word: string): string | undefined;
  end(): string | undefined;
}

function watchInstalls(): InstallWatch {
  let awaited: { program: string; afterOption: boolean; lone: boolean } | undefined;
  let python: "seen" | "module" | undefined;
  const follow = (word: string): string | undefined => {
    if (python !== undefined) {
      if (/^-[a-zA-Z]*mpip/.test(word) || (python === "module" && /^pip[0-9.]*$/.test(word))) return "pip";
      python = /^-[a-zA-Z]*m$/.test(word) ? "module" : "seen";
    }
    if (awaited === undefined) return undefined;
    const { program, afterOption } = awaited;
    if (FETCH.test(word)) return program;
    // `-S` is the command of pacman(8).
    if (word.startsWith("-")) awaited.afterOption = mayTakeValue(word);
    else awaited = afterOption ? { program, afterOption: false, lone: false } : undefined;
    return undefined;
  };
  const describe = (program: string | undefined): string | undefined =>
    program === undefined ? undefined : `\`${program}\` brings in code from the network`;
  return {
    next(word) {
      const risk = follow(word);
      const name = programName(word);
      if (PYTHON.test(name)) python = "seen";
      if (INSTALLERS.has(name)) awaited = { program: name, afterOption: false, lone: true };
      return describe(risk ?? (ALWAYS_FETCH.has(name) ? name : undefined));
    },
    // `yarn` alone installs.
    end: () => describe(awaited?.lone && awaited.program === "yarn" ? "yarn" : undefined),
  };
}
