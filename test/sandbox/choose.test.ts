import { chmod, mkdir, mkdtemp, readFile, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import type { Sandbox } from "../../src/core/sandbox.ts";
import {
  chooseSandbox,
  createBubblewrapSandbox,
  createLazySandbox,
  createProcessSandbox,
  findTrustedBinary,
  probeBubblewrap,
} from "../../src/sandbox/index.ts";

let workspaceRoot: string;

beforeEach(async () => {
  workspaceRoot = await mkdtemp(join(await realpath(tmpdir()), "lmagent-choose-test-"));
});

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

  it("does not take another backend for one that is missing", async () => {
    const refused = chooseSandbox({ workspaceRoot, prefer: "docker", allowUnsandboxed: true });
    await expect(refused).rejects.toSatisfy((thrown) => AgentError.is(thrown, "sandbox_unavailable"));
  });

  it("takes bubblewrap where it works and gives no warning", async () => {
    const bwrapPath = findTrustedBinary("bwrap", workspaceRoot) ?? "";
    const usable = bwrapPath !== "" && (await probeBubblewrap({ workspaceRoot, bwrapPath })).usable;
    const { sandbox, warning } = await chooseSandbox({ workspaceRoot, allowUnsandboxed: true });
    expect(sandbox.backend).toBe(usable ? "bubblewrap" : "process");
    expect(warning === undefined).toBe(usable);
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
      run: async () => ({ exitCode: 0, durationMs: 0 }),
      [Symbol.asyncDispose]: async () => {},
    };
    const sandbox = createLazySandbox(async () => isolated);
    expect([sandbox.backend, sandbox.isolated]).toEqual(["process", false]);
    await sandbox.prepare?.();
    expect([sandbox.backend, sandbox.isolated]).toEqual(["bubblewrap", true]);
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
