import { execFileSync } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import Dockerode, { type ContainerInspectInfo } from "dockerode";
import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { createDockerSandbox, sweepDockerLeftovers } from "../../src/sandbox/docker/index.ts";
import { readOwner, toOwnerLabel } from "../../src/docker/owner.ts";
import { OWNER_LABEL, SPECIFICATION_LABEL, toContainerName } from "../../src/sandbox/docker/specification.ts";
import { findTestDocker, listContainersOver } from "./_docker.ts";
import { makeWorkspace, openBox, runIn } from "./_docker-box.ts";
import { startDockerProxy } from "./_docker-proxy.ts";

const found = findTestDocker();
if (typeof found === "string") process.stderr.write(`Docker is not tested: ${found}\n`);
const docker = typeof found === "string" ? { socketPath: "", image: "" } : found;
const engine = new Dockerode({ socketPath: docker.socketPath });

it.runIf(typeof found === "string")("Docker is there, or missed out loud", ({ skip }) => {
  skip(process.env["CI"] !== "true", "there is no engine for tests");
  expect(found).toBeTypeOf("object");
});

const MEGABYTE = 1_024 * 1_024;

async function inspectOver(workspace: string): Promise<ContainerInspectInfo> {
  const names = await listContainersOver(workspace, docker);
  expect(names).toHaveLength(1);
  return engine.getContainer(names[0]!.slice(1)).inspect();
}

describe.skipIf(typeof found === "string")("repositories below the root", () => {
  it("keep their settings and hooks, whoever made them", async () => {
    await using box = await openBox(docker);
    execFileSync("git", ["init", "-q", `${box.workspace}/theirs`]);
    execFileSync("chown", ["-R", `--reference=${box.workspace}`, `${box.workspace}/theirs`]);
    await box.run("git init -q ours");
    for (const name of ["theirs", "ours"]) {
      const set = await box.run(`git -C ${name} config core.fsmonitor /workspace/x`);
      expect(set.exitCode, name).not.toBe(0);
      expect((await box.run(`echo x > ${name}/.git/hooks/pre-commit`)).exitCode, name).not.toBe(0);
      expect((await box.run(`cd ${name} && git commit -q --allow-empty -m x`)).exitCode, name).toBe(0);
    }
  });
});

/** The limit that holds inside, in both versions of control groups. */
const READ_LIMIT =
  "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";

