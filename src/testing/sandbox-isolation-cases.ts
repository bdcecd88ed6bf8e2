/** The part of the suite for sandboxes that claim to keep commands in. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError } from "../core/errors.ts";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

export const ISOLATION_CASES: readonly SandboxCase[] = [
  { title: "shows no file outside the workspace", check: checkOutsideReading },
  {
    title: "lets nothing outside the workspace be changed",
    async check({ run }) {
      const outside = await mkdtemp(join(tmpdir(), "lmagent-outside-"));
      try {
        await run(`echo x > ${outside}/planted; mkdir -p ${outside}; echo x > ${outside}/planted`);
        assert.equal(existsSync(`${outside}/planted`), false);
        for (const folder of ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc"]) {
          assert.notEqual((await run(`echo x > ${folder}/planted-by-test`)).exitCode, 0, folder);
        }
      } finally {
        await rm(outside, { recursive: true });
      }
    },
  },
  {
    title: "follows links of the workspace only inside",
    async check({ run, workspace }) {
      const outside = await mkdtemp(join(tmpdir(), "lmagent-outside-"));
      try {
        await writeFile(`${outside}/secret`, "secret text");
        await symlink(outside, `${workspace}/link`);
        assert.doesNotMatch((await run("cat link/secret; ls link/")).stdout, /secret/);
      } finally {
        await rm(outside, { recursive: true });
      }
    },
  },
  { title: "reaches no server of this machine and no network", check: checkNetwork },
  {
    title: "shows only its own processes",
    async check({ run }) {
      const said = await run("ls /proc | grep -c '^[0-9]'; cat /proc/*/cmdline | tr '\\0' ' '");
      assert.ok(Number(said.stdout.split("\n")[0]) < 10, said.stdout);
      assert.notEqual((await run(`kill -0 ${process.pid}`)).exitCode, 0);
    },
  },
  { title: "keeps the agent's own folder readable and unchangeable", check: checkStateFolder },
  {
    title: "refuses a planted link in place of the agent's own folder",
    async check({ run, workspace }) {
      await symlink("/etc", `${workspace}/.lmagent`);
      await assert.rejects(run("ls .lmagent/"), (thrown) => AgentError.is(thrown, "workspace_invalid"));
    },
  },
  {
    title: "gives no privileges and no way to get them",
    async check({ run }) {
      const said = await run("grep -E '^(NoNewPrivs|CapEff|CapBnd|CapPrm|CapAmb|CapInh)' /proc/self/status");
      const values = said.stdout
        .trim()
        .split("\n")
        .map((line) => line.split(/\s+/)[1]);
      assert.deepEqual(values, [...Array.from({ length: 5 }, () => "0".repeat(16)), "1"]);
      for (const way of [
        "unshare -U true",
        "unshare -Ur true",
        "unshare -m true",
        "mount -t tmpfs x /tmp",
        "umount /workspace",
        "chroot / true",
      ]) {
        assert.notEqual((await run(way)).exitCode, 0, way);
      }
    },
  },
  {
    title: "makes no device that the machine would obey",
    async check({ run, workspace }) {
      await run("mknod disk b 254 0; mknod /tmp/disk b 254 0");
      assert.equal(existsSync(`${workspace}/disk`), false);
      assert.equal((await run("mkfifo pipe && test -p pipe")).exitCode, 0);
    },
  },
  {
    title: "gives a temporary folder that is bounded and is new each time",
    async check({ run }) {
      assert.equal((await run("echo x > /tmp/kept && cat /tmp/kept")).stdout, "x\n");
      assert.notEqual((await run("cat /tmp/kept")).exitCode, 0);
      assert.notEqual((await run("head -c 100000000 /dev/zero > /tmp/big")).exitCode, 0);
      assert.notEqual((await run("head -c 100000000 /dev/zero > /dev/shm/big")).exitCode, 0);
    },
  },
];

async function checkOutsideReading({ run }: SandboxBox): Promise<void> {
  const outside = await mkdtemp(join(tmpdir(), "lmagent-outside-"));
  try {
    await writeFile(`${outside}/secret`, "secret text");
    const tries = [
      `cat ${outside}/secret`,
      `cat ../${outside}/secret`,
      `cat /proc/1/root${outside}/secret`,
      `cat /proc/self/root${outside}/secret`,
      `cat /proc/${process.pid}/root${outside}/secret`,
      `find / -name secret -not -path '/proc/*' -exec cat {} +`,
    ];
    for (const command of tries) assert.doesNotMatch((await run(command)).stdout, /secret text/, command);
  } finally {
    await rm(outside, { recursive: true });
  }
  for (const path of ["/etc/shadow", "/root", "/home", "/var", "/sys", "/run", "/boot", "/mnt", "/opt"]) {
    assert.equal((await run(["ls", path])).stdout, "", path);
  }
}

async function checkNetwork({ run }: SandboxBox): Promise<void> {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.end();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    const { port } = server.address() as AddressInfo;
    const dial = (host: string, at: number): string => `exec 3<>/dev/tcp/${host}/${at} && echo connected`;
    assert.doesNotMatch((await run(["bash", "-c", dial("127.0.0.1", port)])).stdout, /connected/);
    assert.doesNotMatch(
      (await run(["bash", "-c", dial("192.0.2.1", 80)], { timeoutMs: 3_000 })).stdout,
      /connected/,
    );
    assert.equal(connections, 0);
    // Of all network devices only its own loopback is there.
    const devices = (await run("tail -n +3 /proc/net/dev")).stdout;
    assert.match(devices, /^\s*lo:[^\n]*\n$/);
  } finally {
    server.close();
  }
}

async function checkStateFolder({ run, workspace }: SandboxBox): Promise<void> {
  const owner = (await run("mkdir probe && stat -c %u:%g probe")).stdout.trim();
  assert.notEqual(owner, "");
  assert.notEqual((await run("echo x > .lmagent/mcp.json")).exitCode, 0);
  assert.equal(existsSync(`${workspace}/.lmagent/mcp.json`), false);
  await mkdir(`${workspace}/.lmagent/outputs`);
  await writeFile(`${workspace}/.lmagent/outputs/1.txt`, "saved");
  assert.equal((await run("cat .lmagent/outputs/1.txt")).stdout, "saved");
  await run(
    "mv .lmagent gone; rm -rf .lmagent; ln -sfn /etc .lmagent; echo x > .lmagent/outputs/1.txt; chmod 777 .lmagent",
  );
  assert.equal(await readFile(`${workspace}/.lmagent/outputs/1.txt`, "utf8"), "saved");
}
