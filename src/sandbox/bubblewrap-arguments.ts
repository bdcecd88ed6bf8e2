/**
 * The root that commands see is put together from nothing: programs of the system, a handful of files of `/etc`, the workspace.
 * What is not listed here is not there. See bwrap(1).
 */
import { lstatSync, readlinkSync } from "node:fs";
import { SANDBOX_ROOT } from "../core/sandbox.ts";
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

const TMPFS_BYTES = String(64 * 1_024 * 1_024);

export interface RootOptions {
  workspace: string;
  /** Folder inside the workspace to start in. */
  cwd: string;
  /** Our own state in the workspace, readable but not writable inside. */
  stateFolder: string;
  toolchains: readonly string[];
  environment: Readonly<Record<string, string>>;
}

/** Arguments up to and including `--`. The report goes to descriptor 3; 4, 5 and 6 hold `toAccountFiles`. */
export function toBubblewrapArguments(options: RootOptions): string[] {
  const { workspace, cwd, stateFolder, toolchains, environment } = options;
  const parts = [
    ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"],
    ["--new-session", "--die-with-parent", "--hostname", "sandbox", "--json-status-fd", "3"],
    ["--ro-bind", "/usr", "/usr"],
    SYSTEM_LINKS.flatMap(toSystemFolder),
    ["--perms", "0755", "--dir", "/etc"],
    ETC.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`]),
    ["--ro-bind-data", "4", "/etc/passwd"],
    ["--ro-bind-data", "5", "/etc/group"],
    ["--ro-bind-data", "6", "/etc/hosts"],
    ["--proc", "/proc", "--dev", "/dev"],
    ["--size", TMPFS_BYTES, "--tmpfs", "/dev/shm"],
    ["--size", TMPFS_BYTES, "--perms", "1777", "--tmpfs", "/tmp"],
    toolchains.flatMap((folder) => ["--ro-bind-try", folder, folder]),
    ["--bind", workspace, SANDBOX_ROOT],
    ["--ro-bind", `${workspace}/${stateFolder}`, `${SANDBOX_ROOT}/${stateFolder}`],
    ["--remount-ro", "/dev", "--remount-ro", "/"],
    Object.entries(environment).flatMap(([name, value]) => ["--setenv", name, value]),
    ["--chdir", cwd === "." ? SANDBOX_ROOT : `${SANDBOX_ROOT}/${cwd}`, "--"],
  ];
  return parts.flat();
}

/** `/bin` and its like are links into `/usr` on most systems and folders on some. */
function toSystemFolder(path: string): string[] {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return [];
  return found.isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path];
}

/** Texts of `/etc/passwd`, `/etc/group` and `/etc/hosts` inside: one user, no names of the host. */
export function toAccountFiles({ uid, gid }: RunAs): string[] {
  const name = uid === 0 ? "root" : "user";
  return [
    `${name}:x:${uid}:${gid}:LMAgent:/tmp:/bin/sh\n`,
    `${gid === 0 ? "root" : "user"}:x:${gid}:\n`,
    "127.0.0.1 localhost sandbox\n::1 localhost\n",
  ];
}
