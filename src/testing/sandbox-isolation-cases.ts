/** What commands can see and change: nothing but their workspace and what belongs to every system. */
import assert from "node:assert/strict";
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, realpath, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError } from "../core/errors.ts";
import { countCommands, uniqueSleep, waitForCommand } from "./running-commands.ts";
import { runAndCollect } from "./sandbox-output.ts";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

const MEGABYTES_100 = 100_000_000;

export const ISOLATION_CASES: readonly SandboxCase[] = [
  { title: "shows no file outside the workspace", check: checkOutsideReading },
  { title: "shows no file of the machine's users", check: checkUserFiles },
  { title: "lets nothing outside the workspace be changed", check: checkOutsideWriting },
  {
    title: "follows links of the workspace only inside",
    async check({ run, workspace, outside }) {
      await symlink(outside, `${workspace}/link`);
      await symlink(`${outside}/new`, `${workspace}/to-be-made`);
      const said = await run(
        "cat link/secret; ls link/; cp link/secret copy; echo x > to-be-made; echo x > link/new",
      );
      assert.doesNotMatch(said.stdout, /secret/);
      assert.deepEqual([existsSync(`${outside}/new`), existsSync(`${workspace}/copy`)], [false, false]);
    },
  },
  { title: "offers no way out through the process folder", check: checkProcessFolder },
  {
    title: "shows only its own processes",
    async check({ run }) {
      const said = await run("ls /proc | grep -c '^[0-9]'; cat /proc/*/cmdline | tr '\\0' ' '");
      assert.ok(Number(said.stdout.split("\n")[0]) < 12, said.stdout);
      assert.notEqual((await run(`kill -0 ${process.pid}`)).exitCode, 0);
    },
  },
  { title: "shows nothing of the agent's environment", check: checkEnvironment },
  { title: "keeps the agent's own folder readable and unchangeable", check: checkStateFolder },
  {
    title: "refuses a planted link in place of the agent's own folder",
    async check({ run, workspace }) {
      await symlink("/etc", `${workspace}/.lmagent`);
      await assert.rejects(run("ls .lmagent/"), (thrown) => AgentError.is(thrown, "workspace_invalid"));
    },
  },
  {
    title: "bounds its temporary folder",
    async check({ run }) {
      for (const folder of ["/tmp", "/dev/shm"]) {
        const said = await run(
          `head -c ${MEGABYTES_100} /dev/zero > ${folder}/big; stat -c %s ${folder}/big`,
        );
        assert.ok(Number(said.stdout) < MEGABYTES_100, `${folder} took it all`);
        assert.equal((await run("rm -f /tmp/big /dev/shm/big; echo still here")).stdout, "still here\n");
      }
      assert.equal((await run("echo x > /tmp/kept && cat /tmp/kept")).stdout, "x\n");
      assert.equal((await run("printf 'echo ran' > /tmp/tool && sh /tmp/tool")).stdout, "ran\n");
    },
  },
  {
    title: "gives each command a new temporary folder",
    exempt: { docker: "its container, and so its temporary folder, stays for all commands of the sandbox" },
    async check({ run }) {
      await run("echo x > /tmp/kept; echo x > /dev/shm/kept");
      assert.equal((await run("ls /tmp /dev/shm")).stdout.includes("kept"), false);
    },
  },
  { title: "keeps two workspaces apart", check: checkTwoWorkspaces },
  {
    title: "says the same name for itself on every machine",
    async check({ run }) {
      const said = await run("cat /proc/sys/kernel/hostname; pwd");
      const own = readFileSync("/proc/sys/kernel/hostname", "utf8").trim();
      assert.equal(said.stdout.split("\n")[1], "/workspace");
      assert.notEqual(said.stdout.split("\n")[0], own);
    },
  },
];

