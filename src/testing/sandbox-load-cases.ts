/** Commands that take more than their share: of processes, memory, output, processor, disk. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { assertGone, countOpenDescriptors, pause, uniqueDigits, uniqueSleep } from "./running-commands.ts";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

const MEGABYTE = 1_024 * 1_024;

export const LOAD_CASES: readonly SandboxCase[] = [
  { title: "bounds a storm of processes and answers the next command", check: checkStorm },
  {
    title: "bounds a fork bomb and answers the next command",
    exempt: { process: "it counts processes from time to time, and a bomb is quicker" },
    check: checkForkBomb,
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
  { title: "ends a single process that takes too much memory before it is far over", check: checkMemoryHog },
  {
    title: "gives each command the memory it was promised, whatever the one before got",
    async check({ run }) {
      const take = ["python3", "-c", `kept = bytearray(150 * ${MEGABYTE}); print(len(kept) > 0)`];
      assert.equal((await run(take, { memoryMb: 64, timeoutMs: 10_000 })).stdout, "");
      assert.equal((await run(take)).stdout, "True\n");
      assert.equal((await run(take, { memoryMb: 64, timeoutMs: 10_000 })).stdout, "");
      assert.equal((await run(take, { memoryMb: 100_000 })).stdout, "True\n");
    },
  },
  { title: "runs programs that reserve much and use little", check: checkUsualPrograms },
  { title: "passes a flood of output on without keeping it", check: checkFlood },
  { title: "makes a command wait whose output is not taken", check: checkBackpressure },
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
  { title: "leaves nothing behind after a hundred commands in a row", check: checkForLeaks },
  {
    title: "keeps a file from growing without end",
    async check({ run, workspace }) {
      const said = await run("truncate -s 30G huge; head -c 1 /dev/zero >> huge; fallocate -l 30G huge2");
      assert.notEqual(said.exitCode, 0);
      for (const name of ["huge", "huge2"]) {
        const sizeBytes = statSync(`${workspace}/${name}`, { throwIfNoEntry: false })?.size ?? 0;
        assert.ok(sizeBytes <= 1_024 * MEGABYTE + 1, `${name} has ${sizeBytes} bytes`);
      }
      await run("rm -f huge huge2; ulimit -c; ulimit -n").then(({ stdout }) => {
        const [coreBlocks, openFiles] = stdout.trim().split("\n").map(Number);
        assert.equal(coreBlocks, 0);
        assert.ok((openFiles ?? Infinity) <= 4_096, stdout);
      });
    },
  },
  {
    title: "ends commands that keep every processor busy at the time limit",
    async check({ run }) {
      const spin = "(while :; do :; done) &";
      const said = await run(`${spin} ${spin} ${spin} ${spin} wait`, { timeoutMs: 1_000 });
      assert.equal(said.stopped, "timeout");
      assert.ok(said.durationMs < 3_000, `took ${said.durationMs} ms`);
    },
  },
  {
    title: "leaves a part of one processor to others",
    exempt: {
      bubblewrap: "it has no way to share processors out without a control group",
      process: "it has no way to share processors out",
      seatbelt: "it has no way to share processors out",
    },
    check: checkProcessorShare,
  },
];

async function checkStorm({ run, subject }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  const storm = `i=0; while [ $i -lt 5000 ]; do ${sleep} & i=$((i+1)); echo $i; done; echo all of them; wait`;
  const said = await run(storm, { timeoutMs: 10_000 });
  assert.doesNotMatch(said.stdout, /all of them/);
  const reached = Math.max(0, ...said.stdout.split("\n").map(Number));
  // Without walls processes are only counted from time to time.
  assert.ok(reached <= (subject.backend === "process" ? 1_000 : 150), `${reached} processes were made`);
  await assertGone(sleep);
  await assertAnswers(run);
}

/** The next command is there in no time, whatever the one before did. */
async function assertAnswers(run: SandboxBox["run"]): Promise<void> {
  const startedMs = performance.now();
  assert.equal((await run("echo still here")).stdout, "still here\n");
  assert.ok(performance.now() - startedMs < 2_000, "the next command waits for the one before");
}

async function checkForkBomb({ run }: SandboxBox): Promise<void> {
  const mark = `bomb-${uniqueDigits()}`;
  await run(`: ${mark}; b() { b | b & }; b; sleep 1; echo over`, { timeoutMs: 5_000 });
  await assertAnswers(run);
  await assertGone(mark);
}

