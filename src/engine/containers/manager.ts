/** Containers with models: one a model, each with its own `llama-server`, on this machine's Docker engine. */
import { stat } from "node:fs/promises";
import { statusOf } from "../../docker/engine.ts";
import type { DockerEngine } from "../../docker/engine.ts";
import { removeContainer, sweepLeftovers } from "../../docker/sweep.ts";
import { engineFailed } from "../engine-failure.ts";
import { toFields } from "../llama-server/fields.ts";
import { openContainer } from "./container.ts";
import type { ModelContainer } from "./container.ts";
import {
  connectModelDocker,
  LLAMA_CUDA_IMAGE,
  LLAMA_IMAGE,
  readDockerFacts,
  readImage,
} from "./docker-facts.ts";
import type { DockerFacts } from "./docker-facts.ts";
import { resolveModel, toModelKey, toModelName } from "./models.ts";
import type { ContainerModel, ResolvedModel } from "./models.ts";
import { choosePort } from "./ports.ts";
import { MODEL_OWNER_LABEL } from "./specification.ts";
import type { ContainerPlan } from "./specification.ts";
import { stopOnExit } from "./stop-on-exit.ts";

const PREFIX = "lmagent";
/** Large models are read from slow disks. */
const READY_MS = 600_000;
/** Another program may take a free port before the container does. */
const PORT_ATTEMPTS = 3;

export interface ContainerManagerOptions {
  /** As `findDockerSocket` finds it. */
  socketPath: string;
  /** Absolute path of the folder with the models; mounted so that it cannot be written to. */
  modelsFolder: string;
  /** Default the official image, for NVIDIA's GPUs where the engine has them. Never fetched by itself. */
  image?: string;
  /** Of the containers' names; default `lmagent`. */
  prefix?: string;
  /** `auto`: a network of its own where the engine has a bridge, else the machine's. */
  network?: "auto" | "bridge" | "host";
  /** `false`: none is given to containers, whatever there is. */
  gpu?: "auto" | false;
  /** How long a model may take to load; default 10 min. */
  readyMs?: number;
  /** One line about what is not as it was asked for. */
  log?: (line: string) => void;
}

interface Kept {
  /** Of the model. */
  name: string;
  opened: Promise<ModelContainer>;
  /** It goes, or is gone. */
  isStopped: boolean;
}

/** What an engine can do, found once. */
interface Place {
  engine: DockerEngine;
  facts: DockerFacts;
}

/** Starts with the removal of what killed owners left behind. Everything it throws is an `AgentError` `engine_failed`. */
export class ContainerManager implements AsyncDisposable {
  readonly #options: ContainerManagerOptions;
  /** By name and file: files in several folders may be called the same. */
  readonly #containers = new Map<string, Kept>();
  readonly #ports = new Map<string, number>();
  readonly #ids = new Set<string>();
  readonly #ending = new AbortController();
  #place: Promise<Place> | undefined;

  constructor(options: ContainerManagerOptions) {
    this.#options = options;
  }

