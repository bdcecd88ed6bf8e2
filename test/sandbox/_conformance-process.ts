/**
 * A process of its own for the suite, so that it can be an ordinary user. Arguments: the backend and the owner of the workspaces (`own` for this
 * user), then nothing to run all cases, or the workspace and the command of an agent that is going to be killed.
 * Writes one line of JSON per case.
 */
import { spawn } from "node:child_process";
import type { SandboxBackend } from "../../src/core/sandbox.ts";
import { describeSandbox, type SandboxSubject } from "../../src/testing/sandbox.ts";
import { giveTo, openBackend } from "./_backends.ts";
import { findTestDocker } from "./_docker.ts";

export interface Outcome {
  title: string;
  /** Absent when the case passed. */
  error?: string;
  durationMs: number;
}

const CASE_TIMEOUT_MS = 60_000;

const [script, backend, owner = "own", workspace, command] = process.argv.slice(1) as [
  string,
  SandboxBackend,
  string?,
  string?,
  string?,
];

/** Failures that nobody waited for; they count against the case in which they came. */
const strays: unknown[] = [];
process.on("unhandledRejection", (thrown) => strays.push(thrown));

async function runCases(): Promise<void> {
  const docker = findTestDocker();
  const subject: SandboxSubject = {
    backend,
    open: (root) => openBackend(backend, root),
    prepareWorkspace: (path) => giveTo(path, owner === "own" ? undefined : Number(owner)),
    startAgent: (root, line) =>
      spawn(process.execPath, [script, backend, owner, root, line], { stdio: ["ignore", "pipe", "inherit"] }),
    hidden: typeof docker === "string" ? [] : [docker.socketPath],
  };
  const cases: { title: string; check: () => Promise<void> }[] = [];
  describeSandbox(backend, subject, {
    describe: (_, body) => body(),
    it: (title, check) => cases.push({ title, check }),
  });
  const only = process.env["LMAGENT_TEST_ONLY"];
  for (const { title, check } of cases) {
    if (only && !title.includes(only)) continue;
    const startedMs = performance.now();
    const error = await failureOf(check);
    const outcome: Outcome = { title, durationMs: performance.now() - startedMs, ...error };
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  }
}

async function failureOf(check: () => Promise<void>): Promise<{ error?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`it did not end within ${CASE_TIMEOUT_MS} ms`)),
      CASE_TIMEOUT_MS,
    );
  });
  try {
    strays.length = 0;
    await Promise.race([check(), late]);
    if (strays.length > 0) throw strays[0];
    return {};
  } catch (thrown) {
    return { error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) };
  } finally {
    clearTimeout(timer);
  }
}

async function runAgent(root: string, line: string): Promise<void> {
  const sandbox = openBackend(backend, root);
  await sandbox.run("true");
  process.stdout.write("ready");
  await sandbox.run(line, { timeoutMs: 60_000 });
  await sandbox[Symbol.asyncDispose]();
}

if (workspace !== undefined && command !== undefined) await runAgent(workspace, command);
else await runCases();
