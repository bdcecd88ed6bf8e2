/** How commands come to their end, by themselves and otherwise. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { assertGone, pause, uniqueSleep, waitForCommand, waitUntilGone } from "./running-commands.ts";
import { runAndCollect } from "./sandbox-output.ts";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

export const END_CASES: readonly SandboxCase[] = [
  {
    title: "ends a command and all its children at the time limit",
    async check({ run }) {
      const sleep = uniqueSleep();
      const said = await run(`echo begun; ${sleep} & setsid ${sleep} & ${sleep}`, { timeoutMs: 1_000 });
      assert.deepEqual([said.stopped, said.stdout], ["timeout", "begun\n"]);
      assert.ok(said.durationMs >= 950 && said.durationMs < 4_000, `took ${said.durationMs} ms`);
      await assertGone(sleep);
    },
  },
  {
    title: "brings limits that make no sense into range",
    async check({ run }) {
      for (const timeoutMs of [-1, 0, Number.NaN, 1e9, "30" as unknown as number]) {
        assert.equal((await run("true", { timeoutMs, memoryMb: timeoutMs })).exitCode, 0);
      }
    },
  },
  {
    title: "ends a command and all its children on an abort",
    async check({ run }) {
      const sleep = uniqueSleep();
      const aborter = new AbortController();
      const running = run(`${sleep} & setsid ${sleep} & ${sleep}`, { signal: aborter.signal });
      await waitForCommand(sleep);
      const started = performance.now();
      aborter.abort();
      assert.equal((await running).stopped, "aborted");
      assert.ok(performance.now() - started < 2_000);
      await assertGone(sleep);
    },
  },
  {
    title: "ends a command that is aborted while it starts",
    async check({ run }) {
      const sleep = uniqueSleep();
      for (let afterMs = 0; afterMs < 15; afterMs += 0.5) {
        const aborter = new AbortController();
        const running = run(`${sleep} & ${sleep}`, { signal: aborter.signal });
        await pause(afterMs);
        aborter.abort();
        assert.equal((await running).stopped, "aborted");
      }
      await assertGone(sleep);
    },
  },
  {
    title: "does not start a command whose signal is already aborted",
    async check({ run, workspace }) {
      const said = await run("touch started", { signal: AbortSignal.abort() });
      assert.equal(said.stopped, "aborted");
      assert.deepEqual(
        readdirSync(workspace).filter((name) => name === "started"),
        [],
      );
    },
  },
  {
    title: "does not wait for a child that holds the output, and ends it",
    async check({ run }) {
      const sleep = uniqueSleep();
      const said = await run(
        `${sleep} & setsid ${sleep} & (setsid ${sleep} >/dev/null 2>&1 &) ; echo started`,
      );
      assert.deepEqual([said.exitCode, said.stdout, said.stopped], [0, "started\n", undefined]);
      assert.ok(said.durationMs < 2_000, `took ${said.durationMs} ms`);
      await assertGone(sleep);
    },
  },
  {
    title: "takes children along that have left their session, their parent and their terminal",
    async check({ run }) {
      const sleep = uniqueSleep();
      // As a daemon does it: a new session, then a second fork, so that nothing leads back to the command.
      const daemon = `import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in (0, 1, 2): os.close(descriptor)
        os.execvp("sleep", ${JSON.stringify(sleep.split(" "))})
    os._exit(0)`;
      const said = await run(
        `nohup ${sleep} >/dev/null 2>&1 & setsid nohup ${sleep} >/dev/null 2>&1 & python3 -c '${daemon}'; sleep 0.2; echo over`,
      );
      assert.deepEqual([said.stdout, said.stopped], ["over\n", undefined]);
      await assertGone(sleep);
    },
  },
  { title: "ends one of two commands and leaves the other alone", check: checkOneOfTwo },
  { title: "says how a command that kills everything around it ended", check: checkKillAll },
  { title: "serves two agents in one workspace", check: checkTwoAgents },
  { title: "ends its commands when the sandbox is disposed", check: checkDisposal },
  { title: "leaves nothing when the agent is killed", check: checkKilledAgent },
];

async function checkOneOfTwo({ run, workspace }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  const aborter = new AbortController();
  const first = run("sleep 0.7; echo first");
  const second = run(`touch begun; ${sleep}`, { signal: aborter.signal });
  const queued = run("touch queued", { signal: aborter.signal });
  await pause(250);
  const startedMs = performance.now();
  aborter.abort();
  const [{ stopped }, third] = [await second, await queued];
  assert.equal(stopped, "aborted");
  assert.ok(performance.now() - startedMs < 2_000, "an aborted command answers at once, also one that waits");
  // It is that short that it may have been over before.
  assert.ok(third.stopped === "aborted" || existsSync(`${workspace}/queued`));
  const { stdout, stopped: why } = await first;
  assert.deepEqual([stdout, why], ["first\n", undefined]);
  await assertGone(sleep);
}

async function checkKillAll({ run, subject }: SandboxBox): Promise<void> {
  // Without walls that would be everything of this user.
  if (subject.backend !== "process") {
    const said = await run("echo begun; kill -KILL -1; echo survived");
    assert.equal(said.stdout.startsWith("begun\n"), true);
  }
  assert.notEqual((await run("kill -KILL 0")).exitCode, 0);
  assert.equal((await run("echo still here")).stdout, "still here\n");
}

/** Writes one file and reads what the other agent writes, whenever its sandbox is ready. */
function exchange(own: string, other: string): string {
  return `echo ${own} > ${own}; until [ -s ${other} ]; do sleep 0.05; done; cat ${other}`;
}

async function checkTwoAgents({ subject, sandbox, workspace, run }: SandboxBox): Promise<void> {
  const other = await subject.open(workspace);
  const both = await Promise.all([run(exchange("a", "b")), runAndCollect(other, exchange("b", "a"))]);
  assert.deepEqual(
    both.map(({ stdout }) => stdout),
    ["b\n", "a\n"],
  );
  const running = run("sleep 0.5; echo over");
  await other[Symbol.asyncDispose]();
  assert.equal((await running).stdout, "over\n");
  assert.equal((await sandbox.run("true")).exitCode, 0);
}

async function checkDisposal({ run, sandbox }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  const running = run(`${sleep} & setsid ${sleep} & ${sleep}`).catch(() => undefined);
  await waitForCommand(sleep, 3);
  await sandbox[Symbol.asyncDispose]();
  await running;
  assert.ok(await waitUntilGone(sleep, 2_000), "a command outlives its sandbox");
}

async function checkKilledAgent({ subject, workspace, run }: SandboxBox): Promise<void> {
  if (subject.startAgent === undefined) return;
  const sleep = uniqueSleep();
  const agent = subject.startAgent(workspace, `${sleep} & setsid ${sleep} & ${sleep}`);
  const ended = new Promise((resolve) => agent.once("close", resolve));
  try {
    await new Promise((resolve) => agent.stdout?.once("data", resolve));
    // The agent's own arguments hold the text too.
    await waitForCommand(sleep, 4);
  } finally {
    agent.kill("SIGKILL");
    await ended;
  }
  const gone = await waitUntilGone(sleep, 2_000);
  // A container lives on without its agent; the next start clears it away.
  if (!gone && subject.backend === "docker") {
    await run("true");
    await assertGone(sleep);
  } else assert.ok(gone, "two seconds after the agent its commands still run");
}
