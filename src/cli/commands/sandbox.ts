import { AgentError, errorMessage } from "../../core/errors.ts";
import type { Sandbox, SandboxRunOptions } from "../../core/sandbox.ts";
import type { ChosenSandbox } from "../../sandbox/index.ts";
import { onInterrupt } from "../interrupt.ts";
import type { TaskFlags } from "../main.ts";
import { readSettings, type Settings } from "../settings.ts";
import { createWorkspaceSandbox, toLabel } from "../workspace-sandbox.ts";
import { openWorkspace } from "../../workspace/index.ts";

interface SandboxFlags extends TaskFlags {
  backend?: string;
  timeout?: string;
  memory?: string;
}

/** Says which backend is in force and why. Exit code 1 when commands would run without isolation. */
export async function showSandboxStatus(flags: SandboxFlags): Promise<number> {
  return withSandbox(flags, async (chosen) => {
    process.stdout.write(`sandbox  ${toLabel(chosen)}\n`);
    if (chosen.warning !== undefined) process.stdout.write(`warning  ${chosen.warning}\n`);
    return chosen.sandbox.isolated ? 0 : 1;
  });
}

/** Runs a command as the `shell` tool would; its output and exit code are the command's own. */
export async function runInSandbox(words: readonly string[], flags: SandboxFlags): Promise<number> {
  const options = toRunOptions(flags);
  const interrupt = onInterrupt();
  try {
    return await withSandbox(flags, async ({ sandbox, warning }) => {
      if (warning !== undefined) process.stderr.write(`lmagent: ${warning}\n`);
      const result = await sandbox.run(words.length === 1 ? (words[0] as string) : words, {
        ...options,
        signal: interrupt.signal,
        onOutput: (chunk, stream) => process[stream].write(chunk),
      });
      if (result.stopped !== undefined)
        process.stderr.write(`lmagent: the command was stopped (${result.stopped}).\n`);
      return result.stopped === undefined ? result.exitCode : result.exitCode || 1;
    });
  } finally {
    interrupt.dispose();
  }
}

interface Check {
  name: string;
  command: string;
  /** What the command must not manage: it prints `LEAK` when it does. */
  expected: "no LEAK" | "ok";
}

const CHECKS: readonly Check[] = [
  {
    name: "the workspace can be written",
    command: "f=.lmagent-test-$$; echo x > $f && rm $f && echo ok",
    expected: "ok",
  },
  {
    name: "nothing else can be written",
    command: "for d in / /usr /etc /var /root; do touch $d/.lmagent-test 2>/dev/null && echo LEAK $d; done",
    expected: "no LEAK",
  },
  {
    name: "home folders are out of sight",
    command: "ls -d /root/.* /home/*/.* 2>/dev/null | grep -q . && echo LEAK",
    expected: "no LEAK",
  },
  {
    name: "the agent's environment is not passed on",
    command: 'env | grep -qi "lmagent_canary" && echo LEAK',
    expected: "no LEAK",
  },
  {
    name: "other processes are out of sight",
    command: '[ "$(ls -d /proc/[0-9]* | wc -l)" -gt 12 ] && echo LEAK',
    expected: "no LEAK",
  },
  {
    name: "there is no network",
    command: "[ \"$(grep -vc 'lo:' /proc/net/dev)\" -gt 2 ] && echo LEAK",
    expected: "no LEAK",
  },
  {
    name: "sessions cannot be changed",
    command:
      "mkdir -p .lmagent 2>/dev/null; touch .lmagent/test 2>/dev/null && rm .lmagent/test && echo LEAK",
    expected: "no LEAK",
  },
];

/** Tries what a command must not be able to do. Exit code 1 when one of the tries succeeds. */
export async function testSandbox(flags: SandboxFlags): Promise<number> {
  return withSandbox(flags, async (chosen) => {
    process.stdout.write(`sandbox  ${toLabel(chosen)}\n`);
    // A command that sees this sees the agent's environment.
    process.env["LMAGENT_CANARY"] = "1";
    let failed = 0;
    for (const check of CHECKS) {
      const problem = await tryCheck(chosen.sandbox, check);
      if (problem !== undefined) failed += 1;
      process.stdout.write(
        `${problem === undefined ? "ok      " : "FAILED  "} ${check.name}${problem ? `: ${problem}` : ""}\n`,
      );
    }
    return failed === 0 ? 0 : 1;
  });
}

async function tryCheck(sandbox: Sandbox, { command, expected }: Check): Promise<string | undefined> {
  let output = "";
  try {
    await sandbox.run(command, {
      timeoutMs: 10_000,
      onOutput: (chunk) => (output += Buffer.from(chunk).toString()),
    });
  } catch (error) {
    return errorMessage(error);
  }
  const passed = expected === "ok" ? output.trim().endsWith("ok") : !output.includes("LEAK");
  return passed ? undefined : output.trim().slice(0, 200) || "no answer";
}

async function withSandbox(
  flags: SandboxFlags,
  use: (chosen: ChosenSandbox) => Promise<number>,
): Promise<number> {
  const settings: Settings = await readSettings(
    { ...flags, ...(flags.backend === undefined ? {} : { sandbox: flags.backend }) },
    process.env,
    process.cwd(),
  );
  await using workspace = await openWorkspace(settings.workspace, {
    home: settings.userHome,
    stateDir: settings.home,
  });
  await using sandbox = createWorkspaceSandbox(settings, workspace.root, () => "normal");
  return use(await sandbox.choose());
}

function toRunOptions({ timeout, memory }: SandboxFlags): SandboxRunOptions {
  return {
    ...(timeout === undefined ? {} : { timeoutMs: 1_000 * toNumber("--timeout", timeout) }),
    ...(memory === undefined ? {} : { memoryMb: toNumber("--memory", memory) }),
  };
}

function toNumber(flag: string, value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !(number > 0))
    throw new AgentError("usage", `\`${flag} ${value}\` must be a number above 0.`);
  return number;
}