describe.skipIf(typeof found === "string")("the container", () => {
  it("is made as strict as it can be", async () => {
    await using box = await openBox(docker);
    await box.run("true");
    const { HostConfig: host, Config: config, Mounts: mounts } = await inspectOver(box.workspace);
    expect(host).toMatchObject({
      AutoRemove: true,
      ReadonlyRootfs: true,
      Privileged: false,
      NetworkMode: "none",
      IpcMode: "private",
      PidMode: "",
      UTSMode: "",
      UsernsMode: "",
      PidsLimit: 128,
      Memory: 512 * MEGABYTE,
      MemorySwap: 512 * MEGABYTE,
      NanoCpus: 9e8,
      LogConfig: { Type: "none" },
    });
    expect([host.CapAdd, host.Binds, host.Devices ?? []]).toEqual([null, null, []]);
    expect(host.CapDrop).toEqual(["ALL"]);
    const security = host.SecurityOpt as string[];
    expect(security).toContain("no-new-privileges");
    const profile = security.find((option) => option.startsWith("seccomp="))?.slice("seccomp=".length);
    expect(JSON.parse(profile ?? "")).toMatchObject({ defaultAction: "SCMP_ACT_ERRNO" });
    const owner = execFileSync("stat", ["-c", "%u:%g", box.workspace]).toString().trim();
    expect(config.User).toBe(owner);
    const writable = mounts
      .filter(({ RW }) => RW)
      .map(({ Type, Source, Destination }) => [Type, Source, Destination]);
    expect(writable).toEqual([["bind", box.workspace, "/workspace"]]);
    expect(mounts.every(({ Propagation }) => Propagation === "rprivate")).toBe(true);
  });

  it("holds none of our environment", async () => {
    process.env["LMAGENT_CANARY"] = "canary-value";
    try {
      await using box = await openBox(docker);
      await box.run("true");
      expect(JSON.stringify(await inspectOver(box.workspace))).not.toContain("canary");
    } finally {
      delete process.env["LMAGENT_CANARY"];
    }
  });

  it("is found by our own address, whatever the environment says", async () => {
    process.env["DOCKER_HOST"] = "tcp://127.0.0.1:1";
    try {
      await using box = await openBox(docker);
      expect((await box.run("echo reached")).out).toBe("reached\n");
    } finally {
      delete process.env["DOCKER_HOST"];
    }
  });

  it("takes a workspace with any name", async () => {
    await using box = await openBox({ ...docker, name: "lmagent docker: tëst, 'ü'=😀-" });
    expect((await box.run("pwd; echo x > made")).out).toBe("/workspace\n");
    expect(await readFile(`${box.workspace}/made`, "utf8")).toBe("x\n");
  });

  it("is one for each agent in the same workspace, and gone with it", async () => {
    await using one = await openBox(docker);
    await using two = createDockerSandbox({ ...docker, workspaceRoot: one.workspace });
    await Promise.all([one.run("echo one > /tmp/mine"), runIn(two, "true")]);
    expect(await listContainersOver(one.workspace, docker)).toHaveLength(2);
    expect((await runIn(two, "ls /proc | grep -c '^[0-9]'; ls -A /tmp")).out).toMatch(/^[1-9]\n$/);
    await two[Symbol.asyncDispose]();
    expect(await listContainersOver(one.workspace, docker)).toHaveLength(1);
    await one.sandbox[Symbol.asyncDispose]();
    expect(await listContainersOver(one.workspace, docker)).toEqual([]);
  });

  it("is made again when it was removed or killed from outside", async () => {
    await using box = await openBox(docker);
    await box.run("true");
    const { Id } = await inspectOver(box.workspace);
    await engine.getContainer(Id).remove({ force: true });
    expect((await box.run("echo again")).out).toBe("again\n");
    expect((await inspectOver(box.workspace)).HostConfig.ReadonlyRootfs).toBe(true);
    const running = box.run("sleep 60");
    await pause(300);
    await engine.getContainer((await inspectOver(box.workspace)).Id).kill();
    expect(await running).toMatchObject({ exitCode: 137 });
    expect((await box.run("echo again")).out).toBe("again\n");
  });

  it("is made again when there is something new to protect", async () => {
    await using box = await openBox(docker);
    expect((await box.run("echo by-command > .envrc")).exitCode).toBe(0);
    const first = await inspectOver(box.workspace);
    expect((await box.run("echo changed > .envrc")).exitCode).not.toBe(0);
    expect(await readFile(`${box.workspace}/.envrc`, "utf8")).toBe("by-command\n");
    const second = await inspectOver(box.workspace);
    expect(second.Id).not.toBe(first.Id);
    expect(second.Config.Labels[SPECIFICATION_LABEL]).not.toBe(first.Config.Labels[SPECIFICATION_LABEL]);
  });

  it("never is one that was there before", async () => {
    await using box = await openBox(docker);
    const owner = toOwnerLabel({ ...readOwner(), started: "1" });
    const name = toContainerName(box.workspace, 0);
    const planted = await engine.createContainer({
      name,
      Image: docker.image,
      Cmd: ["/bin/sleep", "60"],
      Labels: { [OWNER_LABEL]: owner, [SPECIFICATION_LABEL]: "anything" },
      HostConfig: { NetworkMode: "none" },
    });
    expect((await box.run("echo mine")).out).toBe("mine\n");
    const mine = await inspectOver(box.workspace);
    expect([mine.Name, mine.Id === planted.id]).toEqual([`/${name}`, false]);
  });

  it("leaves the containers of others alone, whatever their names", async () => {
    await using box = await openBox(docker);
    const name = toContainerName(box.workspace, 0);
    const HostConfig = { NetworkMode: "none" };
    const foreign = await engine.createContainer({
      name,
      Image: docker.image,
      Cmd: ["/bin/true"],
      HostConfig,
    });
    try {
      expect((await box.run("echo mine")).out).toBe("mine\n");
      expect((await inspectOver(box.workspace)).Name).toBe(`/${toContainerName(box.workspace, 1)}`);
      expect((await foreign.inspect()).Id).toBe(foreign.id);
    } finally {
      await foreign.remove({ force: true });
    }
  });

  it("is swept when its agent has ended, and only then", async () => {
    const make = (owner: string): Promise<Dockerode.Container> =>
      engine.createContainer({
        Image: docker.image,
        Cmd: ["/bin/true"],
        Labels: { [OWNER_LABEL]: owner },
        HostConfig: { NetworkMode: "none" },
      });
    const [alive, forsaken, odd] = await Promise.all([
      make(toOwnerLabel(readOwner())),
      make(toOwnerLabel({ ...readOwner(), started: "1" })),
      make("not ours"),
    ]);
    try {
      expect(await sweepDockerLeftovers(docker.socketPath)).toBeGreaterThan(0);
      await expect(forsaken.inspect()).rejects.toMatchObject({ statusCode: 404 });
      expect((await alive.inspect()).Id).toBe(alive.id);
      expect((await odd.inspect()).Id).toBe(odd.id);
    } finally {
      await Promise.all([alive.remove(), odd.remove()]);
    }
  });

  it("gets the memory of each call and not more than two gigabytes", async () => {
    await using box = await openBox(docker);
    for (const [memoryMb, givenMb] of [
      [64, 64],
      [512, 512],
      [2_048, 2_048],
      [8_192, 2_048],
      [1, 64],
    ] as const) {
      expect((await box.run(READ_LIMIT, { memoryMb })).out.trim()).toBe(String(givenMb * MEGABYTE));
      expect((await inspectOver(box.workspace)).HostConfig.Memory).toBe(512 * MEGABYTE);
    }
    expect((await box.run(READ_LIMIT)).out.trim()).toBe(String(512 * MEGABYTE));
  });
});

