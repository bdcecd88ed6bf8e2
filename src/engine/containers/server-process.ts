import type { DockerEngine } from "../../docker/engine.ts";
import { readText } from "../../processes/proc-files.ts";
import { toFields, toNumber } from "../llama-server/fields.ts";

/**
 * Which process of this machine the server in a container is, for those who count its memory: the first one, or the child of the one that
 * Docker puts before it. `undefined` where the engine counts processes elsewhere, in a virtual machine for example. Never rejects.
 */
export async function findServerProcess(
  engine: DockerEngine,
  id: string,
  command: readonly string[],
): Promise<number | undefined> {
  const found: unknown = await engine
    .ask({ to: "describe a container" }, () => engine.docker.getContainer(id).inspect())
    .catch(() => undefined);
  const first = toNumber(toFields(toFields(found)["State"])["Pid"]) ?? 0;
  const children = readText(`/proc/${first}/task/${first}/children`).split(" ").map(Number);
  // Files are read byte by byte.
  const ending = Buffer.from(`${command.join("\0")}\0`).toString("latin1");
  // The one before it carries the same command, after a name of its own.
  return [...children, first].find((pid) => pid > 0 && readText(`/proc/${pid}/cmdline`).endsWith(ending));
}
