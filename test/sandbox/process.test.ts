import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createProcessSandbox } from "../../src/sandbox/index.ts";
import { countCommands, uniqueSleep, waitForCommand } from "../../src/testing/running-commands.ts";

const workspaceRoot = mkdtempSync(join(realpathSync(tmpdir()), "lmagent-process-test-"));
afterAll(() => rmSync(workspaceRoot, { recursive: true }));

/** Its environment, its session and, where the shell in between ends, its parent tell nothing. */
const LEAVING = ["env -i setsid SLEEP &", "(env -i setsid SLEEP &)", "(env -i setsid sh -c 'SLEEP; true' &)"];

describe.runIf(process.platform === "linux")("a process that has left its command", () => {
  it.each(LEAVING)("is ended at the time limit: %s", async (leaving) => {
    await using sandbox = createProcessSandbox({ workspaceRoot });
    const sleep = uniqueSleep();
    const line = `${leaving.replace("SLEEP", sleep)}\nsleep 60`;
    const { stopped } = await sandbox.run(line, { timeoutMs: 500 });
    expect([stopped, await countCommands(sleep)]).toEqual(["timeout", 0]);
  });

  it.each(LEAVING)("is ended on an abort: %s", async (leaving) => {
    await using sandbox = createProcessSandbox({ workspaceRoot });
    const sleep = uniqueSleep();
    const ending = new AbortController();
    const line = `${leaving.replace("SLEEP", sleep)}\nsleep 60`;
    const running = sandbox.run(line, { signal: ending.signal });
    await waitForCommand(sleep);
    ending.abort();
    expect([(await running).stopped, await countCommands(sleep)]).toEqual(["aborted", 0]);
  });

  it.each(LEAVING)("is ended after a normal end, however early: %s", async (leaving) => {
    await using sandbox = createProcessSandbox({ workspaceRoot });
    for (const later of ["true", "sleep 0.2"]) {
      const sleep = uniqueSleep();
      const { exitCode } = await sandbox.run(`${leaving.replace("SLEEP", sleep)}\n${later}`);
      expect([exitCode, await countCommands(sleep)]).toEqual([0, 0]);
    }
  });

  it("is ended with a program that stays", async () => {
    await using sandbox = createProcessSandbox({ workspaceRoot });
    const sleep = uniqueSleep();
    const program = await sandbox.start(["/bin/sh", "-c", `(env -i setsid ${sleep} &)\ncat`]);
    await waitForCommand(sleep);
    await program[Symbol.asyncDispose]();
    expect(await countCommands(sleep)).toBe(0);
  });

  it("is not looked for among what others start meanwhile", async () => {
    await using sandbox = createProcessSandbox({ workspaceRoot });
    await using other = createProcessSandbox({ workspaceRoot });
    const sleep = uniqueSleep();
    const ending = new AbortController();
    const short = sandbox.run("sleep 0.5");
    const running = other.run(`(env -i setsid ${sleep} &)\nsleep 60`, { signal: ending.signal });
    await waitForCommand(sleep);
    expect((await short).exitCode).toBe(0);
    // The shell, whose line names it, and itself.
    expect(await countCommands(sleep)).toBe(2);
    ending.abort();
    await running;
    expect(await countCommands(sleep)).toBe(0);
  });
});
