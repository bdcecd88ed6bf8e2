/** What commands run in at the moment: a container that is as it should be, and a way to run commands in it. Made when needed. */
import { statSync } from "node:fs";
import type { SandboxNetwork } from "../../core/sandbox.ts";
import { readPins } from "../pins.ts";
import type { WorkspaceRoot } from "../workspace-root.ts";
import { openContainer, type OpenOptions, type SandboxContainer } from "./container.ts";
import type { DockerEngine } from "../../docker/engine.ts";
import { sweepLeftovers } from "../../docker/sweep.ts";
import { connectEngine } from "./engine.ts";
import type { Executor } from "./executor.ts";
import { readDockerFacts, type DockerFacts } from "./facts.ts";
import { readImage, type SandboxImage } from "./image.ts";
import { checkMounts } from "./mounts.ts";
import { createProgramExecutor } from "./program.ts";
import { openRunner } from "./runner.ts";
import {
  OWNER_LABEL,
  toSpecification,
  type ContainerPlan,
  type ContainerSpecification,
} from "./specification.ts";

export interface WorkplaceOptions {
  root: WorkspaceRoot;
  socketPath: string;
  /** Name of the image. */
  image: string;
  network: SandboxNetwork;
}

export interface Place {
  container: SandboxContainer;
  executor: Executor;
}

interface EngineState {
  engine: DockerEngine;
  image: SandboxImage;
  facts: DockerFacts;
}

export class Workplace {
  readonly #options: WorkplaceOptions;
  #state: Promise<EngineState> | undefined;
  #place: Place | undefined;
  #last: { key: string; specification: ContainerSpecification } | undefined;

  constructor(options: WorkplaceOptions) {
    this.#options = options;
  }

  /** The engine, its image, and what it can do; found once. Throws `AgentError` `sandbox_unavailable`. */
  async connect(): Promise<EngineState> {
    this.#state ??= openEngine(this.#options);
    try {
      return await this.#state;
    } catch (thrown) {
      this.#state = undefined;
      throw thrown;
    }
  }

  /**
   * A container as it has to be now, with a way in. One that was made of anything else, or that has ended, is removed and made
   * again. `repositories`: where in the workspace there are some, as `guardWorkspace` finds them. Throws `AgentError`
   * `sandbox_unavailable`, `workspace_invalid`.
   */
  async enter(repositories: readonly string[]): Promise<Place> {
    const state = await this.connect();
    const plan = this.#toPlan(state, repositories);
    const specification = this.#toSpecification(plan);
    const place = this.#place;
    const isRight = place?.container.hash === specification.hash && place.container.events.isOpen();
    if (isRight && place.executor.isUsable()) return place;
    if (isRight) this.#place = await this.#renew(place, state);
    else await this.leave();
    if (this.#place !== undefined) return this.#place;
    try {
      return (this.#place = await openPlace(state, plan, { specification, workspace: plan.workspace }));
    } catch (thrown) {
      // Engine and image are looked at anew: they may have been changed.
      this.#state = undefined;
      throw thrown;
    }
  }

  /** Making it anew for each command would cost as much as the command. */
  #toSpecification(plan: ContainerPlan): ContainerSpecification {
    const { image, facts, ...changing } = plan;
    const key = JSON.stringify([image.id, facts, changing]);
    if (this.#last?.key !== key) this.#last = { key, specification: toSpecification(plan) };
    return this.#last.specification;
  }

  /** Removes the container. The next command gets another. */
  async leave(): Promise<void> {
    const place = this.#place;
    this.#place = undefined;
    place?.executor.close();
    await place?.container.remove();
  }

  /** A container of its own, made in the same way. Its owner has to remove it. */
  async openApart(options: {
    slot: string;
    memoryMb: number;
    repositories: readonly string[];
  }): Promise<SandboxContainer> {
    const { slot, memoryMb, repositories } = options;
    const state = await this.connect();
    const plan = { ...this.#toPlan(state, repositories), memoryMb };
    const apart = { specification: toSpecification(plan), workspace: plan.workspace, slot };
    const { container, executor } = await openPlace(state, plan, apart);
    executor.close();
    return container;
  }

  /** Another runner in the same container; what the last one left is ended first. */
  async #renew({ container, executor }: Place, { image }: EngineState): Promise<Place | undefined> {
    executor.close();
    try {
      if (await container.killAll()) return { container, executor: await openExecutor(container, image) };
    } catch {
      // It cannot be used any more, whatever the reason: another is made, or that says why not.
    }
    await container.remove();
    return undefined;
  }

  #toPlan({ image, facts }: EngineState, repositories: readonly string[]): ContainerPlan {
    const { root, network } = this.#options;
    const { uid, gid } = root.check();
    const { dev, ino } = statSync(root.path);
    return {
      workspace: root.path,
      user: { uid, gid },
      root: { dev, ino },
      pins: readPins(root.path, repositories),
      image,
      network,
      facts,
    };
  }
}

async function openEngine({ socketPath, image }: WorkplaceOptions): Promise<EngineState> {
  const engine = await connectEngine(socketPath);
  const [facts, found] = await Promise.all([
    readDockerFacts(engine),
    readImage(engine, image),
    sweepLeftovers(engine, OWNER_LABEL),
  ]);
  return { engine, facts, image: found };
}

async function openPlace(
  { engine, image }: EngineState,
  plan: ContainerPlan,
  options: OpenOptions,
): Promise<Place> {
  const container = await openContainer(engine, options);
  try {
    const executor = await openExecutor(container, image);
    await checkMounts(executor, plan);
    return { container, executor };
  } catch (thrown) {
    await container.remove();
    throw thrown;
  }
}

async function openExecutor(container: SandboxContainer, { shell }: SandboxImage): Promise<Executor> {
  return (await openRunner(container, shell)) ?? createProgramExecutor(container, shell);
}
