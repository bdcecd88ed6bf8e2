/** The part of the suite that holds for every sandbox, isolated or not. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { AgentError } from "../core/errors.ts";
import { countCommands } from "./running-commands.ts";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

const RESULT_CASES: readonly SandboxCase[] = [
  {
    title: "gives the streams apart and the exit code as it was",
    async check({ run }) {
      const said = await run("echo out; echo err >&2; exit 3");
      assert.deepEqual(
        [said.exitCode, said.stdout, said.stderr, said.stopped],
        [3, "out\n", "err\n", undefined],
      );
    },
  },
  {
    title: "keeps exit codes that look like signals and timeouts",
    async check({ run }) {
      for (const code of [0, 1, 124, 126, 137, 139, 255]) {
        const said = await run(`exit ${code}`);
        assert.deepEqual([said.exitCode, said.stopped], [code, undefined]);
      }
      const own = await run("timeout 0.1 sleep 5");
      assert.deepEqual([own.exitCode, own.stopped], [124, undefined]);
    },
  },
  {
    title: "reports a signal as 128 and its number",
    async check({ run }) {
      for (const [name, code] of Object.entries({ KILL: 137, SEGV: 139, TERM: 143 })) {
        const said = await run(`kill -${name} $$`);
        assert.deepEqual([said.exitCode, said.stopped], [code, undefined]);
        assert.ok(said.signal === undefined || said.signal === `SIG${name}`);
      }
    },
  },
  {
    title: "passes each argument on byte for byte",
    async check({ run }) {
      const odd = ["-n", "", "a b", 'it\'s "$(echo x)" `y` $HOME', "two\nlines\n", "\\", "--", "ü€😀", "*"];
      const said = await run(["/usr/bin/printf", "%s\\n--\\n", ...odd]);
      assert.equal(said.stdout, odd.map((each) => `${each}\n--\n`).join(""));
    },
  },
  {
    title: "passes a shell line on byte for byte",
    async check({ run }) {
      assert.equal(
        (await run("printf '%s' 'a\"b' \"c'd\" \\$x\nprintf '%s' \"$0\"")).stdout,
        "a\"bc'd$x/bin/sh",
      );
      const minus = await run("-x");
      assert.ok(minus.exitCode !== 0);
    },
  },
  {
    title: "takes an argument of 100 KB and refuses one that cannot be passed",
    async check({ run }) {
      const long = "x".repeat(100_000);
      assert.equal((await run(["/usr/bin/printf", "%s", long])).stdout, long);
      assert.equal((await run(`printf %s ${long} | wc -c`)).stdout.trim(), "100000");
      await assert.rejects(run("x".repeat(1_000_000)), (thrown) => AgentError.is(thrown));
      await assert.rejects(run("echo a\0b"), (thrown) => AgentError.is(thrown));
      await assert.rejects(run([]), (thrown) => AgentError.is(thrown));
    },
  },
  {
    title: "lets a command open its output by name",
    async check({ run }) {
      const said = await run("echo a > /dev/stdout; echo b > /dev/stderr; echo c | tee /dev/stderr");
      assert.deepEqual([said.exitCode, said.stdout, said.stderr], [0, "a\nc\n", "b\nc\n"]);
    },
  },
  {
    title: "is not kept from running by what a command did to its output",
    async check({ run }) {
      await run("chmod 0 /proc/self/fd/1 /proc/self/fd/2");
      assert.equal((await run("echo still here")).stdout, "still here\n");
    },
  },
  {
    title: "gives bytes that are no text unchanged",
    async check({ run }) {
      const said = await run("printf '\\377\\376\\000\\303'");
      assert.deepEqual([...said.bytes], [0xff, 0xfe, 0x00, 0xc3]);
    },
  },
  {
    title: "reports a program that is not there as 127",
    async check({ run }) {
      assert.equal((await run("no-such-program-here")).exitCode, 127);
      assert.equal((await run(["no-such-program-here"])).exitCode, 127);
    },
  },
];

const PLACE_CASES: readonly SandboxCase[] = [
  {
    title: "starts in the root of the workspace or in a folder below it",
    async check({ run, workspace }) {
      await writeFile(`${workspace}/here`, "");
      await mkdir(`${workspace}/sub dir`);
      assert.equal((await run("ls")).stdout, "here\nsub dir\n");
      assert.match((await run("pwd", { cwd: "sub dir" })).stdout, /\/sub dir\n$/);
    },
  },
  {
    title: "refuses to start outside the workspace",
    async check({ run, workspace }) {
      await symlink("/", `${workspace}/out`);
      for (const cwd of ["..", "../..", "/", "/etc", "out", "out/etc", "a/../..", "a\0b"]) {
        await assert.rejects(run("pwd", { cwd }), (thrown) => AgentError.is(thrown, "path_refused"), cwd);
      }
      await assert.rejects(run("pwd", { cwd: "missing" }), (thrown) => AgentError.is(thrown, "file_failed"));
    },
  },
  {
    title: "writes into the workspace as the user who owns it",
    async check({ run, workspace }) {
      assert.equal((await run("echo made > made.txt && mkdir d && stat -c %u . made.txt")).exitCode, 0);
      assert.equal(await readFile(`${workspace}/made.txt`, "utf8"), "made\n");
      await writeFile(`${workspace}/made.txt`, "changed\n");
      assert.equal((await run("cat made.txt && echo more >> made.txt")).stdout, "changed\n");
    },
  },
  {
    title: "passes nothing of the agent's environment on",
    async check({ run }) {
      process.env["LMAGENT_CANARY"] = "canary-value";
      try {
        assert.doesNotMatch((await run("env; export -p; cat /proc/self/environ")).stdout, /canary/i);
      } finally {
        delete process.env["LMAGENT_CANARY"];
      }
      const said = await run('echo "$ADDED|$HOME|$TERM"', { env: { ADDED: "a b'c" } });
      assert.match(said.stdout, /^a b'c\|\/.+\|dumb\n$/);
    },
  },
  {
    title: "closes the input and passes no open descriptors on",
    async check({ run }) {
      const said = await run("cat; ls -l /proc/self/fd");
      assert.equal(said.exitCode, 0);
      // 0, 1, 2 and the listing itself; whatever else is open leads nowhere.
      const open = said.stdout.split("\n").filter((line) => / \d+ -> /.test(line));
      const others = open.filter((line) => !/ [0-2] -> |\/proc\/\d+\/fd$| -> \/dev\/null$/.test(line));
      assert.deepEqual(others, []);
    },
  },
];

let nextDuration = 0;

/** A `sleep` that no other process on this machine runs. */
function uniqueSleep(): string {
  nextDuration += 1;
  return `sleep 77.${process.pid}${Date.now()}${nextDuration}`;
}

