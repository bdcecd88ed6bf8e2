import { setTimeout as pause } from "node:timers/promises";
import type { Container, ContainerCreateOptions } from "dockerode";
import { AgentError } from "../../core/errors.ts";
import { SANDBOX_LIMITS } from "../../core/sandbox.ts";
import { statusOf, WORK_MS, type DockerEngine } from "../../docker/engine.ts";
import { watchContainer, type ContainerEvents } from "../../docker/events.ts";
import { attachLifeline, type Lifeline } from "./lifeline.ts";
import { mayBeAlive, parseOwnerLabel, readOwner } from "../../docker/owner.ts";
import {
  OWNER_LABEL,
  toContainerName,
  toCreateOptions,
  toMemory,
  type ContainerSpecification,
} from "./specification.ts";
import { removeContainer } from "../../docker/sweep.ts";

/** How long the first process may take to end all others. */
const KILL_MS = 2_000;

/** Agents that can work in one workspace at a time. */
const MAX_SLOTS = 32;

/** A running container of ours. */
export interface SandboxContainer {
  readonly id: string;
  readonly handle: Container;
  readonly engine: DockerEngine;
  /** Of the specification it was made from. */
  readonly hash: string;
  readonly events: ContainerEvents;
  /** Ends every process in it but the first, and waits until that is done. Returns false when the container is gone. */
  killAll(): Promise<boolean>;
  /** The memory limit of all that is in it. */
  setMemory(memoryMb: number): Promise<void>;
  /** Ends everything in it and removes it. Never rejects: what cannot be removed now is swept by the next agent. */
  remove(): Promise<void>;
}

export interface OpenOptions {
  specification: ContainerSpecification;
  /** Absolute path of the workspace on the host. */
  workspace: string;
  /** Of a container apart from that of the commands. */
  slot?: string;
}

/** Makes and starts a container. One is never taken over from another agent, nor used again. Throws `AgentError` `sandbox_unavailable`. */
export async function openContainer(engine: DockerEngine, options: OpenOptions): Promise<SandboxContainer> {
  const handle = await createContainer(engine, options);
  try {
    const [lifeline, events] = await Promise.all([
      attachLifeline(engine, handle),
      watchContainer(engine, handle.id),
    ]);
    await engine.ask({ to: "start a container", deadlineMs: WORK_MS }, () => handle.start());
    return toContainer({ engine, handle, lifeline, events, hash: options.specification.hash });
  } catch (thrown) {
    await removeContainer(engine, handle.id).catch(() => {});
    throw thrown;
  }
}

async function createContainer(
  engine: DockerEngine,
  { specification, workspace, slot }: OpenOptions,
): Promise<Container> {
  const slots = slot === undefined ? Array.from({ length: MAX_SLOTS }, (_, index) => String(index)) : [slot];
  for (const each of slots) {
    const name = toContainerName(workspace, each);
    const made =
      (await tryCreate(engine, specification, name)) ??
      ((await removeForsaken(engine, name)) ? await tryCreate(engine, specification, name) : undefined);
    if (made !== undefined) return made;
  }
  throw engine.fail(`already has ${slots.length} containers for this workspace; end other agents`);
}

/** `undefined` when the name is taken. */
async function tryCreate(
  engine: DockerEngine,
  specification: ContainerSpecification,
  name: string,
): Promise<Container | undefined> {
  // Given plainly dockerode would repeat all of it in the address, 40 KB with the filter of system calls.
  const request = { _query: { name }, _body: toCreateOptions(specification, readOwner()) };
  try {
    const made = await engine.ask({ to: "create a container", deadlineMs: WORK_MS }, () =>
      engine.docker.createContainer(request as ContainerCreateOptions),
    );
    if (typeof made.id === "string" && /^[0-9a-f]{12,64}$/.test(made.id)) return made;
  } catch (thrown) {
    if (statusOf(thrown) === 409) return undefined;
    throw thrown;
  }
  throw engine.fail("did not answer as one");
}

/** Removes a container whose owner has ended. Returns whether the name may be free now. */
async function removeForsaken(engine: DockerEngine, name: string): Promise<boolean> {
  try {
    const found = await engine.ask({ to: "describe a container" }, () =>
      engine.docker.getContainer(name).inspect(),
    );
    const owner = parseOwnerLabel(found.Config?.Labels?.[OWNER_LABEL]);
    if (owner === undefined || mayBeAlive(owner, readOwner())) return false;
    await removeContainer(engine, found.Id);
    return true;
  } catch (thrown) {
    if (statusOf(thrown) === 404) return true;
    throw thrown;
  }
}

interface ContainerParts {
  engine: DockerEngine;
  handle: Container;
  lifeline: Lifeline;
  events: ContainerEvents;
  hash: string;
}

function toContainer({ engine, handle, lifeline, events, hash }: ContainerParts): SandboxContainer {
  let memoryMb: number = SANDBOX_LIMITS.memoryMb.default;
  return {
    id: handle.id,
    handle,
    engine,
    hash,
    events,
    async killAll() {
      const done = lifeline.next();
      try {
        await engine.ask({ to: "end a command" }, () => handle.kill({ signal: "SIGUSR1" }));
        // Were it done later, it would meet what is started next.
        await Promise.race([done, pause(KILL_MS, undefined, { ref: false })]);
        return true;
      } catch (thrown) {
        if ([404, 409].includes(statusOf(thrown) ?? 0)) return false;
        throw thrown;
      }
    },
    async setMemory(wantedMb) {
      if (wantedMb === memoryMb) return;
      await engine.ask({ to: "change the memory limit" }, () => handle.update({ ...toMemory(wantedMb) }));
      memoryMb = wantedMb;
    },
    async remove() {
      events.close();
      await removeContainer(engine, handle.id).catch((thrown: unknown) => {
        if (!AgentError.is(thrown)) throw thrown;
      });
      lifeline.cut();
    },
  };
}
