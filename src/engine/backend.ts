/** Where models run on this machine: in Docker, in a `llama-server` of its own, or in a process of ours. */
import { errorMessage } from "../core/errors.ts";
import type { ModelEntry } from "./catalog/catalog.ts";
import type { ContainerManager, ContainerManagerOptions, ContainerProfile } from "./containers/index.ts";
import type { Backend, Engine } from "./engine.ts";
import { createFallbackEngine } from "./fallback-engine.ts";
import type { EngineCandidate } from "./fallback-engine.ts";
import type { LoadOptions } from "./protocol.ts";

export const BACKEND_ORDER: readonly Backend[] = ["docker", "host", "embedded"];

export interface ChooseBackendOptions {
  /** What is not in it is not used. Default `BACKEND_ORDER`. */
  order?: readonly Backend[];
  docker?: Omit<ContainerManagerOptions, "socketPath" | "log"> & {
    /** As `findDockerSocket` finds it. A function is asked when it is Docker's turn; what it throws is why Docker is not used. */
    socketPath?: string | undefined | (() => string | undefined);
    /** Over what a model's plan says. */
    profile?: Partial<ContainerProfile>;
  };
  host?: {
    /** Where the user says that `llama-server` is. */
    configured?: string | undefined;
    searchPath?: string | undefined;
    /** Of the server. */
    environment: Readonly<Record<string, string | undefined>>;
    readyMs?: number;
  };
  createEmbedded: (plan: LoadOptions, entry: ModelEntry) => Engine;
  /** One line for each thing that is not as it was asked for. */
  log: (line: string) => void;
}

export interface BackendChoice extends AsyncDisposable {
  /** What can be used, in order; at least one. */
  readonly backends: readonly Backend[];
  /** Of the containers, where Docker can be used. */
  readonly containers?: ContainerManager;
  /** For a `ModelManager`. Its `backend` tells where the model is. */
  createEngine(plan: LoadOptions, entry: ModelEntry): Engine;
}

type CreateCandidate = (plan: LoadOptions, entry: ModelEntry) => Engine;

interface Usable {
  usable: true;
  create: CreateCandidate;
  containers?: ContainerManager;
  dispose?: () => Promise<void>;
}

type Probe = Usable | { usable: false; reason: string };

/**
 * Looks once what there is, and says in one line why the first choice is not used. A model that the first cannot load is tried with the
 * next, which is said as well. Never throws: what is always there is the embedded runtime, also where the order does not name it.
 */
export async function chooseBackend(options: ChooseBackendOptions): Promise<BackendChoice> {
  const { order = BACKEND_ORDER, log } = options;
  const probes: Record<Backend, () => Promise<Probe>> = {
    docker: () => probeDocker(options),
    host: () => probeHost(options),
    embedded: async () => ({ usable: true, create: options.createEmbedded }),
  };
  const found: [Backend, Usable][] = [];
  const reasons: string[] = [];
  for (const backend of new Set(order)) {
    const probe = await probes[backend]().catch((thrown: unknown): Probe => ({
      usable: false,
      reason: errorMessage(thrown),
    }));
    if (probe.usable) found.push([backend, probe]);
    else reasons.push(`not in ${NAMES[backend]}, because ${withoutStop(probe.reason)}`);
  }
  if (found.length === 0) found.push(["embedded", { usable: true, create: options.createEmbedded }]);
  const first = found[0]?.[0] ?? "embedded";
  if (reasons.length > 0 && first !== order[0]) log(`models run in ${NAMES[first]}: ${reasons.join("; ")}`);
  const containers = found.find(([backend]) => backend === "docker")?.[1].containers;
  return {
    backends: found.map(([backend]) => backend),
    ...(containers === undefined ? {} : { containers }),
    createEngine: (plan, entry) => {
      const candidates = orderFor(plan, found).map(([backend, { create }]): EngineCandidate => ({
        backend,
        create: () => create(plan, entry),
      }));
      return createFallbackEngine({
        candidates,
        onFallback: (from, to, why) =>
          log(`${entry.key} runs in ${NAMES[to]}: not in ${NAMES[from]}, because ${withoutStop(why)}`),
      });
    },
    [Symbol.asyncDispose]: async () => {
      for (const [, { dispose }] of found) await dispose?.();
    },
  };
}

const NAMES: Readonly<Record<Backend, string>> = {
  docker: "Docker",
  host: "llama-server on this machine",
  embedded: "the embedded runtime",
};

/** The embedded runtime cannot see. */
function orderFor(plan: LoadOptions, found: readonly [Backend, Usable][]): readonly [Backend, Usable][] {
  if (plan.projectorPath === undefined) return found;
  const isBlind = ([backend]: readonly [Backend, Usable]): boolean => backend === "embedded";
  return [...found.filter((one) => !isBlind(one)), ...found.filter(isBlind)];
}

async function probeDocker({ docker, log }: ChooseBackendOptions): Promise<Probe> {
  const given = docker?.socketPath;
  const socketPath = typeof given === "function" ? given() : given;
  if (docker === undefined || socketPath === undefined)
    return { usable: false, reason: "there is no Docker engine" };
  const { profile, socketPath: _, ...rest } = docker;
  const [{ ContainerManager, createContainerSource }, { createLlamaServerEngine }] = await Promise.all([
    import("./containers/index.ts"),
    import("./llama-server/index.ts"),
  ]);
  const manager = new ContainerManager({ ...rest, socketPath, log });
  const obstacle = await manager.findObstacle();
  if (obstacle !== undefined) return { usable: false, reason: obstacle.message };
  const create: CreateCandidate = (load, entry) => {
    const source = createContainerSource({
      manager,
      load,
      name: entry.key,
      ...(profile === undefined ? {} : { profile }),
    });
    return createLlamaServerEngine({ source, load, log });
  };
  // What ends this process in good order disposes of this choice; what does not must leave nothing behind either.
  const onExit = manager.stopOnExit({ signals: false });
  const dispose = async (): Promise<void> => {
    onExit[Symbol.dispose]();
    await manager[Symbol.asyncDispose]();
  };
  return { usable: true, create, containers: manager, dispose };
}

async function probeHost({ host, log }: ChooseBackendOptions): Promise<Probe> {
  if (host === undefined) return { usable: false, reason: "no `llama-server` is configured" };
  const { createHostSource, createLlamaServerEngine, findLlamaServer } =
    await import("./llama-server/index.ts");
  const found = findLlamaServer(host);
  if (!found.found) return { usable: false, reason: found.reason };
  const { environment, readyMs } = host;
  const create: CreateCandidate = (load) => {
    const source = createHostSource({
      path: found.path,
      load,
      environment,
      ...(readyMs === undefined ? {} : { readyMs }),
    });
    return createLlamaServerEngine({ source, load, log });
  };
  return { usable: true, create };
}

function withoutStop(text: string): string {
  return text.trim().replace(/\.$/, "");
}
