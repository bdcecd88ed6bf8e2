import { AgentError } from "../../core/errors.ts";
import { toTerminalLine } from "../../tui/terminal-text.ts";
import { askYes } from "../ask-yes.ts";
import { onInterrupt } from "../interrupt.ts";
import { readSettings } from "../settings.ts";
import type { SandboxFlags } from "./sandbox.ts";

/** Makes the image that commands run in, after saying what that does. Exit code 1 when the user does not want it. */
export async function buildImage(flags: SandboxFlags & { yes?: boolean }): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  const { buildSandboxImage, findDockerSocket, SANDBOX_IMAGE } =
    await import("../../sandbox/docker/index.ts");
  const { dockerHost, userHome: home, runtimeDir, sandboxImage: image = SANDBOX_IMAGE } = settings;
  const socketPath = findDockerSocket({ dockerHost, home, runtimeDir });
  if (socketPath === undefined) {
    throw new AgentError(
      "sandbox_unavailable",
      "No Docker engine runs here: there is no socket of one. Install Docker and start it, or set `DOCKER_HOST` to its `unix://` socket.",
      { data: { backend: "docker" } },
    );
  }
  process.stderr.write(
    `This makes the image ${image} in the Docker engine at ${toTerminalLine(socketPath)}: it loads Debian with Node from Docker Hub and bash, git, python3 and ripgrep from Debian, some 400 MB, and takes minutes.\n`,
  );
  const interrupt = onInterrupt();
  try {
    if (!flags.yes && !(await isWanted(interrupt.signal))) return 1;
    const onProgress = (text: string): void => void process.stderr.write(`${toTerminalLine(text)}\n`);
    await buildSandboxImage({ socketPath, image, onProgress, signal: interrupt.signal });
  } finally {
    interrupt.dispose();
  }
  process.stdout.write(`Made ${image}. \`lmagent sandbox test --sandbox docker\` tries it.\n`);
  return 0;
}

async function isWanted(signal: AbortSignal): Promise<boolean> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY)
    throw new AgentError(
      "usage",
      "There is nobody to ask. `lmagent sandbox build --yes` makes it without a question.",
    );
  return askYes("Make it?", { output: stderr, signal });
}
