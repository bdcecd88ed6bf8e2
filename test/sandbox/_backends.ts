/** The sandboxes of this machine that tests can open, each as every kind of user that an agent may be started by. */
import { statSync } from "node:fs";
import { chown, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox, SandboxBackend } from "../../src/core/sandbox.ts";
import { createDockerSandbox } from "../../src/sandbox/docker/index.ts";
import {
  createBubblewrapSandbox,
  createProcessSandbox,
  findTrustedBinary,
  probeBubblewrap,
} from "../../src/sandbox/index.ts";
import { findTestDocker } from "./_docker.ts";

/** No user of this machine; only its number matters. */
export const ORDINARY_USER = 54_321;

/** The slowest first, so that the others run beside it. */
export const TESTED_BACKENDS = ["docker", "bubblewrap", "process"] as const;

export function openBackend(backend: SandboxBackend, workspaceRoot: string): Sandbox {
  if (backend === "process") return createProcessSandbox({ workspaceRoot });
  if (backend === "bubblewrap") {
    const bwrapPath = findTrustedBinary("bwrap", workspaceRoot) ?? "/usr/bin/bwrap";
    return createBubblewrapSandbox({ workspaceRoot, bwrapPath });
  }
  const docker = findTestDocker();
  if (backend !== "docker" || typeof docker === "string") throw new Error(`${backend} cannot be opened here`);
  return createDockerSandbox({ workspaceRoot, ...docker });
}

/** Who starts the agent, and who owns the workspace. */
export interface TestUser {
  title: string;
  /** Of the process; absent for the user who runs the tests. */
  uid?: number;
  gid?: number;
  /** Of the workspaces; absent for the user of the process. */
  workspaceOwner?: number;
}

export function testUsers(backend: SandboxBackend): TestUser[] {
  if (process.getuid?.() !== 0) return [{ title: "ordinary user" }];
  const docker = findTestDocker();
  // Whoever may use the engine is in the group of its socket.
  const gid =
    backend === "docker" && typeof docker !== "string" ? statSync(docker.socketPath).gid : ORDINARY_USER;
  const root: TestUser = { title: "root", workspaceOwner: 0 };
  const stepsDown: TestUser = { title: "root, user's workspace", workspaceOwner: ORDINARY_USER };
  const ordinary: TestUser = { title: "ordinary user", uid: ORDINARY_USER, gid };
  // The engine is root for everybody and makes the same container over a user's workspace, whoever asks it to.
  return backend === "docker" ? [root, ordinary] : [root, stepsDown, ordinary];
}

/** Why tests of this backend cannot run here; undefined when they can. */
export async function whyUnavailable(backend: SandboxBackend): Promise<string | undefined> {
  if (backend === "process") return undefined;
  if (backend === "seatbelt") return process.platform === "darwin" ? undefined : "it needs macOS";
  if (backend === "docker") {
    const docker = findTestDocker();
    return typeof docker === "string" ? docker : undefined;
  }
  const workspaceRoot = await mkdtemp(join(await realpath(tmpdir()), "lmagent-probe-"));
  try {
    const bwrapPath = findTrustedBinary("bwrap", workspaceRoot) ?? "/usr/bin/bwrap";
    const probed = await probeBubblewrap({ workspaceRoot, bwrapPath });
    return probed.usable ? undefined : probed.reason;
  } finally {
    await rm(workspaceRoot, { recursive: true });
  }
}

export async function giveTo(path: string, owner: number | undefined): Promise<void> {
  if (owner !== undefined) await chown(path, owner, owner);
}
