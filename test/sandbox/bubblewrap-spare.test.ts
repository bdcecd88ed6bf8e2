/** The sandbox that is started ahead of its command: it is the same as a new one, or it is not used. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import type { Sandbox, SandboxRunOptions } from "../../src/core/sandbox.ts";
import { createBubblewrapSandbox, findTrustedBinary, probeBubblewrap } from "../../src/sandbox/index.ts";
import { toHandOver } from "../../src/sandbox/hand-over.ts";
import { countCommands, pause, uniqueDigits, waitUntilGone } from "../../src/testing/running-commands.ts";

const folder = mkdtempSync(join(realpathSync(tmpdir()), "lmagent-spare-test-"));
const bwrapPath = findTrustedBinary("bwrap", folder) ?? "/usr/bin/bwrap";
const { usable } = await probeBubblewrap({ workspaceRoot: folder, bwrapPath });
afterAll(() => rmSync(folder, { recursive: true }));

let workspaceRoot: string;
/** In the arguments of every bubblewrap of this sandbox. */
let toolchain: string;
beforeEach(() => {
  workspaceRoot = mkdtempSync(join(folder, "work-"));
  toolchain = `/opt/no-toolchain-${uniqueDigits()}`;
});
const open = (): Sandbox => createBubblewrapSandbox({ workspaceRoot, bwrapPath, toolchains: [toolchain] });

async function say(sandbox: Sandbox, command: string | readonly string[], options: SandboxRunOptions = {}) {
  const chunks: Uint8Array[] = [];
  const { exitCode } = await sandbox.run(command, { ...options, onOutput: (chunk) => chunks.push(chunk) });
  return { exitCode, said: Buffer.concat(chunks).toString() };
}

/** Until one waits that has had time to get ready. */
async function waitForSpare(): Promise<number> {
  for (let tries = 0; tries < 500; tries += 1) {
    if ((await countCommands(toolchain)) > 0) break;
    await pause(10);
  }
  await pause(300);
  return countCommands(toolchain);
}

/** How long before the command its sandbox was there. */
async function readAgeMs(sandbox: Sandbox, options: SandboxRunOptions = {}): Promise<number> {
  const [stat = "", uptime = ""] = (await say(sandbox, "cat /proc/1/stat /proc/uptime", options)).said.split(
    "\n",
  );
  const startTicks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  return Number(uptime.split(" ")[0]) * 1_000 - startTicks * 10;
}

/** Each has its own pipes and is at another time. */
const withoutNames = (said: string): string => said.replaceAll(/-pipes-\S+|\d\d:\d\d|pipe:.*/g, "");

/** More than a new sandbox has behind it when its command starts, less than `waitForSpare` waits. */
const WAITED_MS = 250;