async function checkOutsideReading({ run, outside, subject }: SandboxBox): Promise<void> {
  const tries = [
    `cat ${outside}/secret`,
    `cat ../${outside}/secret ../../../..${outside}/secret`,
    `cat /proc/1/root${outside}/secret`,
    `cat /proc/1/cwd/${outside}/secret`,
    `cat /proc/self/root/../../..${outside}/secret`,
    `cat /proc/${process.pid}/root${outside}/secret`,
    `cat /dev/fd/*/../..${outside}/secret /proc/1/fd/*/secret`,
    `find / -name secret -not -path '/proc/*' -exec cat {} +`,
  ];
  for (const command of tries) assert.doesNotMatch((await run(command)).stdout, /secret text/, command);
  for (const path of subject.hidden ?? []) {
    assert.notEqual((await run(["test", "-e", path])).exitCode, 0, path);
    assert.notEqual((await run(["test", "-e", `/proc/1/root${path}`])).exitCode, 0, path);
  }
}

async function checkUserFiles({ run, subject }: SandboxBox): Promise<void> {
  for (const path of ["/root", "/home", "/boot", "/mnt"]) {
    assert.equal((await run(["ls", path])).stdout, "", path);
  }
  const shadow = (await run("cat /etc/shadow /etc/gshadow /etc/sudoers")).stdout;
  assert.doesNotMatch(shadow, /:\$|ALL/);
  assert.equal((await run("cat ~/.ssh/* ~/.netrc ~/.gitconfig ~/.git-credentials ~/.aws/*")).stdout, "");
  // A container brings folders of its own under these names; elsewhere they could only be the machine's.
  const own = subject.backend === "docker" ? [] : ["/var", "/sys", "/run", "/opt", "/srv", "/media"];
  for (const path of own) assert.equal((await run(["ls", path])).stdout, "", path);
  // Whoever else this machine knows by name.
  const names = (await run("cut -d: -f1,6 /etc/passwd")).stdout;
  assert.doesNotMatch(names, /:\/home\/(?!sandbox|user|node)/);
}

async function checkOutsideWriting({ run, outside, subject }: SandboxBox): Promise<void> {
  await run(`echo x > ${outside}/planted; mkdir -p ${outside}; echo x > ${outside}/planted`);
  await run(`echo x > ${outside}/secret; rm -rf ${outside}; echo x > /proc/1/root${outside}/planted`);
  assert.equal(readFileSync(`${outside}/secret`, "utf8"), "secret text");
  assert.equal(existsSync(`${outside}/planted`), false);
  const isRoot = (await run("id -u")).stdout.trim() === "0";
  // The engine always gives root of a container a small `/dev` of its own to write to.
  const devices = subject.backend === "docker" && isRoot ? [] : ["/dev"];
  for (const folder of ["/", "/usr", "/usr/bin", "/usr/local/bin", "/etc", "/lib", "/proc", ...devices]) {
    assert.notEqual((await run(`echo x > ${folder}/planted-by-test`)).exitCode, 0, folder);
  }
  for (const file of ["/etc/passwd", "/usr/bin/env", "/bin/sh"]) {
    assert.notEqual((await run(`cat ${file} >> ${file}`)).exitCode, 0, file);
    assert.notEqual((await run(`touch -c -d 2001-01-01 ${file} && chmod 777 ${file}`)).exitCode, 0, file);
  }
}

/** Each would change or show something of the whole machine; what is written is what is there already. */
async function checkProcessFolder({ run, outside }: SandboxBox): Promise<void> {
  const writes = [
    "cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern",
    "cat /proc/sys/kernel/modprobe > /proc/sys/kernel/modprobe",
    "cat /proc/sys/vm/overcommit_memory > /proc/sys/vm/overcommit_memory",
    "cat /sys/kernel/uevent_helper > /sys/kernel/uevent_helper",
    "echo h > /proc/sysrq-trigger",
    "echo 1 > /proc/1/oom_score_adj; echo -1000 > /proc/self/oom_score_adj",
    "echo x > /dev/kmsg",
  ];
  for (const command of writes) assert.notEqual((await run(command)).exitCode, 0, command);
  const reads = [
    "/proc/kcore",
    "/proc/kmsg",
    "/dev/kmsg",
    "/dev/mem",
    "/dev/sda",
    "/dev/vda",
    "/dev/nvme0n1",
  ];
  for (const file of reads) {
    assert.equal((await run(`timeout 2 head -c 16 ${file}`)).bytes.length, 0, file);
  }
  // Settings of the whole machine, whoever they belong to; its own few are each command's.
  const open = await run("find /sys /proc/sys /proc/irq /proc/bus /proc/fs -type f -writable 2>/dev/null");
  assert.equal(open.stdout, "");
  assert.equal((await run(`ls -d /proc/1/root${outside} /proc/self/root${outside}`)).stdout, "");
}

