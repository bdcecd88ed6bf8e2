import type { Container } from "dockerode";
import { statusOf, type DockerEngine } from "./engine.ts";
import { mayBeAlive, parseOwnerLabel, readOwner } from "./owner.ts";

/**
 * Removes the containers of processes that have ended without doing so themselves. `label` is the one that names the owner; containers
 * without it or whose owner may be alive are left alone. Returns how many were removed; what cannot be removed is left to the next one.
 */
export async function sweepLeftovers(engine: DockerEngine, label: string): Promise<number> {
  const filters = { label: [label] };
  const found = await engine.ask({ to: "list its containers" }, () =>
    engine.docker.listContainers({ all: true, filters }),
  );
  const here = readOwner();
  const left = (Array.isArray(found) ? found : []).filter(({ Labels }) => {
    const owner = parseOwnerLabel(Labels?.[label]);
    return owner !== undefined && !mayBeAlive(owner, here);
  });
  const removed = await Promise.allSettled(left.map(({ Id }) => removeContainer(engine, Id)));
  return removed.filter(({ status }) => status === "fulfilled").length;
}

/** Ends everything in it, and waits until it is gone. */
export async function removeContainer(engine: DockerEngine, id: string): Promise<void> {
  const handle = engine.docker.getContainer(id);
  try {
    await engine.ask({ to: "remove a container" }, () => handle.remove({ force: true, v: true }));
  } catch (thrown) {
    if (statusOf(thrown) === 404) return;
    if (statusOf(thrown) !== 409) throw thrown;
    // It is being removed already, because it has ended.
    await engine.ask({ to: "remove a container" }, () => waitUntilRemoved(handle));
  }
}

async function waitUntilRemoved(handle: Container): Promise<void> {
  try {
    await handle.wait({ condition: "removed" });
  } catch (thrown) {
    if ((thrown as { statusCode?: unknown }).statusCode !== 404) throw thrown;
  }
}
