/** Programs that stay: started once and spoken to. */
import assert from "node:assert/strict";
import type { Sandbox, SandboxProcess, SandboxRunOptions } from "../core/sandbox.ts";
import { AgentError } from "../core/errors.ts";
import { assertGone, pause, uniqueSleep, waitForCommand, waitUntilGone } from "./running-commands.ts";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

export const PROGRAM_CASES: readonly SandboxCase[] = [
  { title: "talks to a program that stays through its input and output", check: checkTalk },
  { title: "says how a program that stays ended", check: checkEnds },
  { title: "ends a program that stays, with all it started, when it is disposed", check: checkDisposal },
  { title: "ends programs that stay together with the sandbox", check: checkEndOfSandbox },
  { title: "keeps commands and programs that stay apart", check: checkApart },
  { title: "limits programs that stay like commands", check: checkLimits },
];

interface Talk extends AsyncDisposable {
  program: SandboxProcess;
  /** Waits until standard output holds `text`. */
  hear: (text: string) => Promise<string>;
  heard: () => string;
}

async function start(
  sandbox: Sandbox,
  command: readonly string[],
  options: Omit<SandboxRunOptions, "timeoutMs"> = {},
): Promise<Talk> {
  let said = "";
  const program = await sandbox.start(command, {
    ...options,
    onOutput: (chunk, stream) => {
      if (stream === "stdout") said += Buffer.from(chunk).toString("latin1");
    },
  });
  const hear = async (text: string): Promise<string> => {
    for (let tries = 0; tries < 500 && !said.includes(text); tries += 1) await pause(10);
    assert.ok(said.includes(text), `\`${text}\` was not said, but \`${said.slice(0, 200)}\``);
    return said;
  };
  return { program, hear, heard: () => said, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

async function checkTalk({ sandbox, workspace, put }: SandboxBox): Promise<void> {
  await using echo = await start(sandbox, ["cat"]);
  for (const line of ["first\n", "zweite ü\n", "x".repeat(300_000) + "\n"]) {
    assert.equal(await echo.program.write(Buffer.from(line, "latin1")), true);
    await echo.hear(line);
  }
  echo.program.endInput();
  assert.equal((await echo.program.ended).exitCode, 0);
  assert.equal(await echo.program.write(Buffer.from("late")), false);
  await put("asked", "in the workspace");
  await using server = await start(
    sandbox,
    ["sh", "-c", 'while read -r name; do cat "$name"; echo "|$ADDED"; done; echo over >&2; exit 3'],
    {
      env: { ADDED: "a b" },
      cwd: ".",
    },
  );
  await server.program.write(Buffer.from("asked\n"));
  await server.hear("in the workspace|a b\n");
  await server.program.write(Buffer.from("made-later\n"));
  server.program.endInput();
  assert.equal((await server.program.ended).exitCode, 3);
  assert.notEqual(workspace, "");
}

async function checkEnds({ sandbox }: SandboxBox): Promise<void> {
  const ends = async (line: string, options = {}) =>
    (await start(sandbox, ["sh", "-c", line], options)).program.ended;
  assert.equal((await ends("exit 137")).exitCode, 137);
  assert.equal((await ends("kill -TERM $$")).exitCode, 143);
  assert.equal((await (await start(sandbox, ["no-such-program-here"])).program.ended).exitCode, 127);
  const aborter = new AbortController();
  const aborted = await start(sandbox, ["sleep", "60"], { signal: aborter.signal });
  aborter.abort();
  assert.equal((await aborted.program.ended).stopped, "aborted");
  for (const command of [[], ["a\0b"]]) {
    await assert.rejects(sandbox.start(command), (thrown) => AgentError.is(thrown, "usage"));
  }
  await assert.rejects(sandbox.start(["true"], { cwd: ".." }), (thrown) =>
    AgentError.is(thrown, "path_refused"),
  );
}

async function checkDisposal({ sandbox, run }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  const kept = uniqueSleep();
  await using other = await start(sandbox, ["sh", "-c", `echo up; ${kept}; true`]);
  await other.hear("up");
  const program = await start(sandbox, ["sh", "-c", `${sleep} & setsid ${sleep} & echo up; ${sleep}; true`]);
  await program.hear("up");
  await waitForCommand(sleep, 3);
  await program.program[Symbol.asyncDispose]();
  await assertGone(sleep);
  assert.equal(typeof (await program.program.ended).exitCode, "number");
  await program.program[Symbol.asyncDispose]();
  // Neither the others nor commands notice.
  await waitForCommand(kept);
  assert.equal((await run("echo still here")).stdout, "still here\n");
}

async function checkEndOfSandbox({ sandbox }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  const programs = [
    await start(sandbox, ["sh", "-c", `setsid ${sleep} & ${sleep}; true`]),
    await start(sandbox, sleep.split(" ")),
  ];
  await waitForCommand(sleep, 3);
  await sandbox[Symbol.asyncDispose]();
  assert.ok(await waitUntilGone(sleep, 2_000), "a program outlives its sandbox");
  for (const { program } of programs) assert.notEqual((await program.ended).exitCode, 0);
}

async function checkApart({ sandbox, run, subject }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  await using echo = await start(sandbox, ["cat"]);
  await using stays = await start(sandbox, [
    "sh",
    "-c",
    `echo mine > /tmp/of-program; echo up; ${sleep}; true`,
  ]);
  await stays.hear("up");
  await echo.program.write(Buffer.from("before\n"));
  await echo.hear("before\n");
  const timedOut = await run("sleep 5", { timeoutMs: 1_000 });
  assert.equal(timedOut.stopped, "timeout");
  const aborter = new AbortController();
  const aborted = run("sleep 5", { signal: aborter.signal });
  await pause(100);
  aborter.abort();
  assert.equal((await aborted).stopped, "aborted");
  // What only walls can keep apart.
  if (subject.backend !== "process") {
    const said = await run(`cat /proc/*/cmdline | tr '\\0' ' '; ls /tmp; kill -KILL -1`);
    assert.doesNotMatch(said.stdout, /of-program|77\.\d/);
  }
  await echo.program.write(Buffer.from("after\n"));
  await echo.hear("after\n");
  await waitForCommand(sleep);
}

async function checkLimits({ sandbox, run, subject }: SandboxBox): Promise<void> {
  const hog =
    "import sys\nsys.stdin.readline()\nkept = bytearray(600 * 1024 * 1024)\nprint('survived', flush=True)";
  const program = await start(sandbox, ["python3", "-c", hog], { memoryMb: 128 });
  await program.program.write(Buffer.from("now\n"));
  const { exitCode } = await program.program.ended;
  assert.deepEqual([exitCode === 0, program.heard()], [false, ""]);
  const sleep = uniqueSleep();
  const storm = `read -r _; i=0; while [ $i -lt 2000 ]; do ${sleep} & i=$((i+1)); done; echo all of them; wait`;
  await using many = await start(sandbox, ["sh", "-c", storm]);
  await many.program.write(Buffer.from("now\n"));
  await pause(500);
  assert.equal((await run("echo still here")).stdout, "still here\n");
  assert.doesNotMatch(many.heard(), /all of them/);
  await many.program[Symbol.asyncDispose]();
  await assertGone(sleep);
  if (subject.backend === "process") return;
  await using inside = await start(sandbox, [
    "sh",
    "-c",
    "grep -E 'NoNewPrivs|Seccomp:|CapEff' /proc/self/status; cat /etc/shadow; env; ls /home /root; echo end",
  ]);
  const said = await inside.hear("end");
  assert.match(said, /CapEff:\t0{16}\nNoNewPrivs:\t1\nSeccomp:\t2\n/);
}