async function checkMemoryHog({ run }: SandboxBox): Promise<void> {
  const limitMb = 128;
  // It says before each step what it has; nothing stops a step half-way. Slow enough to be seen in time on a busy machine, since memory
  // is only looked at from time to time where there are no control groups.
  const hog = `import sys, time
kept = []
for step in range(128):
    kept.append(bytearray(4 * ${MEGABYTE}))
    print(len(kept) * 4, flush=True)
    time.sleep(0.02)`;
  const said = await run(["python3", "-c", hog], { memoryMb: limitMb, timeoutMs: 10_000 });
  assert.equal(said.stopped, "memory");
  const reachedMb = Number(said.stdout.trim().split("\n").at(-1));
  assert.ok(reachedMb <= limitMb * 1.3, `it had ${reachedMb} MB of ${limitMb} MB`);
  const atOnce = ["python3", "-c", `kept = bytearray(1_500 * ${MEGABYTE}); print("survived")`];
  const { stdout, exitCode } = await run(atOnce, { memoryMb: limitMb, timeoutMs: 10_000 });
  assert.ok(stdout === "" && exitCode !== 0, "twelve times the limit was given out");
}

async function checkUsualPrograms({ run, subject }: SandboxBox): Promise<void> {
  const node = `const { Worker } = require("node:worker_threads");
    require("node:http").createServer((_, answer) => answer.end("42")).listen(0, "127.0.0.1", async function () {
      new Worker("require('node:fs').writeFileSync('made-by-node', '')", { eval: true }).on("exit", async () => {
        const said = await (await fetch("http://127.0.0.1:" + this.address().port)).text();
        console.log(said, require("node:child_process").execFileSync("echo", ["child"]).toString());
        process.exit();
      });
    });`;
  const viaNode = await run(["node", "-e", node]);
  // Without walls it is another machine's `PATH`.
  assert.ok(viaNode.stdout === "42 child\n\n" || subject.backend === "process", viaNode.stderr);
  const python = `import multiprocessing, subprocess, threading, tempfile
if __name__ == "__main__":
    thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
    with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, -2]))
    print(subprocess.check_output(["echo", "child"]).decode(), tempfile.TemporaryFile().write(b"x"))`;
  const viaPython = await run(["python3", "-c", python]);
  assert.equal(viaPython.stdout, "thread\n[1, 2]\nchild\n 1\n", viaPython.stderr);
}

async function checkFlood({ sandbox }: SandboxBox): Promise<void> {
  const bytes = { stdout: 0, stderr: 0 };
  const before = process.memoryUsage().rss;
  // A gigabyte without the end of a line, and lines without end.
  const result = await sandbox.run("head -c 1000000000 /dev/zero >&2; yes | head -c 200000000", {
    timeoutMs: 60_000,
    onOutput: (chunk, stream) => {
      bytes[stream] += chunk.length;
    },
  });
  assert.deepEqual([result.exitCode, bytes], [0, { stdout: 200_000_000, stderr: 1_000_000_000 }]);
  assert.ok(process.memoryUsage().rss - before < 150_000_000);
}

async function checkBackpressure({ sandbox }: SandboxBox): Promise<void> {
  const before = process.memoryUsage().rss;
  let taken = 0;
  const result = await sandbox.run("yes", {
    timeoutMs: 1_000,
    onOutput: (chunk) => {
      taken += chunk.length;
      // A receiver that is slow: it holds everything else up as well.
      for (const until = performance.now() + 2; performance.now() < until;);
    },
  });
  assert.equal(result.stopped, "timeout");
  assert.ok(result.durationMs < 6_000, `took ${result.durationMs} ms`);
  assert.ok(taken > 0);
  assert.ok(process.memoryUsage().rss - before < 100_000_000);
}

async function checkForLeaks({ run }: SandboxBox): Promise<void> {
  const sleep = uniqueSleep();
  await run("true");
  await pause(50);
  const before = countOpenDescriptors();
  for (let count = 0; count < 100; count += 1) {
    assert.equal((await run(`${sleep} & echo ${count}`)).stdout, `${count}\n`);
  }
  await pause(50);
  await assertGone(sleep);
  const now = countOpenDescriptors();
  assert.ok(now <= before + 2, `${now} descriptors are open, ${before} were`);
}

/** Reads the processor time of everything inside before and after: ticks of a hundredth of a second, see proc(5). */
async function checkProcessorShare({ run }: SandboxBox): Promise<void> {
  const spin = `import glob, os, subprocess, time
def ticks():
    fields = [open(name).read().rsplit(")", 1)[1].split() for name in glob.glob("/proc/[0-9]*/stat")]
    return sum(int(each[11]) + int(each[12]) for each in fields)
children = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(4)]
time.sleep(0.3)
started, before = time.time(), ticks()
time.sleep(2)
print((ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.time() - started))`;
  const { stdout, stderr } = await run(["python3", "-c", spin]);
  const share = Number(stdout);
  // The share is dealt out in periods, so a short look sees a little more or less.
  assert.ok(share > 0.05 && share <= 1, `${stdout}${stderr}`);
}
