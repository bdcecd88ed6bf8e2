import { SANDBOX_LIMITS, type SandboxRunOptions } from "../../core/sandbox.ts";
import { AgentError } from "../../core/errors.ts";
import type { ChooseOptions, ChosenSandbox } from "../../sandbox/choose.ts";
import type { SandboxCheck } from "../../sandbox/self-test.ts";
import { toTerminalLine } from "../../tui/terminal-text.ts";
import { openWorkspace } from "../../workspace/index.ts";
import { EXIT_INTERRUPTED } from "../exit-code.ts";
import { onInterrupt } from "../interrupt.ts";
import type { TaskFlags } from "../main.ts";
import { readSettings, type Settings } from "../settings.ts";
import { toChooseOptions, toLabel } from "../workspace-sandbox.ts";

export interface SandboxFlags extends TaskFlags {
  timeout?: string;
  memory?: string;
}

/** Says which backend is in force and why. Exit code 1 when commands would run without isolation. */
export async function showSandboxStatus(flags: SandboxFlags): Promise<number> {
  const settings = await readSandboxSettings(flags);
  // Asked only to be told: nothing is run.
  return withSandbox(settings, { allowUnsandboxed: true }, async (chosen) => {
    const { sandbox, warning, considered, limits, faults, image } = chosen;
    printRow("sandbox", toLabel(chosen));
    printRow("network", sandbox.network);
    if (image !== undefined) printRow("image", image);
    for (const { name, value, by } of limits)
      printRow("limit", `${name.padEnd(12)} ${value.padEnd(28)} ${by ?? "not limited here"}`);
    for (const { backend, reason } of considered) printRow("not used", `${backend}: ${reason}`);
    for (const fault of faults) printRow("notice", fault);
    if (warning !== undefined) printRow("warning", warning);
    return sandbox.isolated ? 0 : 1;
  });
}

/** Runs a command as the `shell` tool would; its output and exit code are the command's own. */
export async function runInSandbox(words: readonly string[], flags: SandboxFlags): Promise<number> {
  const options = toRunOptions(flags);
  const settings = await readSandboxSettings(flags);
  // Whoever names the backend here has asked for it.
  const allowUnsandboxed = settings.allowUnsandboxed || (flags.backend ?? flags.sandbox) === "process";
  return withSandbox(settings, { allowUnsandboxed }, async ({ sandbox, warning }, signal) => {
    if (warning !== undefined) process.stderr.write(`lmagent: ${warning}\n`);
    const result = await sandbox.run(words.length === 1 ? (words[0] as string) : words, {
      ...options,
      signal,
      onOutput: (chunk, stream) => process[stream].write(chunk),
    });
    for (const each of result.warnings ?? []) process.stderr.write(`lmagent: ${toTerminalLine(each)}\n`);
    if (result.stopped === undefined) return result.exitCode;
    process.stderr.write(`lmagent: the command was stopped (${result.stopped}).\n`);
    return result.exitCode || 1;
  });
}

/** Tries what a command must not be able to do. Exit code 1 when one of the tries succeeds, or when nothing isolates. */
export async function testSandbox(flags: SandboxFlags): Promise<number> {
  const settings = await readSandboxSettings(flags);
  let failures = 0;
  const onTested: ChooseOptions["onTested"] = (backend, checks) => {
    printRow("sandbox", backend);
    for (const check of checks) process.stdout.write(`${toCheckLine(check)}\n`);
    failures += checks.filter(({ ok }) => !ok).length;
  };
  const options = { allowUnsandboxed: true, retest: true, onTested };
  return withSandbox(settings, options, async ({ sandbox, considered, warning }) => {
    for (const { backend, reason } of considered) printRow("not used", `${backend}: ${reason}`);
    if (warning !== undefined) printRow("warning", warning);
    return sandbox.isolated && failures === 0 ? 0 : 1;
  });
}

export function toCheckLine({ name, ok, detail }: SandboxCheck): string {
  return `${ok ? "ok      " : "FAILED  "} ${name}${detail === "" ? "" : `: ${toTerminalLine(detail)}`}`;
}

function printRow(name: string, text: string): void {
  process.stdout.write(`${name.padEnd(9)} ${toTerminalLine(text)}\n`);
}

function readSandboxSettings(flags: SandboxFlags): Promise<Settings> {
  return readSettings(flags, process.env, process.cwd());
}

/** Ctrl-C ends what runs, in order. */
async function withSandbox(
  settings: Settings,
  options: Partial<ChooseOptions> & Pick<ChooseOptions, "allowUnsandboxed">,
  use: (chosen: ChosenSandbox, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const { home, userHome } = settings;
  await using workspace = await openWorkspace(settings.workspace, { home: userHome, stateDir: home });
  const { chooseSandbox } = await import("../../sandbox/choose.ts");
  const interrupt = onInterrupt();
  const { signal } = interrupt;
  try {
    const chosen = await chooseSandbox({ ...toChooseOptions(settings, workspace.root), ...options, signal });
    await using _ = chosen.sandbox;
    const code = await use(chosen, signal);
    return signal.aborted ? EXIT_INTERRUPTED : code;
  } catch (thrown) {
    if (signal.aborted) return EXIT_INTERRUPTED;
    throw thrown;
  } finally {
    interrupt.dispose();
  }
}

/** What is more than a command can have becomes the most it can have, and that is said. */
function toRunOptions({ timeout, memory }: SandboxFlags): SandboxRunOptions {
  const { timeoutMs, memoryMb } = SANDBOX_LIMITS;
  return {
    ...(timeout === undefined
      ? {}
      : {
          timeoutMs:
            1_000 * toLimit("--timeout", timeout, { min: timeoutMs.min / 1_000, max: timeoutMs.max / 1_000 }),
        }),
    ...(memory === undefined ? {} : { memoryMb: Math.round(toLimit("--memory", memory, memoryMb)) }),
  };
}

function toLimit(flag: string, value: string, { min, max }: { min: number; max: number }): number {
  const number = Number(value);
  if (value.trim() === "" || !(number > 0))
    throw new AgentError(
      "usage",
      `\`${flag}\` is \`${value}\`, but must be a number from ${min} to ${max}.`,
      {
        data: { flag, value },
      },
    );
  const used = Math.min(max, Math.max(min, number));
  if (used !== number)
    process.stderr.write(`lmagent: \`${flag}\` can be ${min} to ${max}: ${used} is used.\n`);
  return used;
}
