/**
 * The root that commands see is put together from nothing: programs of the system, a handful of files of `/etc`, the workspace.
 * What is not listed here is not there. See bwrap(1).
 */
import { lstatSync, readlinkSync, realpathSync } from "node:fs";
import { SANDBOX_ROOT, type SandboxNetwork } from "../core/sandbox.ts";
import { GIT_SETTINGS } from "./environment.ts";
import type { HeldPin } from "./held-pins.ts";
import type { RunAs } from "./workspace-root.ts";

const SYSTEM_LINKS = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] as const;

/** What programs need to start, to trust certificates and to tell the time; nothing that names people or machines. */
const ETC = [
  "alternatives",
  "ld.so.cache",
  "localtime",
  "nsswitch.conf",
  "ssl/certs",
  "ssl/openssl.cnf",
] as const;

/** What finding and trusting other machines takes on top, on one system or another. */
const ETC_FOR_NETWORK = [
  "ca-certificates",
  "gai.conf",
  "pki/tls/certs",
  "pki/ca-trust/extracted",
  "services",
] as const;

const TMPFS_BYTES = String(64 * 1_024 * 1_024);

/** What of the host the root is made of. Found once: it changes with the system, not between commands. */
export function toSystemArguments(network: SandboxNetwork, toolchains: readonly string[]): string[] {
  const etc = network === "bridge" ? [...ETC, ...ETC_FOR_NETWORK] : ETC;
  return [
    ["--unshare-all", ...(network === "bridge" ? ["--share-net"] : []), "--unshare-user", "--disable-userns"],
    ["--cap-drop", "ALL", "--new-session", "--die-with-parent", "--hostname", "sandbox"],
    ["--ro-bind", "/usr", "/usr"],
    SYSTEM_LINKS.flatMap(toSystemFolder),
    ["--perms", "0755", "--dir", "/etc"],
    etc.flatMap(toEtcEntry),
    // Often a link to where a service keeps the real one.
    network === "bridge" ? toBind(realPath("/etc/resolv.conf"), "/etc/resolv.conf") : [],
    ["--proc", "/proc", "--dev", "/dev"],
    ["--size", TMPFS_BYTES, "--tmpfs", "/dev/shm"],
    ["--size", TMPFS_BYTES, "--perms", "1777", "--tmpfs", "/tmp"],
    toolchains.flatMap((folder) => ["--ro-bind-try", folder, folder]),
  ].flat();
}

/** `/bin` and its like are links into `/usr` on most systems and folders on some. */
function toSystemFolder(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return found.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
}

/** Links into `/usr` stay links, which costs less than a mount. */
function toEtcEntry(name: string): string[] {
  const path = `/etc/${name}`;
  const real = realPath(path);
  if (real?.startsWith("/usr/") && lstatSync(path).isSymbolicLink()) return ["--symlink", real, path];
  return toBind(real, path);
}

function toBind(real: string | undefined, path: string): string[] {
  return real === undefined ? [] : ["--ro-bind-try", real, path];
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Numbers that descriptors have in bubblewrap. */
export interface RootDescriptors {
  /** What `toAccountFiles` gives. */
  accounts: readonly number[];
  seccomp: number;
  /** One for each pin, in their order; `undefined` where the program cannot mount by descriptor. */
  pins: readonly number[] | undefined;
}

export interface RootOptions {
  workspace: string;
  /** The workspace itself first. */
  pins: readonly HeldPin[];
  descriptors: RootDescriptors;
  /** Folder inside the workspace to start in. */
  cwd: string;
}

/** What differs between commands, after `toSystemArguments` and up to and including `--`. */
export function toCommandArguments({ workspace, pins, descriptors, cwd }: RootOptions): string[] {
  const accounts = ACCOUNT_FILES.flatMap((name, index) => [
    "--file",
    String(descriptors.accounts[index]),
    `/etc/${name}`,
  ]);
  const mounts = pins.map((pin, index) => toMount(pin, { workspace, descriptor: descriptors.pins?.[index] }));
  return [
    accounts,
    ...mounts,
    // Of the folder of processes too: settings of the kernel there, which root may change even without privileges.
    ["--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/"],
    ["--seccomp", String(descriptors.seccomp), "--json-status-fd", "3"],
    // The environment: in the list of processes it would be there for every user to read.
    ["--args", "4"],
    ["--chdir", toInside(cwd), "--"],
  ].flat();
}

function toMount(
  { path, access }: HeldPin,
  { workspace, descriptor }: { workspace: string; descriptor: number | undefined },
): string[] {
  const flag = access === "read" ? "--ro-bind" : "--bind";
  if (descriptor !== undefined) return [`${flag}-fd`, String(descriptor), toInside(path)];
  return [flag, path === "." ? workspace : `${workspace}/${path}`, toInside(path)];
}

function toInside(path: string): string {
  return path === "." ? SANDBOX_ROOT : `${SANDBOX_ROOT}/${path}`;
}

/** What bubblewrap reads from descriptor 4. */
export function toEnvironmentArguments(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .flatMap(([name, value]) => ["--setenv", name, value])
    .map((argument) => `${argument}\0`)
    .join("");
}

/** In `/etc` inside. */
const ACCOUNT_FILES = ["passwd", "group", "hosts", "gitconfig"] as const;

/** Texts of `ACCOUNT_FILES`: one user, no names of the host. */
export function toAccountFiles({ uid, gid }: RunAs): string[] {
  const name = uid === 0 ? "root" : "user";
  return [
    `${name}:x:${uid}:${gid}:LMAgent:/tmp:/bin/sh\n`,
    `${gid === 0 ? "root" : "user"}:x:${gid}:\n`,
    "127.0.0.1 localhost sandbox\n::1 localhost\n",
    GIT_SETTINGS,
  ];
}