describe.skipIf(typeof found === "string")("a command in Docker", () => {
  it("cannot say how it ended in the runner's place", async () => {
    await using box = await openBox(docker);
    const tries = [
      "for f in environ cmdline mem maps auxv; do cat /proc/$PPID/$f; done",
      "cat /proc/1/environ /proc/1/mem; ls -l /proc/1/fd /proc/$PPID/fd",
      'for s in \'\' 0 00000000000000000000000000000000; do echo "$s E 0 0 0 0"; echo "$s E" >&2; done',
      "for fd in 0 1 2 3 10; do echo ' E 0 0 0 0' > /proc/$PPID/fd/$fd; done",
      "exit 7",
    ].join("\n");
    const said = await box.run(tries, { timeoutMs: 5_000 });
    expect([said.exitCode, said.stopped]).toEqual([7, undefined]);
    expect((await box.run("echo next")).out).toBe("next\n");
  });

  it("cannot look into the runner or the first process", async ({ skip }) => {
    const image = await engine.getImage(docker.image).inspect();
    skip(
      image.Config.Labels?.["lmagent.shells"] === undefined,
      "the image has no shells that cannot be read",
    );
    await using box = await openBox(docker);
    const said = await box.run(
      "for p in 1 $PPID; do for f in mem environ fd/0; do cat < /proc/$p/$f; done; done",
    );
    expect(said.out).toBe("");
    expect(said.err.match(/Permission denied/g)).toHaveLength(6);
  });

  it.each([
    "kill -9 $PPID; sleep 60",
    "kill -9 -1; sleep 60",
    "kill -TERM 1; sleep 60",
    "kill -USR1 1; sleep 60",
  ])("that ends what runs it is reported as killed: %s", async (command) => {
    await using box = await openBox(docker);
    const said = await box.run(`(setsid sleep 60 >/dev/null 2>&1 &); ${command}`);
    expect([said.exitCode, said.stopped]).toEqual([137, undefined]);
    expect(said.durationMs).toBeLessThan(10_000);
    expect((await box.run("echo next; ls /proc | grep -c '^[0-9]'")).out).toMatch(/^next\n[1-9]\n$/);
  });

  it("that signals its own group ends alone", async () => {
    await using box = await openBox(docker);
    expect((await box.run("kill 0; sleep 5")).exitCode).toBe(143);
    expect((await box.run("trap 'exit 5' TERM; kill 0; sleep 5")).exitCode).toBe(5);
  });

  it("finds nothing of the one before it", async () => {
    await using box = await openBox(docker);
    await box.run("mkdir closed; chmod 0 closed");
    await box.run(
      "mkdir -p /tmp/a/b /dev/shm/c /tmp/.hidden; ln -s nowhere /tmp/link; ln -s /workspace /tmp/kept; chmod 0 /tmp/a/b /tmp/a",
    );
    const made = await box.run([
      "python3",
      "-c",
      "import ctypes; print(ctypes.CDLL(None).shmget(0, 4096, 0o1600))",
    ]);
    expect(made.out).toMatch(/^\d+\n$/);
    const said = await box.run(
      "ls -A /tmp /dev/shm /dev/mqueue; tail -n +2 /proc/sysvipc/shm; env | grep -i canary",
    );
    expect(said.out).toBe("/dev/mqueue:\n\n/dev/shm:\n\n/tmp:\n");
    await box.run("echo kept > /tmp/kept; sleep 30", { timeoutMs: 1_000 });
    expect((await box.run("ls -A /tmp; stat -c %a closed; rmdir closed")).out).toBe("0\n");
  });

  it("may set its output not to block without harm to the next", async () => {
    await using box = await openBox(docker);
    await box.run(["python3", "-c", "import os; os.set_blocking(1, False); os.set_blocking(2, False)"]);
    let bytes = 0;
    const onOutput = (chunk: Uint8Array): void => void (bytes += chunk.length);
    expect(await box.sandbox.run("head -c 20000000 /dev/zero", { onOutput })).toMatchObject({ exitCode: 0 });
    expect(bytes).toBe(20_000_000);
  });

  it("waits for its turn, and not when it is aborted meanwhile", async () => {
    await using box = await openBox(docker);
    const aborter = new AbortController();
    const order: string[] = [];
    const first = box.run("sleep 1; echo first").then(({ out }) => order.push(out));
    const second = box
      .run("echo second", { signal: aborter.signal })
      .then((said) => order.push(String(said.stopped)));
    const third = box.run("echo third", { timeoutMs: 1_000 }).then((said) => order.push(said.out));
    aborter.abort();
    await Promise.all([first, second, third]);
    expect(order).toEqual(["aborted", "first\n", "third\n"]);
  });

  it("is not ended by what was meant for the one before it", async () => {
    await using box = await openBox(docker);
    await box.run("true");
    for (let afterMs = 0; afterMs < 30; afterMs += 2) {
      const signal = AbortSignal.timeout(20 + afterMs);
      await box.run("sleep 0.03", { signal });
      expect(await box.run("sleep 0.05; echo whole")).toMatchObject({ exitCode: 0, out: "whole\n" });
    }
  });

  it("is told of processes that could not be started", async () => {
    await using box = await openBox(docker);
    const said = await box.run("i=0; while [ $i -lt 200 ]; do sleep 5 & i=$((i+1)); done 2>/dev/null");
    expect(said.warnings?.join()).toMatch(/more than 128 processes/);
    expect((await box.run("true")).warnings).toBeUndefined();
  });

  it("takes variables with any name and refuses those that no program can be given", async () => {
    await using box = await openBox(docker);
    const said = await box.run(["env"], { env: { "odd.name": "a\nb", PLAIN: "it's" } });
    expect(said.out).toContain("odd.name=a\nb\n");
    expect(said.out).toContain("PLAIN=it's\n");
    for (const env of [{ "A=B": "" }, { "": "x" }, { A: "\0" }]) {
      await expect(box.run("env", { env })).rejects.toMatchObject({ code: "usage" });
    }
  });

  it("runs also where the engine hands no connection over", async () => {
    await using proxy = await startDockerProxy(docker.socketPath, { withoutUpgrade: true });
    await using box = await openBox({ ...docker, socketPath: proxy.socketPath });
    const said = await box.run("echo out; echo err >&2; (setsid sleep 60 &); echo x > /tmp/kept; exit 3");
    expect([said.exitCode, said.out, said.err]).toEqual([3, "out\n", "err\n"]);
    expect((await box.run("ls -A /tmp; ls /proc | grep -c '^[0-9]'")).out).toMatch(/^[1-9]\n$/);
    expect(await box.run("sleep 60", { timeoutMs: 1_000 })).toMatchObject({
      stopped: "timeout",
      exitCode: 137,
    });
    expect((await box.run(["printf", "%s", "it's\n$HOME"])).out).toBe("it's\n$HOME");
    await expect(box.sandbox.start(["cat"])).rejects.toMatchObject({ code: "sandbox_unavailable" });
  });

  it("is not run in a folder that took the workspace's place", async () => {
    const workspace = await makeWorkspace();
    try {
      await using sandbox = createDockerSandbox({ ...docker, workspaceRoot: workspace });
      await runIn(sandbox, "true");
      await rm(workspace, { recursive: true });
      await writeFile(workspace, "");
      await expect(runIn(sandbox, "true")).rejects.toSatisfy((thrown) =>
        AgentError.is(thrown, "workspace_invalid"),
      );
    } finally {
      await rm(workspace, { recursive: true, force: true });
    }
  });
});
