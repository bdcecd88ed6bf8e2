import { AgentError } from "../../core/errors.ts";
import { SANDBOX_ROOT } from "../../core/sandbox.ts";
import type { Executor } from "./executor.ts";
import type { ContainerPlan } from "./specification.ts";

/** The identity of one folder and of every pin there may be fits many times. */
const MAX_ANSWER_BYTES = 64 * 1_024;

/**
 * Asks the new container what it sees at each mount. The engine looks paths up by itself, as root and following links, so something
 * may have been put in their place since we looked: by commands of another agent in the same workspace, for example.
 * Throws `AgentError` `workspace_invalid`.
 */
export async function checkMounts(
  executor: Executor,
  { workspace, root, pins }: ContainerPlan,
): Promise<void> {
  // Elsewhere the engine runs in a virtual machine, whose numbers of files are others.
  if (process.platform !== "linux") return;
  const wanted = [{ path: ".", ...root }, ...pins];
  const said: Uint8Array[] = [];
  let bytes = 0;
  await executor.exec({
    program: ["stat", "-c", "%d:%i", "--", ...wanted.map(({ path }) => `${SANDBOX_ROOT}/${path}`)],
    cwd: "/",
    environment: {},
    onOutput(chunk, stream) {
      bytes += chunk.length;
      if (stream === "stdout" && bytes <= MAX_ANSWER_BYTES) said.push(chunk);
    },
  });
  const seen = Buffer.concat(said).toString().trim().split("\n");
  const wrong = wanted.find(({ dev, ino }, index) => seen[index] !== `${dev}:${ino}`);
  if (wrong === undefined) return;
  const path = wrong.path === "." ? workspace : `${workspace}/${wrong.path}`;
  throw new AgentError(
    "workspace_invalid",
    `\`${path}\` was replaced while a container was made for it; run the command again.`,
    { data: { path } },
  );
}
