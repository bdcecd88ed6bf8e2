/** What a model's container is made of. */
import { basename, dirname, relative } from "node:path";
import type { ContainerCreateOptions, HostConfig, MountSettings } from "dockerode";
import { readOwner, toOwnerLabel } from "../../docker/owner.ts";
import { toServerArguments, toServerEnvironment } from "../llama-server/arguments.ts";
import type { DockerFacts, ImageFacts } from "./docker-facts.ts";
import type { ResolvedModel } from "./models.ts";

/** Of the process that started it; not the one that containers of the sandbox carry. */
export const MODEL_OWNER_LABEL = "lmagent.model-owner";
const MODEL_LABEL = "lmagent.model";

/** Where the official images listen, and look for their health. */
export const CONTAINER_PORT = 8080;
const MODELS_FOLDER = "/models";
const MAX_PROCESSES = 1_024;
const TEMPORARY_BYTES = 256 * 1024 * 1024;

export interface ContainerPlan {
  model: ResolvedModel;
  image: ImageFacts;
  facts: DockerFacts;
  /** Absolute path on this machine. */
  modelsFolder: string;
  /** `host`: the server listens on this machine's loopback interface itself. */
  network: "host" | "bridge";
  /** On this machine's loopback interface. */
  port: number;
  apiKey: string;
  useGpu: boolean;
  user: { uid: number; gid: number };
}

export function toCreateOptions(plan: ContainerPlan): ContainerCreateOptions {
  const { model, image, facts, network, port, apiKey } = plan;
  const paths = toPaths(plan);
  const place = network === "host" ? { host: "127.0.0.1", port } : { host: "0.0.0.0", port: CONTAINER_PORT };
  const command = toServerArguments(model.load, { ...place, ...paths });
  const { promptCacheMib } = model.profile;
  const environment = {
    ...toServerEnvironment(model.load, { apiKey, promptCacheMib }),
    // Its root cannot be written to.
    HOME: "/tmp",
    LLAMA_CACHE: "/tmp",
    ...(plan.useGpu ? { NVIDIA_VISIBLE_DEVICES: "all", NVIDIA_DRIVER_CAPABILITIES: "compute,utility" } : {}),
  };
  return {
    Image: image.id,
    Cmd: image.hasEntrypoint ? command : ["llama-server", ...command],
    // An engine without root has us as its root.
    User: facts.rootless ? "0:0" : `${plan.user.uid}:${plan.user.gid}`,
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    Labels: { [MODEL_OWNER_LABEL]: toOwnerLabel(readOwner()), [MODEL_LABEL]: model.name },
    AttachStdin: false,
    OpenStdin: false,
    Tty: false,
    // We look for ourselves: an image made of a folder has no check, and another may look at a port that is not used here.
    Healthcheck: { Test: ["NONE"] },
    ...(network === "bridge" ? { ExposedPorts: { [`${CONTAINER_PORT}/tcp`]: {} } } : {}),
    HostConfig: toHostConfig(plan),
  };
}

function toHostConfig(plan: ContainerPlan): HostConfig {
  const { network, port, facts, useGpu } = plan;
  const { memoryBytes, shmBytes } = plan.model.profile;
  const binding = [{ HostIp: "127.0.0.1", HostPort: String(port) }];
  return {
    AutoRemove: true,
    Init: true,
    Privileged: false,
    ReadonlyRootfs: true,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges"],
    NetworkMode: network,
    ...(network === "bridge" ? { PortBindings: { [`${CONTAINER_PORT}/tcp`]: binding } } : {}),
    Mounts: toMounts(plan),
    Tmpfs: { "/tmp": `rw,nosuid,nodev,size=${TEMPORARY_BYTES},mode=1777` },
    PidsLimit: MAX_PROCESSES,
    ...(shmBytes === undefined ? {} : { ShmSize: shmBytes }),
    ...(memoryBytes === undefined ? {} : { Memory: memoryBytes }),
    ...(useGpu && facts.nvidia === "runtime" ? { Runtime: "nvidia" } : {}),
    ...(useGpu && facts.nvidia === "cdi"
      ? { DeviceRequests: [{ Driver: "cdi", DeviceIDs: ["nvidia.com/gpu=all"] }] }
      : {}),
    LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "2" } },
    RestartPolicy: { Name: "no" },
  };
}

/** Files that lie elsewhere are mounted one by one. */
function toMounts({ model, modelsFolder }: ContainerPlan): MountSettings[] {
  const mount = (source: string, target: string): MountSettings => ({
    Type: "bind",
    Source: source,
    Target: target,
    ReadOnly: true,
  });
  const others = model.files.filter(({ isInFolder }) => !isInFolder);
  return [
    ...(others.length < model.files.length ? [mount(modelsFolder, MODELS_FOLDER)] : []),
    ...others.map(({ path, real }) => mount(real, toInside(path, model, modelsFolder))),
  ];
}

interface InsidePaths {
  modelPath: string;
  projectorPath?: string;
  draftPath?: string;
}

function toPaths({ model, modelsFolder }: ContainerPlan): InsidePaths {
  const { projectorPath, speculation, modelPath } = model.load;
  const to = (path: string): string => toInside(path, model, modelsFolder);
  return {
    modelPath: to(modelPath),
    ...(projectorPath === undefined ? {} : { projectorPath: to(projectorPath) }),
    ...(speculation?.type === "draft" ? { draftPath: to(speculation.modelPath) } : {}),
  };
}

/** Parts of a model stay beside each other, under their names. */
function toInside(path: string, { files }: ResolvedModel, modelsFolder: string): string {
  const isInFolder = files.some((file) => file.path === path && file.isInFolder);
  if (isInFolder) return `${MODELS_FOLDER}/${relative(modelsFolder, path)}`;
  const folders = [...new Set(files.map((file) => dirname(file.path)))];
  return `${MODELS_FOLDER}-${folders.indexOf(dirname(path))}/${basename(path)}`;
}