  /**
   * Starts the container of `llama`, `phi-3`, `gemma`, of a file, or of a model that is described, and waits until the model is loaded.
   * Returns the port on 127.0.0.1; that of the one that runs already, when there is one for this file.
   */
  async startModelContainer(
    model: string | ContainerModel,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<number> {
    return (await this.openModelContainer(model, signal === undefined ? {} : { signal })).port;
  }

  /** The same, with all that is needed to speak to it. */
  async openModelContainer(
    asked: string | ContainerModel,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<ModelContainer> {
    this.#ending.signal.throwIfAborted();
    const model = await resolveModel(asked, this.#options);
    const key = toModelKey(model, this.#options.modelsFolder);
    const known = this.#containers.get(key);
    if (known?.isStopped === false) return known.opened;
    const open = async (): Promise<ModelContainer> => {
      // Until the one before it is gone, it has the name and the port.
      await (await known?.opened)?.stop();
      this.#ports.delete(key);
      const container = await this.#open(model, { key, signal });
      const stop = (): Promise<void> => {
        kept.isStopped = true;
        return container.stop();
      };
      return { ...container, stop };
    };
    const kept: Kept = { name: model.name, opened: open(), isStopped: false };
    this.#containers.set(key, kept);
    const forget = (): void => {
      if (this.#containers.get(key) !== kept) return;
      this.#containers.delete(key);
      this.#ports.delete(key);
    };
    kept.opened.then(({ ended }) => ended.then(forget), forget);
    return kept.opened;
  }

  /** Whether this manager has started it and it still runs; asks the engine. */
  async isContainerRunning(model: string | ContainerModel): Promise<boolean> {
    const container = await this.findModelContainer(model);
    if (container === undefined) return false;
    const { engine } = await this.#connect();
    try {
      const found: unknown = await engine.ask({ to: "describe a container" }, () =>
        engine.docker.getContainer(container.id).inspect(),
      );
      return toFields(toFields(found)["State"])["Running"] === true;
    } catch (thrown) {
      if (statusOf(thrown) === 404) return false;
      throw thrown;
    }
  }

  /** Waits until it is gone. False when there is none of this manager's. */
  async stopModelContainer(model: string | ContainerModel): Promise<boolean> {
    const container = await this.findModelContainer(model);
    await container?.stop();
    return container !== undefined;
  }

  /** Also what is just being started. */
  async stopAllContainers(): Promise<void> {
    const all = [...this.#containers.values()];
    await Promise.all(all.map(async ({ opened }) => (await opened.catch(() => undefined))?.stop()));
  }

  /** Removes containers whose owner has ended. Returns how many. Done once by itself, before the first container is started. */
  async reapLeftovers(): Promise<number> {
    const { engine } = await this.#connect();
    return sweepLeftovers(engine, MODEL_OWNER_LABEL);
  }

  /** Why no container could be started here, such as an image that is not there; `undefined` when one could. */
  async findObstacle(): Promise<Error | undefined> {
    try {
      const { engine, facts } = await this.#connect();
      await readImage(engine, this.#imageName(facts));
      return undefined;
    } catch (thrown) {
      return thrown instanceof Error ? thrown : new Error(String(thrown));
    }
  }

  /**
   * Stops all containers when this process ends, also by SIGINT, SIGTERM and SIGHUP unless these are not to be listened to. Dispose of it
   * to undo that.
   */
  stopOnExit({ signals = true }: { signals?: boolean } = {}): Disposable {
    return stopOnExit({
      signals,
      stopAll: () => this[Symbol.asyncDispose](),
      ids: () => [...this.#ids],
      socketPath: this.#options.socketPath,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(engineFailed("unloaded", "The containers of this process are being stopped."));
    await this.stopAllContainers();
  }

  /** That of this manager, which may just be starting. A name alone, without a file, means any that has it. */
  async findModelContainer(model: string | ContainerModel): Promise<ModelContainer | undefined> {
    const exact = this.#containers.get(toModelKey(model, this.#options.modelsFolder));
    const isName = typeof model === "string" && !model.endsWith(".gguf");
    const name = toModelName(model);
    const named = isName ? [...this.#containers.values()].find((kept) => kept.name === name) : undefined;
    return (exact ?? named)?.opened.catch(() => undefined);
  }

  #connect(): Promise<Place> {
    this.#place ??= connect(this.#options.socketPath).catch((thrown: unknown) => {
      this.#place = undefined;
      throw thrown;
    });
    return this.#place;
  }

  async #open(
    model: ResolvedModel,
    { key, signal }: { key: string; signal: AbortSignal | undefined },
  ): Promise<ModelContainer> {
    const { engine, facts } = await this.#connect();
    const image = await readImage(engine, this.#imageName(facts));
    const signals = [this.#ending.signal, ...(signal === undefined ? [] : [signal])];
    const { prefix = PREFIX, readyMs = READY_MS, log = () => {} } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      const port = await this.#choosePort(model, key);
      const plan = { ...(await this.#toPlan(model, facts)), image, port };
      try {
        const onCreated = (id: string): void => void this.#ids.add(id);
        const options = { plan, prefix, readyMs, log, onCreated, signal: AbortSignal.any(signals) };
        return this.#keep(engine, await openContainer(engine, options));
      } catch (thrown) {
        this.#ports.delete(key);
        if (attempt === PORT_ATTEMPTS || model.port !== undefined || !isPortTaken(thrown)) throw thrown;
        log(`the port ${port} was taken meanwhile; the container gets another`);
      }
    }
  }

  async #choosePort(model: ResolvedModel, key: string): Promise<number> {
    const { log = () => {} } = this.#options;
    const { port, usualPort } = model;
    const chosen = await choosePort({
      ...(port === undefined ? {} : { port }),
      ...(usualPort === undefined ? {} : { usualPort }),
      taken: new Set(this.#ports.values()),
      log,
    });
    this.#ports.set(key, chosen);
    return chosen;
  }

  async #toPlan(
    model: ResolvedModel,
    facts: DockerFacts,
  ): Promise<Omit<ContainerPlan, "apiKey" | "image" | "port">> {
    const { modelsFolder, network = "auto", gpu = "auto" } = this.#options;
    const own = network === "auto" ? (facts.hasBridge ? "bridge" : "host") : network;
    const useGpu = facts.nvidia !== undefined && gpu !== false && model.load.gpu !== false;
    return { model, facts, modelsFolder, network: own, useGpu, user: await chooseUser(model.path) };
  }

  #keep(engine: DockerEngine, container: ModelContainer): ModelContainer {
    const gone = (): void => void this.#ids.delete(container.id);
    // One that ended by itself removes itself; where the engine did not, we do.
    void container.ended.then(() => removeContainer(engine, container.id)).then(gone, gone);
    return container;
  }

  #imageName(facts: DockerFacts): string {
    const { image, gpu } = this.#options;
    return image ?? (facts.nvidia === undefined || gpu === false ? LLAMA_IMAGE : LLAMA_CUDA_IMAGE);
  }
}

async function connect(socketPath: string): Promise<Place> {
  const engine = await connectModelDocker(socketPath);
  const facts = await readDockerFacts(engine);
  await sweepLeftovers(engine, MODEL_OWNER_LABEL);
  return { engine, facts };
}

/** Root without its powers cannot read what belongs to others, so their files are read by themselves. */
async function chooseUser(path: string): Promise<{ uid: number; gid: number }> {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) return { uid, gid: process.getgid?.() ?? 0 };
  const file = await stat(path);
  return { uid: file.uid, gid: file.gid };
}

function isPortTaken(thrown: unknown): boolean {
  const text = thrown instanceof Error ? thrown.message : "";
  return /port is already allocated|address already in use|couldn't bind|another server answers/i.test(text);
}
