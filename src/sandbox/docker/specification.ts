/** What a container is made of. Everything in it is part of the hash by which a container is known to be ours and unchanged. */
import { createHash } from "node:crypto";
import type { ContainerCreateOptions, HostConfig, MountSettings } from "dockerode";
import { SANDBOX_LIMITS, SANDBOX_ROOT, type SandboxNetwork } from "../../core/sandbox.ts";
import { toCleanEnvironment } from "../environment.ts";
import type { Pin } from "../pins.ts";
import { MAX_PROCESSES } from "../run-limits.ts";
import { toDockerSeccompProfile } from "../seccomp/index.ts";
import type { DockerFacts } from "./facts.ts";
import type { SandboxImage } from "./image.ts";
import { toOwnerLabel, type Owner } from "../../docker/owner.ts";
import { FIRST_PROCESS } from "./scripts.ts";

export const OWNER_LABEL = "lmagent.owner";
export const SPECIFICATION_LABEL = "lmagent.specification";

const MEGABYTE = 1_024 * 1_024;
const TEMPORARY_BYTES = 64 * MEGABYTE;
const MAX_FILE_BYTES = 1_024 * MEGABYTE;
const MAX_OPEN_FILES = 1_024;
/** A share of one processor, in billionths. */
const NANO_CPUS = 9e8;
/** So that of all processes of the machine the kernel ends ours first when memory is short. */
const OOM_SCORE_ADJUSTMENT = 500;

/** What Docker hides by default (moby, `oci/defaults.go`), and what else tells of the machine or of whoever made the image. */
const MASKED = [
  ..."asound acpi interrupts kcore keys latency_stats timer_list timer_stats sched_debug scsi"
    .split(" ")
    .map((name) => `/proc/${name}`),
  ..."block bus class dev devices firmware hypervisor kernel module power"
    .split(" ")
    .map((name) => `/sys/${name}`),
  ..."boot home media mnt root run srv var".split(" ").map((name) => `/${name}`),
];

/** `/dev` and `/sys/fs/cgroup` would otherwise be writable for commands of a workspace that belongs to root. */
const READ_ONLY = [
  ...["bus", "fs", "irq", "sys", "sysrq-trigger"].map((name) => `/proc/${name}`),
  "/dev",
  "/sys/fs/cgroup",
];

export interface ContainerPlan {
  /** Absolute path of the workspace on the host, without links. */
  workspace: string;
  user: { uid: number; gid: number };
  image: SandboxImage;
  network: SandboxNetwork;
  pins: readonly Pin[];
  /** Of the folder itself. */
  root: { dev: number; ino: number };
  facts: DockerFacts;
  memoryMb?: number;
}

export interface ContainerSpecification {
  options: ContainerCreateOptions;
  /** SHA-256 of all of it, in hex. */
  hash: string;
}

export function toSpecification(plan: ContainerPlan): ContainerSpecification {
  const { image, user, facts } = plan;
  // An engine without root has us as its root: any other user there could not write to our files.
  const owner = facts.rootless ? "0:0" : `${user.uid}:${user.gid}`;
  const options: ContainerCreateOptions = {
    Image: image.id,
    Entrypoint: [image.bash, "-c", FIRST_PROCESS],
    Cmd: [],
    User: owner,
    WorkingDir: SANDBOX_ROOT,
    Hostname: "sandbox",
    Env: toEnvironment(image, plan.network),
    Tty: false,
    OpenStdin: true,
    StdinOnce: true,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    StopSignal: "SIGKILL",
    Healthcheck: { Test: ["NONE"] },
    HostConfig: toHostConfig(plan),
  };
  const identity = { options, root: plan.root, pins: plan.pins };
  return { options, hash: createHash("sha256").update(JSON.stringify(identity)).digest("hex") };
}

/** The same options, with what tells whose this one container is and what it was made from. */
export function toCreateOptions(
  { options, hash }: ContainerSpecification,
  owner: Owner,
): ContainerCreateOptions {
  return { ...options, Labels: { [OWNER_LABEL]: toOwnerLabel(owner), [SPECIFICATION_LABEL]: hash } };
}

/** Two agents in one workspace take two slots. */
export function toContainerName(workspace: string, slot: string | number): string {
  const hash = createHash("sha256").update(workspace).digest("hex").slice(0, 16);
  return `lmagent-${hash}-${slot}`;
}

/** A variable without a value takes away that of the image. */
function toEnvironment(image: SandboxImage, network: SandboxNetwork): string[] {
  const clean = toCleanEnvironment({ home: "/tmp", toolchains: [], network });
  const removed = image.environment.filter((name) => !(name in clean));
  return [...Object.entries(clean).map(([name, value]) => `${name}=${value}`), ...removed];
}

function toHostConfig({ network, workspace, pins, facts, ...plan }: ContainerPlan): HostConfig {
  const memory = toMemory(plan.memoryMb ?? SANDBOX_LIMITS.memoryMb.default);
  const seccomp = JSON.stringify(toDockerSeccompProfile(facts.arch));
  return {
    AutoRemove: true,
    ReadonlyRootfs: true,
    Privileged: false,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges", `seccomp=${seccomp}`],
    MaskedPaths: MASKED,
    ReadonlyPaths: READ_ONLY,
    NetworkMode: network,
    IpcMode: "private",
    ...(facts.hasCgroupNamespaces ? { CgroupnsMode: "private" as const } : {}),
    Mounts: [
      toMount(workspace, ".", "write"),
      ...pins.map(({ path, access }) => toMount(workspace, path, access)),
    ],
    Tmpfs: { "/tmp": `rw,exec,nosuid,nodev,size=${TEMPORARY_BYTES},mode=1777,nr_inodes=65536` },
    ShmSize: TEMPORARY_BYTES,
    ...memory,
    NanoCpus: NANO_CPUS,
    PidsLimit: MAX_PROCESSES,
    OomScoreAdj: OOM_SCORE_ADJUSTMENT,
    Ulimits: [
      { Name: "nofile", Soft: MAX_OPEN_FILES, Hard: MAX_OPEN_FILES },
      { Name: "core", Soft: 0, Hard: 0 },
      { Name: "fsize", Soft: MAX_FILE_BYTES, Hard: MAX_FILE_BYTES },
    ],
    LogConfig: { Type: "none", Config: {} },
    RestartPolicy: { Name: "no" },
  };
}

/** Memory and swap together are no more than memory alone: no swap. */
export function toMemory(memoryMb: number): { Memory: number; MemorySwap: number } {
  const bytes = Math.floor(memoryMb) * MEGABYTE;
  return { Memory: bytes, MemorySwap: bytes };
}

function toMount(workspace: string, path: string, access: "read" | "write"): MountSettings {
  const below = path === "." ? "" : `/${path}`;
  return {
    Type: "bind",
    Source: `${workspace}${below}`,
    Target: `${SANDBOX_ROOT}${below}`,
    ReadOnly: access === "read",
    BindOptions: { Propagation: "rprivate" },
  };
}