async function checkEnvironment({ subject, outside, run }: SandboxBox): Promise<void> {
  const names = ["LMAGENT_CANARY", "OPENAI_API_KEY", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY"];
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = `canary-value:${outside}`;
  const other = await mkdtemp(join(await realpath(tmpdir()), "lmagent-sandbox-test-"));
  try {
    await subject.prepareWorkspace?.(other);
    // One that is opened while the variables are there, and one from before.
    await using sandbox = await subject.open(other);
    const show = "env; export -p; cat /proc/*/environ";
    const said = [await runAndCollect(sandbox, show), await run(show)];
    for (const { stdout } of said) assert.doesNotMatch(stdout, /canary/i);
  } finally {
    for (const [index, name] of names.entries()) {
      if (before[index] === undefined) delete process.env[name];
      else process.env[name] = before[index];
    }
    await rm(other, { recursive: true, force: true });
  }
}

async function checkStateFolder({ run, workspace, put }: SandboxBox): Promise<void> {
  const owner = (await run("mkdir probe && stat -c %u:%g probe")).stdout.trim();
  assert.notEqual(owner, "");
  assert.notEqual((await run("echo x > .lmagent/mcp.json")).exitCode, 0);
  await mkdir(`${workspace}/.lmagent/outputs`);
  await put(".lmagent/outputs/1.txt", "saved");
  assert.equal((await run("cat .lmagent/outputs/1.txt")).stdout, "saved");
  const attacks = [
    "mv .lmagent gone; mkdir .lmagent; echo x > .lmagent/mcp.json",
    "rm -rf .lmagent; ln -sfn /etc .lmagent; echo x > .lmagent/outputs/1.txt; chmod 777 .lmagent",
    "ln -s .lmagent door; echo x > door/mcp.json; echo x > door/outputs/1.txt",
    "ln .lmagent/outputs/1.txt hard; echo x > hard; cp -al .lmagent copy; echo x > copy/outputs/1.txt",
    "mkdir evil; echo x > evil/mcp.json; mv -T --exchange evil .lmagent; mv -T evil .lmagent; mv evil/mcp.json .lmagent/",
    // Both names swapped at once: RENAME_EXCHANGE of renameat2(2).
    `mkdir -p evil; echo x > evil/mcp.json; python3 -c 'import ctypes; ctypes.CDLL(None).renameat2(-100, b"evil", -100, b".lmagent", 2)'`,
    "rm -f .lmagent/outputs/1.txt; truncate -s 0 .lmagent/outputs/1.txt; touch .lmagent/outputs/2.txt",
  ];
  for (const attack of attacks) {
    await run(attack);
    const state = `${workspace}/.lmagent`;
    assert.equal(lstatSync(state).isDirectory(), true, attack);
    assert.equal(await readFile(`${state}/outputs/1.txt`, "utf8"), "saved", attack);
    const planted = ["mcp.json", "outputs/2.txt"].filter((name) => existsSync(`${state}/${name}`));
    assert.deepEqual(planted, [], attack);
  }
}

async function checkTwoWorkspaces({ subject, run, workspace }: SandboxBox): Promise<void> {
  const other = await mkdtemp(join(await realpath(tmpdir()), "lmagent-sandbox-test-"));
  try {
    await subject.prepareWorkspace?.(other);
    await using sandbox = await subject.open(other);
    const sleep = uniqueSleep();
    const aborter = new AbortController();
    const running = run(`echo mine > /tmp/only-here; echo mine > only-here; ${sleep}`, {
      signal: aborter.signal,
    });
    await waitForCommand(sleep);
    const said = await runAndCollect(
      sandbox,
      `ls . /tmp; ls ${workspace}; cat /proc/*/cmdline | tr '\\0' ' '; kill -KILL -1`,
    );
    assert.doesNotMatch(said.stdout, /only-here|77\.\d/);
    assert.ok((await countCommands(sleep)) > 0, "a command of one workspace ended a command of another");
    aborter.abort();
    assert.equal((await running).stopped, "aborted");
  } finally {
    await rm(other, { recursive: true, force: true });
  }
}
