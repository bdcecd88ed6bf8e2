/** The part of the suite that holds for every sandbox, isolated or not. */
import assert from "node:assert/strict";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { AgentError } from "../core/errors.ts";
import type { SandboxCase } from "./sandbox.ts";

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
      const said = await run(
        "printf '\\377\\376\\000\\303'; sleep 0.05; printf '\\251\\r\\033]52;c;eA==\\007'",
      );
      const text = [0xa9, 0x0d, 0x1b, ...Buffer.from("]52;c;eA=="), 0x07];
      assert.deepEqual([...said.bytes], [0xff, 0xfe, 0x00, 0xc3, ...text]);
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

export const RUN_CASES: readonly SandboxCase[] = [...RESULT_CASES, ...PLACE_CASES];