describe.runIf(usable)("a sandbox that was started ahead", () => {
  it("is taken by the next command, and each command has its own", async () => {
    await using sandbox = open();
    await sandbox.run("echo first > /tmp/file");
    for (let count = 0; count < 3; count += 1) {
      await waitForSpare();
      expect(await readAgeMs(sandbox)).toBeGreaterThan(WAITED_MS);
      expect((await say(sandbox, "ls -A /tmp; echo x > /tmp/file")).said).toBe("");
    }
  });

  it("gives a command exactly what a new one gives", async () => {
    mkdirSync(join(workspaceRoot, 'it\'s a "folder"\n'));
    const look = `env | sort; pwd; ulimit -a; echo "$0 $# $-"; umask; ls -l /proc/self/fd | sed 's/.* \\([0-9]\\) -> /\\1 /; s/[0-9][0-9]*\\]/n]/' | grep -v total
      grep -E '^(Cap|NoNew|Seccomp|Sig|Uid|Gid|Groups)' /proc/self/status; cat; echo /proc/[0-9]*`;
    const options: SandboxRunOptions[] = [
      {},
      {
        cwd: 'it\'s a "folder"\n',
        env: { KEY: "a'b\n\"$(echo x)`\\ ä€ā", LC_ALL: "C", PATH: "/usr/bin:/bin" },
      },
      { env: { "no.identifier": "x", IFS: "x", PWD: "/elsewhere" } },
    ];
    for (const each of options) {
      await using sandbox = open();
      const expected = await say(sandbox, look, each);
      expect(expected.said).toMatch(/PWD=/);
      await waitForSpare();
      const { exitCode, said } = await say(sandbox, look, each);
      expect(exitCode).toBe(expected.exitCode);
      expect(withoutNames(said)).toBe(withoutNames(expected.said));
    }
  });

  it.each([1, 100_000])("hands arguments over byte for byte, %d times as many", async (times) => {
    await using sandbox = open();
    const letters = Array.from({ length: 0x17f }, (_, index) => String.fromCodePoint(index + 1)).join("");
    const args = ["-e", "x", "", "'", "''\\''", "\n\n", "$HOME", letters, "é".repeat(times)];
    const script = "import sys, os; sys.stdout.write(repr([os.fsencode(a) for a in sys.argv[1:]]))";
    const command = ["python3", "-c", script, ...args.map((each) => each.slice(0, 60_000))];
    const expected = await say(sandbox, command);
    await waitForSpare();
    expect(await say(sandbox, command)).toEqual(expected);
    expect(expected.said).toContain("\\xc5\\xbf");
  });

  it("counts the time limit from the command, and tells ends like a new one", async () => {
    await using sandbox = open();
    await sandbox.run("true");
    await waitForSpare();
    await pause(900);
    const slow = await sandbox.run("sleep 0.3; exit 7", { timeoutMs: 1_000 });
    expect(slow).toMatchObject({ exitCode: 7 });
    expect(slow.durationMs).toBeLessThan(900);
    await waitForSpare();
    expect(await sandbox.run("sleep 20", { timeoutMs: 1_000 })).toMatchObject({ stopped: "timeout" });
    await waitForSpare();
    expect(await say(sandbox, ["no-such-program"])).toMatchObject({ exitCode: 127 });
    await waitForSpare();
    const aborted = await sandbox.run("echo x > made", { signal: AbortSignal.abort() });
    expect(aborted).toMatchObject({ stopped: "aborted" });
    expect((await say(sandbox, "ls")).said).toBe("");
  });

  it("is left when it no longer fits", async () => {
    const envrc = join(workspaceRoot, ".envrc");
    writeFileSync(envrc, "");
    await using sandbox = open();
    const changes: (() => void)[] = [
      () => mkdirSync(join(workspaceRoot, ".git")),
      // The same file of the same number, but what was mounted over its name is gone.
      () => {
        linkSync(envrc, join(workspaceRoot, "kept"));
        rmSync(envrc);
        renameSync(join(workspaceRoot, "kept"), envrc);
      },
      () => {
        rmSync(envrc);
        writeFileSync(envrc, "");
      },
    ];
    for (const change of changes) {
      await sandbox.run("true");
      await waitForSpare();
      change();
      const { said } = await say(
        sandbox,
        "echo x 2>/dev/null >> .envrc || echo refused; test ! -d .git || touch .git/hooks/x 2>/dev/null || echo refused",
      );
      expect(said).toBe("refused\nrefused\n");
      expect(readFileSync(envrc, "utf8")).toBe("");
    }
    await waitForSpare();
    expect(await readAgeMs(sandbox, { memoryMb: 300 })).toBeLessThan(WAITED_MS);
    await waitForSpare();
    expect(await readAgeMs(sandbox, { memoryMb: 300 })).toBeGreaterThan(WAITED_MS);
  });

  it("is left when another sandbox ran a command in the workspace meanwhile", async () => {
    await using sandbox = open();
    await using other = createBubblewrapSandbox({ workspaceRoot, bwrapPath });
    await sandbox.run("true");
    await waitForSpare();
    await other.run("true");
    expect(await readAgeMs(sandbox)).toBeLessThan(WAITED_MS);
  });

  it("does not run in a workspace that was replaced", async () => {
    await using sandbox = open();
    await sandbox.run("true");
    await waitForSpare();
    renameSync(workspaceRoot, `${workspaceRoot}-moved`);
    mkdirSync(workspaceRoot);
    await expect(sandbox.run("echo x > made")).rejects.toMatchObject({ code: "workspace_invalid" });
  });

  it("may be killed from outside without harm", async () => {
    await using sandbox = open();
    await sandbox.run("true");
    await waitForSpare();
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8")
      .trim()
      .split(" ")
      .map(Number);
    const waiting = children.filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(toolchain),
    );
    expect(waiting.length).toBe(1);
    process.kill(waiting[0]!, "SIGKILL");
    expect(await waitUntilGone(toolchain, 5_000)).toBe(true);
    expect(await say(sandbox, "echo here")).toEqual({ exitCode: 0, said: "here\n" });
  });

  it("serves one of several commands at once, and all are right", async () => {
    await using sandbox = open();
    await sandbox.run("true");
    await waitForSpare();
    const numbers = Array.from({ length: 6 }, (_, index) => index);
    const said = await Promise.all(numbers.map((number) => say(sandbox, `sleep 0.1; echo ${number}`)));
    expect(said.map((each) => each.said)).toEqual(numbers.map((number) => `${number}\n`));
  });

  it("serves commands that come right after one another, beside programs that stay", async () => {
    const sandbox = open();
    await using program = await sandbox.start(["cat"]);
    for (let count = 0; count < 12; count += 1)
      expect(await say(sandbox, `echo ${count}; test ! -e /tmp/x; touch /tmp/x`)).toEqual({
        exitCode: 0,
        said: `${count}\n`,
      });
    await program[Symbol.asyncDispose]();
    await sandbox[Symbol.asyncDispose]();
    expect(await countCommands(toolchain)).toBe(0);
  });

  it("is taken beside a program that stays", async () => {
    await using sandbox = open();
    await using program = await sandbox.start(["cat"]);
    await sandbox.run("true");
    // That of the program counts too.
    for (let tries = 0; tries < 500 && (await countCommands(toolchain)) < 3; tries += 1) await pause(10);
    await pause(300);
    expect(await readAgeMs(sandbox)).toBeGreaterThan(WAITED_MS);
    expect(await program.write(Buffer.from("x"))).toBe(true);
  });

  it("is gone with its sandbox, also while it starts", async () => {
    for (const afterMs of [0, 5, 200]) {
      const sandbox = open();
      await sandbox.run("true");
      await pause(afterMs);
      await sandbox[Symbol.asyncDispose]();
      expect(await countCommands(toolchain)).toBe(0);
    }
  });

  it("ends with an agent that is killed, and keeps none from ending", async () => {
    const script = join(folder, "agent.mjs");
    await build({
      stdin: {
        contents: `
          import { createBubblewrapSandbox } from "./src/sandbox/bubblewrap.ts";
          const [workspaceRoot, bwrapPath, toolchain, stays] = process.argv.slice(2);
          const sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath, toolchains: [toolchain] });
          await sandbox.run("true");
          setTimeout(() => process.stdout.write("now"), 200);
          if (stays === "stays") setInterval(() => {}, 1_000);`,
        resolveDir: join(import.meta.dirname, "../.."),
      },
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      outfile: script,
    });
    for (const stays of ["stays", ""]) {
      const agent = spawn(process.execPath, [script, workspaceRoot, bwrapPath, toolchain, stays], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const closed = once(agent, "close");
      await once(agent.stdout, "data");
      // The agent itself has it in its arguments too.
      if (stays !== "") expect(await countCommands(toolchain)).toBeGreaterThan(1);
      if (stays !== "") agent.kill("SIGKILL");
      await closed;
      expect(await waitUntilGone(toolchain, 5_000)).toBe(true);
    }
  });
});

describe("a command as text for a shell", () => {
  const program = ["/bin/sh", "-c", "true"];

  it("is not made where the shell would change it", () => {
    const names = ["IFS", "OPTIND", "UID", "BASH_ENV", "a.b", "", "1a", "a=b", "_"];
    for (const name of names)
      expect(toHandOver({ program, cwd: undefined, environment: { [name]: "x" } })).toBeUndefined();
    expect(toHandOver({ program: ["-a", "x"], cwd: undefined, environment: {} })).toBeUndefined();
    expect(toHandOver({ program: ["x".repeat(9_000)], cwd: undefined, environment: {} })).toBeUndefined();
  });

  it("is one line group that leaves nothing to read", () => {
    expect(toHandOver({ program, cwd: "/a b", environment: { A: "it's" } })).toBe(
      String.raw`{ cd '/a b' && unset OLDPWD && export A='it'\''s' && exec '/bin/sh' '-c' 'true' </dev/null; exit 126; }` +
        "\n",
    );
  });
});
