import { chmod, mkdir, mkdtemp, readFile, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { toSandboxLabel, type Sandbox } from "../../src/core/sandbox.ts";
import {
  chooseSandbox,
  createBubblewrapSandbox,
  createLazySandbox,
  createProcessSandbox,
  findTrustedBinary,
  probeBubblewrap,
  type ChooseOptions,
  type SandboxCheck,
} from "../../src/sandbox/index.ts";
import { findTestDocker, type TestDocker } from "./_docker.ts";

let workspaceRoot: string;

beforeEach(async () => {
  workspaceRoot = await mkdtemp(join(await realpath(tmpdir()), "lmagent-choose-test-"));
});

const probeFolder = await mkdtemp(join(tmpdir(), "lmagent-choose-probe-"));
const usable = await isBubblewrapUsable(probeFolder);
await rm(probeFolder, { recursive: true });

const NO_DOCKER = { host: "unix:///nowhere.sock" };

async function isBubblewrapUsable(root: string): Promise<boolean> {
  const bwrapPath = findTrustedBinary("bwrap", root) ?? "";
  return bwrapPath !== "" && (await probeBubblewrap({ workspaceRoot: root, bwrapPath })).usable;
}

afterEach(() => rm(workspaceRoot, { recursive: true, force: true }));

async function writeProgram(path: string, body: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}

describe("the choice of a sandbox", () => {
  it("refuses to run without isolation unless that is allowed", async () => {
    const refused = chooseSandbox({ workspaceRoot, prefer: "process", allowUnsandboxed: false });
    await expect(refused).rejects.toThrow(/--allow-unsandboxed/);
    await expect(refused).rejects.toSatisfy((thrown) => AgentError.is(thrown, "sandbox_unavailable"));
  });

  it("says so when commands are not isolated", async () => {
    const { sandbox, warning } = await chooseSandbox({
      workspaceRoot,
      prefer: "process",
      allowUnsandboxed: true,
    });
    expect(sandbox.isolated).toBe(false);
    expect(warning).toMatch(/without isolation/);
  });

  it.each(["docker", "bubblewrap", "seatbelt"] as const)(
    "does not take another backend for %s when that is missing",
    async (prefer) => {
      const works = prefer === "bubblewrap" && usable;
      const chosen = chooseSandbox({ workspaceRoot, prefer, docker: NO_DOCKER, allowUnsandboxed: true });
      if (works) return expect((await chosen).sandbox.backend).toBe(prefer);
      if (prefer === "seatbelt" && process.platform === "darwin") return;
      await expect(chosen).rejects.toSatisfy((thrown) => AgentError.is(thrown, "sandbox_unavailable"));
      await expect(chosen).rejects.toThrow(new RegExp(`^The sandbox \`${prefer}\` does not work here: `));
    },
  );

  it("takes bubblewrap where it works, gives no warning, and says why it is not Docker", async () => {
    const { sandbox, warning, considered } = await chooseSandbox({
      workspaceRoot,
      docker: NO_DOCKER,
      allowUnsandboxed: true,
    });
    expect(sandbox.backend).toBe(usable ? "bubblewrap" : "process");
    expect(warning === undefined).toBe(usable);
    expect(considered[0]).toMatchObject({
      backend: "docker",
      reason: expect.stringContaining("/nowhere.sock"),
    });
  });

  it("uses no Docker of another machine, and names the setting", async () => {
    const docker = { host: "tcp://192.0.2.1:2375" };
    const refused = chooseSandbox({ workspaceRoot, prefer: "docker", docker, allowUnsandboxed: true });
    await expect(refused).rejects.toThrow(/`DOCKER_HOST` is `tcp:\/\/192\.0\.2\.1:2375`/);
  });

  it("passes over a Docker socket that answers something else", async () => {
    const socketPath = join(workspaceRoot, "docker.sock");
    const server = createServer((socket) => socket.end("220 this is a mail server\r\n")).listen(socketPath);
    await once(server, "listening");
    try {
      const options = { workspaceRoot, docker: { host: `unix://${socketPath}` }, allowUnsandboxed: true };
      await expect(chooseSandbox({ ...options, prefer: "docker" })).rejects.toThrow(/did not answer/);
      const { sandbox, considered } = await chooseSandbox(options);
      expect(sandbox.backend).not.toBe("docker");
      expect(considered[0]?.reason).toMatch(/did not answer/);
    } finally {
      server.close();
    }
  });

  it("runs no program that a workspace, the search path or the current folder holds", async () => {
    const bin = join(workspaceRoot, "bin");
    await mkdir(bin);
    for (const name of ["bwrap", "docker", "sandbox-exec", "ps", "sh", "mkfifo"])
      for (const folder of [bin, workspaceRoot])
        await writeProgram(join(folder, name), `echo ${name} >> '${workspaceRoot}/ran'; exit 1`);
    const before = process.env["PATH"];
    process.env["PATH"] = `.:${bin}:${before}`;
    try {
      const { sandbox } = await chooseSandbox({ workspaceRoot, docker: NO_DOCKER, allowUnsandboxed: true });
      await using _ = sandbox;
      expect((await sandbox.run("true")).exitCode).toBe(0);
    } finally {
      process.env["PATH"] = before;
    }
    await expect(readFile(join(workspaceRoot, "ran"))).rejects.toThrow(/ENOENT/);
  });
});

describe.runIf(usable)("the test before a sandbox is used", () => {
  it("is run once, and again when something differs or it is wanted", async () => {
    const tested: string[] = [];
    const choose = async (more: Partial<ChooseOptions> = {}): Promise<number> => {
      tested.length = 0;
      const { sandbox } = await chooseSandbox({
        workspaceRoot,
        prefer: "bubblewrap",
        allowUnsandboxed: false,
        stateDir: join(workspaceRoot, "state"),
        version: "1",
        onTested: (_backend, checks) => tested.push(...checks.map(({ name }) => name)),
        ...more,
      });
      await sandbox[Symbol.asyncDispose]();
      return tested.length;
    };
    const all = await choose();
    expect(all).toBeGreaterThan(10);
    expect([await choose(), await choose({ version: "2" }), await choose({ retest: true })]).toEqual([
      0,
      all,
      all,
    ]);
    await writeFile(join(workspaceRoot, "state/run/sandbox-tests.json"), "{");
    expect([await choose(), await choose()]).toEqual([all, 0]);
  });

  it("ends with its signal, and then nothing was chosen", async () => {
    const controller = new AbortController();
    const chosen = chooseSandbox({
      workspaceRoot,
      docker: NO_DOCKER,
      allowUnsandboxed: true,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(new Error("enough")), 60);
    await expect(chosen).rejects.toThrow("enough");
  });

  it("covers the network that was chosen, and that is said", async () => {
    const { sandbox, warning } = await chooseSandbox({
      workspaceRoot,
      prefer: "bubblewrap",
      network: "bridge",
      allowUnsandboxed: false,
    });
    await using _ = sandbox;
    expect(toSandboxLabel(sandbox)).toBe("bubblewrap (network bridge)");
    expect(warning).toMatch(/other machines/);
  });
});

const docker = findTestDocker();

it("Docker is there for these tests, or they are missed out loud", ({ skip }) => {
  const reason = typeof docker === "string" ? docker : "";
  if (reason !== "") console.warn(`the choice of docker is not tested: ${reason}`);
  skip(reason !== "" && process.env["CI"] !== "true", reason);
  expect(docker).toMatchObject({ image: expect.any(String) as string });
});

describe.runIf(typeof docker !== "string")("the choice where Docker runs", () => {
  const { socketPath, image } = docker as TestDocker;
  const options = (): ChooseOptions => ({
    workspaceRoot,
    docker: { host: `unix://${socketPath}`, image },
    allowUnsandboxed: false,
  });

  it("takes Docker before everything else, once it has passed its test", async () => {
    let checks: readonly SandboxCheck[] = [];
    const chosen = await chooseSandbox({ ...options(), onTested: (_backend, found) => (checks = found) });
    await using sandbox = chosen.sandbox;
    expect(toSandboxLabel(sandbox)).toBe("docker");
    expect(checks.length).toBeGreaterThan(10);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(chosen).toMatchObject({ image, considered: [] });
    expect(chosen.limits.map(({ name }) => name)).toContain("processor");
  });

  it("does not take Docker without its image, and names what makes it", async () => {
    const missing = {
      ...options(),
      docker: { host: `unix://${socketPath}`, image: "lmagent-no-such-image:1" },
    };
    const refused = chooseSandbox({ ...missing, prefer: "docker" });
    await expect(refused).rejects.toThrow(/lmagent-no-such-image:1.*`lmagent sandbox build`/s);
    await expect(refused).rejects.toMatchObject({ data: { considered: [{ fix: "lmagent sandbox build" }] } });
    const { sandbox, considered } = await chooseSandbox({ ...missing, allowUnsandboxed: true });
    await using _ = sandbox;
    expect(sandbox.backend).not.toBe("docker");
    expect(considered[0]?.reason).toContain("lmagent sandbox build");
  });
});

describe("the probe of bubblewrap", () => {
  it("gives the reason of a bubblewrap that cannot work", async () => {
    const bwrapPath = join(workspaceRoot, "fake");
    await writeProgram(bwrapPath, 'echo "bwrap: setting up uid map: Permission denied" >&2; exit 1');
    const probed = await probeBubblewrap({ workspaceRoot, bwrapPath });
    expect(probed).toEqual({ usable: false, reason: "bwrap: setting up uid map: Permission denied" });
  });

  it("is not taken in by a bubblewrap that runs nothing", async () => {
    const bwrapPath = join(workspaceRoot, "fake");
    await writeProgram(bwrapPath, "exit 0");
    expect((await probeBubblewrap({ workspaceRoot, bwrapPath })).usable).toBe(false);
  });

  it("reports a program that is not there", async () => {
    const probed = await probeBubblewrap({ workspaceRoot, bwrapPath: "/nowhere/bwrap" });
    expect(probed).toMatchObject({ usable: false, reason: expect.stringContaining("/nowhere/bwrap") });
  });
});

describe("programs that the host runs", () => {
  it("are found in folders of the system, whatever the workspace holds", async () => {
    await mkdir(join(workspaceRoot, "bin"));
    await writeProgram(join(workspaceRoot, "bin/sh"), "exit 1");
    expect(findTrustedBinary("sh", workspaceRoot)).toMatch(/^\/(usr\/)?(local\/)?bin\//);
    expect(findTrustedBinary("no-such-program", workspaceRoot)).toBeUndefined();
  });

  it("are not taken from a workspace that holds the system", () => {
    expect(findTrustedBinary("sh", "/")).toBeUndefined();
    expect(findTrustedBinary("sh", "/usr")).toBeUndefined();
  });
});

describe("a workspace that changes", () => {
  it("is refused when another folder stands in its place", async () => {
    const root = join(workspaceRoot, "root");
    await mkdir(root);
    const sandboxes = [
      createProcessSandbox({ workspaceRoot: root }),
      createBubblewrapSandbox({ workspaceRoot: root, bwrapPath: "/usr/bin/bwrap" }),
    ];
    await rename(root, join(workspaceRoot, "moved"));
    await symlink("/", root);
    for (const sandbox of sandboxes) {
      await expect(sandbox.run("true")).rejects.toSatisfy((thrown) =>
        AgentError.is(thrown, "workspace_invalid"),
      );
    }
  });

  it("is refused when it is no folder", async () => {
    const file = join(workspaceRoot, "file");
    await writeFile(file, "");
    for (const path of [file, join(workspaceRoot, "missing")]) {
      expect(() => createProcessSandbox({ workspaceRoot: path })).toThrow(/not a folder/);
    }
  });
});

describe("a sandbox that is chosen late", () => {
  it("is opened once, at its first command", async () => {
    let opened = 0;
    const sandbox = createLazySandbox(async () => {
      opened += 1;
      return createProcessSandbox({ workspaceRoot });
    });
    expect([opened, sandbox.isolated]).toEqual([0, false]);
    await Promise.all([sandbox.run("echo a > a"), sandbox.run("echo b > b"), sandbox.prepare?.()]);
    expect([opened, sandbox.backend]).toEqual([1, "process"]);
    expect(await readFile(join(workspaceRoot, "b"), "utf8")).toBe("b\n");
    await sandbox[Symbol.asyncDispose]();
  });

  it("says the weakest until it is known and the truth afterwards", async () => {
    const isolated: Sandbox = {
      backend: "bubblewrap",
      isolated: true,
      network: "none",
      run: async () => ({ exitCode: 0, durationMs: 0 }),
      start: () => Promise.reject(new Error("not needed")),
      [Symbol.asyncDispose]: async () => {},
    };
    const sandbox = createLazySandbox(async () => isolated);
    const shown = () => [sandbox.backend, sandbox.isolated, sandbox.network];
    expect(shown()).toEqual(["process", false, "bridge"]);
    await sandbox.prepare?.();
    expect(shown()).toEqual(["bubblewrap", true, "none"]);
  });

  it("tries again after a choice that failed", async () => {
    let tries = 0;
    const sandbox = createLazySandbox(async () => {
      tries += 1;
      if (tries === 1) throw new AgentError("sandbox_unavailable", "not yet");
      return createProcessSandbox({ workspaceRoot });
    });
    await expect(sandbox.run("true")).rejects.toThrow("not yet");
    expect((await sandbox.run("true")).exitCode).toBe(0);
    await sandbox[Symbol.asyncDispose]();
  });
});
