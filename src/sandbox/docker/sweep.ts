import { connectEngine, statusOf, WORK_MS, type Engine } from "./engine.ts";
import { mayBeAlive, parseOwnerLabel, readOwner } from "./owner.ts";
import { OWNER_LABEL } from "./specification.ts";

/**
 * Removes the containers of agents that have ended without doing so themselves. Containers that are not ours or whose owner may be
 * alive are left alone. Returns how many were removed. Throws `AgentError` `sandbox_unavailable`.
 */
export async function sweepDockerLeftovers(socketPath: string): Promise<number> {
  return sweepLeftovers(await connectEngine(socketPath));
}

export async function sweepLeftovers(engine: Engine): Promise<number> {
  const filters = { label: [OWNER_LABEL] };
  const found = await engine.ask({ to: "list its containers" }, () =>
    engine.docker.listContainers({ all: true, filters }),
  );
  const here = readOwner();
  const left = (Array.isArray(found) ? found : []).filter(({ Labels }) => {
    const owner = parseOwnerLabel(Labels?.[OWNER_LABEL]);
    return owner !== undefined && !mayBeAlive(owner, here);
  });
  await Promise.all(left.map(({ Id }) => removeContainer(engine, Id)));
  return left.length;
}

/** Ends everything in it. Does nothing when it is gone already. */
export async function removeContainer(engine: Engine, id: string): Promise<void> {
  try {
    await engine.ask({ to: "remove a container", deadlineMs: WORK_MS }, () => {
      return engine.docker.getContainer(id).remove({ force: true, v: true });
    });
  } catch (thrown) {
    // 409: it is being removed.
    if (![404, 409].includes(statusOf(thrown) ?? 0)) throw thrown;
  }
}
