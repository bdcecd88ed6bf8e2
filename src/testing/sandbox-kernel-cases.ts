/** What commands can ask of the kernel: nothing that makes them more than they are. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";
import { KERNEL_PROBE } from "./sandbox-kernel-probe.ts";

/** What a call ends with that was kept from the kernel; any other error says that the kernel looked at its arguments. */
const REFUSED = /^(EPERM|ENOSYS|signal SIG(SYS|SEGV|KILL))$/;

export const KERNEL_CASES: readonly SandboxCase[] = [
  {
    title: "gives no privileges and no way to get them",
    async check({ run }) {
      const said = await run(
        "grep -E '^(NoNewPrivs|Seccomp:|CapEff|CapBnd|CapPrm|CapAmb|CapInh)' /proc/self/status",
      );
      const values = said.stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/)[1]);
      assert.deepEqual(values, [...Array.from({ length: 5 }, () => "0".repeat(16)), "1", "2"]);
      for (const way of [
        "unshare -U true",
        "unshare -Ur true",
        "unshare -m true",
        "mount -t tmpfs x /tmp",
        "mount -o remount,rw /",
        "mount --bind /tmp /etc",
        "umount /workspace",
        "umount -l /proc",
        "chroot / true",
        "nsenter -t 1 -m true",
      ]) {
        assert.notEqual((await run(way)).exitCode, 0, way);
      }
    },
  },
  {
    title: "keeps system calls that lead out from the kernel",
    async check({ run }) {
      const { stdout, stderr } = await run(["python3", "-c", KERNEL_PROBE]);
      assert.notEqual(stdout, "", stderr);
      const said = Object.entries(JSON.parse(stdout) as Record<string, string>);
      assert.ok(said.length > 40);
      assert.deepEqual(
        said.filter(([, outcome]) => !REFUSED.test(outcome)),
        [],
      );
      assert.equal((await run(["python3", "-c", LIMITS_OF_OTHERS])).stdout, "read refused own\n");
    },
  },
  { title: "lets no program of another user's rights be used", check: checkBorrowedRights },
  { title: "makes no device that the machine would obey", check: checkDevices },
  { title: "answers after a command that turned against what runs it", check: checkRebellion },
];

const LIMITS_OF_OTHERS = `import os, resource
what, said = resource.RLIMIT_NOFILE, []
other = os.fork()
if other == 0: os.execvp("sleep", ["sleep", "5"])
if resource.prlimit(other, what)[0] > 1: said.append("read")
try: resource.prlimit(other, what, (1, 1))
except PermissionError: said.append("refused")
resource.setrlimit(what, (100, 100))
if resource.getrlimit(what) == (100, 100): said.append("own")
os.kill(other, 9)
print(*said)`;

async function checkBorrowedRights({ run }: SandboxBox): Promise<void> {
  const own = (await run("id -u")).stdout;
  const rights = "id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status";
  for (const way of [
    `sudo -n sh -c "${rights}"`,
    `su -c "${rights}"`,
    `su root -c "${rights}"`,
    `pkexec sh -c "${rights}"`,
    `setpriv --reuid 0 sh -c "${rights}"`,
  ]) {
    const { stdout } = await run(way, { timeoutMs: 5_000 });
    // Root inside may become itself again, with nothing more than before.
    if (stdout === "") continue;
    assert.equal(stdout, `${own}CapEff:\t${"0".repeat(16)}\nNoNewPrivs:\t1\n`, way);
  }
  const others = `import os
for number in (0, 1, 65534):
    for change in (os.setuid, os.setgid, lambda number: os.setresuid(number, number, number), lambda number: os.setgroups([number])):
        try: change(number)
        except (OSError, OverflowError): pass
print(os.getuid(), os.geteuid())`;
  assert.equal((await run(["python3", "-c", others])).stdout, `${own.trim()} ${own.trim()}\n`);
}

async function checkDevices({ run, workspace }: SandboxBox): Promise<void> {
  await run(
    "mknod disk b 254 0; mknod null c 1 3; mknod /tmp/disk b 254 0; cp -a /dev/null copied; cp -a /dev/zero copied2",
  );
  for (const name of ["disk", "null", "copied", "copied2"]) {
    assert.equal(existsSync(`${workspace}/${name}`), false, name);
  }
  // Those of every program; nothing that leads to a disk or a console of the machine.
  const usual = /^\/dev\/(null|zero|full|u?random|tty|ptmx|console|core|pts\/\d+|pts\/ptmx)$/;
  const devices = (await run("find /dev -type b -o -type c")).stdout.trim().split("\n");
  assert.deepEqual(
    devices.filter((device) => !usual.test(device)),
    [],
  );
  // Harmless ones work: programs talk through them.
  assert.equal((await run("mkfifo pipe && test -p pipe")).exitCode, 0);
  const socket = `import socket
server = socket.socket(socket.AF_UNIX); server.bind("socket"); server.listen()
client = socket.socket(socket.AF_UNIX); client.connect("socket"); client.send(b"through")
print(server.accept()[0].recv(9).decode())`;
  assert.equal((await run(["python3", "-c", socket])).stdout, "through\n");
}

/** Against everything it can see of the machinery around it: stopped, starved, flooded, and lied for. */
const REBELLIONS = {
  stop: "import os, signal\nos.kill(-1, signal.SIGSTOP)",
  starve: `import glob, resource
for name in glob.glob("/proc/[0-9]*"):
    for what in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_DATA, resource.RLIMIT_NPROC):
        try: resource.prlimit(int(name[6:]), what, (1, 1))
        except (OSError, ValueError): pass`,
  speak: `import glob, os
own = str(os.getpid())
for name in glob.glob("/proc/[0-9]*/fd/*"):
    if name.split("/")[2] == own: continue
    try:
        made = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
        os.write(made, b"\\0\\1exit 0\\n" * 100)
    except OSError: pass`,
  read: `import glob, os, select
own = str(os.getpid())
for name in glob.glob("/proc/[0-9]*/fd/0"):
    if name.split("/")[2] == own: continue
    try: os.read(os.open(name, os.O_RDONLY | os.O_NONBLOCK), 1000)
    except OSError: pass`,
  niceness:
    "import os\nfor pid in range(1, 300):\n    try: os.setpriority(os.PRIO_PROCESS, pid, 19)\n    except OSError: pass",
};

async function checkRebellion({ run }: SandboxBox): Promise<void> {
  for (const [name, rebellion] of Object.entries(REBELLIONS)) {
    const said = await run(["sh", "-c", 'python3 -c "$1"; exit 3', "sh", rebellion], { timeoutMs: 3_000 });
    assert.ok(said.exitCode !== 0, `${name}: it was said to have ended well`);
    const startedMs = performance.now();
    const next = await run("echo still here; exit 4", { timeoutMs: 5_000 });
    assert.deepEqual([next.stdout, next.exitCode, next.stopped], ["still here\n", 4, undefined], name);
    assert.ok(performance.now() - startedMs < 5_000, name);
  }
}