async function assertGone(command: string): Promise<void> {
  assert.equal(await countCommands(command), 0, `\`${command}\` is still running`);
}

async function waitForCommand(command: string): Promise<void> {
  for (let tries = 0; tries < 200 && (await countCommands(command)) === 0; tries += 1) await pause(20);
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

const END_CASES: readonly SandboxCase[] = [
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
];

const LOAD_CASES: readonly SandboxCase[] = [
  {
    title: "bounds a storm of processes and answers the next command",
    async check({ run }) {
      const sleep = uniqueSleep();
      const storm = `i=0; while [ $i -lt 5000 ]; do ${sleep} & i=$((i+1)); done; echo all of them; wait`;
      const said = await run(storm, { timeoutMs: 10_000 });
      assert.doesNotMatch(said.stdout, /all of them/);
      await assertGone(sleep);
      assert.equal((await run("echo still here")).stdout, "still here\n");
    },
  },
  {
    title: "ends a tree that takes too much memory together",
    async check({ run }) {
      const hog = "head -c 60000000 /dev/zero | tail -c 59999999 | sleep 8 &";
      const said = await run(`${hog} ${hog} ${hog} ${hog} wait; echo survived`, {
        memoryMb: 64,
        timeoutMs: 10_000,
      });
      assert.deepEqual([said.stopped, said.stdout], ["memory", ""]);
    },
  },
  {
    title: "runs programs that reserve much and use little",
    async check({ run }) {
      const said = await run([process.execPath, "-e", "console.log(6 * 7)"]);
      assert.ok(said.exitCode === 127 || said.stdout === "42\n", said.stderr);
    },
  },
  {
    title: "passes a flood of output on without keeping it",
    async check({ sandbox }) {
      let bytes = 0;
      const before = process.memoryUsage().rss;
      const result = await sandbox.run("head -c 300000000 /dev/zero; head -c 1000000 /dev/zero >&2", {
        onOutput: (chunk) => {
          bytes += chunk.length;
        },
      });
      assert.deepEqual([result.exitCode, bytes], [0, 301_000_000]);
      assert.ok(process.memoryUsage().rss - before < 150_000_000);
    },
  },
  {
    title: "runs two commands at once without mixing them",
    async check({ run }) {
      const both = await Promise.all(
        ["one", "two"].map((word) => run(`sleep 0.2; echo ${word}; echo ${word} >&2`)),
      );
      assert.deepEqual(
        both.map(({ stdout, stderr }) => stdout + stderr),
        ["one\none\n", "two\ntwo\n"],
      );
    },
  },
  { title: "leaves nothing behind after fifty commands in a row", check: checkForLeaks },
];

async function checkForLeaks({ run }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  await run("true");
  await pause(50);
  const before = openDescriptors();
  for (let count = 0; count < 50; count += 1) {
    assert.equal((await run(`${sleep} & echo ${count}`)).stdout, `${count}\n`);
  }
  await pause(50);
  await assertGone(sleep);
  assert.ok(openDescriptors() <= before + 2, `${openDescriptors()} descriptors are open, ${before} were`);
}

function openDescriptors(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}

export const RUN_CASES: readonly SandboxCase[] = [
  ...RESULT_CASES,
  ...PLACE_CASES,
  ...END_CASES,
  ...LOAD_CASES,
];
