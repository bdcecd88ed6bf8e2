import { chown, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox, SandboxResult, SandboxRunOptions } from "../../src/core/sandbox.ts";
import { createDockerSandbox, type DockerSandboxOptions } from "../../src/sandbox/docker/index.ts";
import { ORDINARY_USER } from "./_backends.ts";

export interface Said extends SandboxResult {
  out: string;
  err: string;
}

/** A Docker sandbox over a new workspace. */
export interface DockerBox extends AsyncDisposable {
  sandbox: Sandbox;
  workspace: string;
  run: (command: string | readonly string[], options?: SandboxRunOptions) => Promise<Said>;
}

export async function makeWorkspace(name = "lmagent-docker-test-"): Promise<string> {
  const workspace = await mkdtemp(join(await realpath(tmpdir()), name));
  if (process.getuid?.() === 0) await chown(workspace, ORDINARY_USER, ORDINARY_USER);
  return workspace;
}

export async function openBox(
  options: Omit<DockerSandboxOptions, "workspaceRoot"> & { name?: string },
): Promise<DockerBox> {
  const workspace = await makeWorkspace(options.name);
  const sandbox = createDockerSandbox({ ...options, workspaceRoot: workspace });
  return {
    sandbox,
    workspace,
    run: (command, runOptions) => runIn(sandbox, command, runOptions),
    async [Symbol.asyncDispose]() {
      await sandbox[Symbol.asyncDispose]();
      await rm(workspace, { recursive: true, force: true });
    },
  };
}

export async function runIn(
  sandbox: Sandbox,
  command: string | readonly string[],
  options: SandboxRunOptions = {},
): Promise<Said> {
  const said = { stdout: "", stderr: "" };
  const onOutput = (chunk: Uint8Array, stream: "stdout" | "stderr"): void => {
    said[stream] += Buffer.from(chunk).toString();
  };
  const result = await sandbox.run(command, { onOutput, ...options });
  return { ...result, out: said.stdout, err: said.stderr };
}
