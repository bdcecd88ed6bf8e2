/** Which process listens on a port, so that an error can name it. */
import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { platform } from "node:os";
import { promisify } from "node:util";

export interface PortOwner {
  pid: number;
  /** Name of its program. */
  command: string;
}

/** `undefined` where it cannot be told: another user's process, or a system that does not say. */
export async function findPortOwner(port: number): Promise<PortOwner | undefined> {
  try {
    return platform() === "linux" ? await findByProc(port) : await findByLsof(port);
  } catch {
    return undefined;
  }
}

const LISTENING = "0A";

/** See proc_pid_net(5): local address and port in hex, state, and the inode of the socket. */
async function findByProc(port: number): Promise<PortOwner | undefined> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => readFile(path, "utf8").catch(() => "")),
  );
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes = tables
    .flatMap((table) => table.split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) === true && fields[3] === LISTENING)
    .map((fields) => `socket:[${fields[9] ?? ""}]`);
  if (inodes.length === 0) return undefined;
  for (const name of await readdir("/proc")) {
    if (/^\d+$/.test(name) && (await holdsSocket(name, inodes))) {
      const command = (await readFile(`/proc/${name}/comm`, "utf8")).trim();
      return { pid: Number(name), command };
    }
  }
  return undefined;
}

async function holdsSocket(pid: string, inodes: readonly string[]): Promise<boolean> {
  // Processes of others keep their descriptors to themselves.
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "");
    if (inodes.includes(target)) return true;
  }
  return false;
}

async function findByLsof(port: number): Promise<PortOwner | undefined> {
  const { stdout } = await promisify(execFile)("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-Fpc"], {
    timeout: 3_000,
  });
  const pid = /^p(\d+)$/m.exec(stdout)?.[1];
  const command = /^c(.+)$/m.exec(stdout)?.[1];
  return pid === undefined ? undefined : { pid: Number(pid), command: command ?? "" };
}
