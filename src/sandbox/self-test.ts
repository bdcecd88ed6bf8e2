/**
 * Tries to get out of a sandbox, the way a command would: reads what it must not see, writes where it must not, takes more than its
 * share. Three commands, together less than half a second in bubblewrap and a second in Docker where the machine is idle.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { Sandbox, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";
import { judgeMemory, judgeProcesses, judgeTries, type Judged } from "./self-test-verdicts.ts";
import { isInside } from "./trusted-binary.ts";
import { HOG_MEMORY_MB, MEMORY_HOG, PROCESS_STORM, TRIES } from "./self-test-script.ts";

/** One thing that was tried. */
export interface SandboxCheck {
  /** What must hold, in words: `nothing outside the workspace can be written`. */
  name: string;
  ok: boolean;
  /** What was found; empty when there is nothing to say. */
  detail: string;
}

export interface SelfTestOptions {
  /** A folder of the user's own that commands must not see, beside the system's temporary one. Made when it is missing. */
  stateDir?: string | undefined;
  /** The workspace on the host: bait is laid outside of it. */
  workspaceRoot?: string;
  signal?: AbortSignal | undefined;
}

/** Name of a variable that stands for the secrets in our own environment while the test runs. */
const CANARY_VARIABLE = "LMAGENT_SELF_TEST_CANARY";

/** More than the script could say in an honest sandbox; what comes after is not kept. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Tests a sandbox that claims to isolate. Every check is in the answer, passed or not; a sandbox that cannot run at all fails
 * them all. Never throws.
 */
export async function testSandbox(
  sandbox: Sandbox,
  { stateDir, workspaceRoot, signal }: SelfTestOptions = {},
): Promise<readonly SandboxCheck[]> {
  const options = signal === undefined ? {} : { signal };
  try {
    await using bait = await layBait({ stateDir, workspaceRoot });
    const tried = await runTries(sandbox, bait, options);
    const storm = await collect(sandbox, ["/bin/sh", "-c", PROCESS_STORM], { ...options, timeoutMs: 15_000 });
    // The kernel of a container is at once; others watch.
    const seconds = sandbox.backend === "docker" ? "1" : "5";
    const hog = await collect(sandbox, ["/bin/sh", "-c", MEMORY_HOG, "sh", seconds], {
      ...options,
      timeoutMs: 20_000,
      memoryMb: HOG_MEMORY_MB,
    });
    return [...tried, judgeProcesses(storm), judgeMemory(hog)];
  } catch (thrown) {
    return [{ name: "commands can be run", ok: false, detail: errorMessage(thrown) }];
  }
}

async function runTries(
  sandbox: Sandbox,
  bait: Bait,
  options: { signal?: AbortSignal },
): Promise<readonly SandboxCheck[]> {
  const words = [bait.name, String(bait.port), String(bait.pid), ...bait.folders];
  process.env[CANARY_VARIABLE] = bait.secret;
  try {
    const judged = await collect(sandbox, ["/bin/sh", "-c", TRIES, "sh", ...words], {
      ...options,
      timeoutMs: 20_000,
    });
    return judgeTries(judged, {
      secret: bait.secret,
      planted: bait.folders.filter((folder) => existsSync(join(folder, bait.name))),
      connections: bait.connections(),
      backend: sandbox.backend,
      network: sandbox.network,
    });
  } finally {
    delete process.env[CANARY_VARIABLE];
  }
}

async function collect(
  sandbox: Sandbox,
  command: readonly string[],
  options: SandboxRunOptions,
): Promise<Judged> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const result: SandboxResult = await sandbox.run(command, {
    ...options,
    onOutput(chunk) {
      bytes += chunk.length;
      if (bytes <= MAX_OUTPUT_BYTES) chunks.push(Buffer.from(chunk));
    },
  });
  return { result, output: Buffer.concat(chunks).toString() };
}

/** What a command that gets out would find. */
interface Bait extends AsyncDisposable {
  /** Stands in a file, in our environment, and in the arguments and the environment of a process. */
  secret: string;
  /** A name that no file of anybody has. */
  name: string;
  folders: readonly string[];
  pid: number;
  port: number;
  connections: () => number;
}

async function layBait(places: BaitPlaces): Promise<Bait> {
  const secret = `lmagent-canary-${randomBytes(16).toString("hex")}`;
  const folders = await layCanaries(places, secret);
  const removeFolders = async (): Promise<void> => {
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
  };
  let stranger: ChildProcess | undefined;
  let connections = 0;
  try {
    stranger = await startStranger(secret);
    const server = await listen(() => (connections += 1));
    return {
      secret,
      name: `.lmagent-test-${randomBytes(6).toString("hex")}`,
      folders,
      pid: stranger.pid as number,
      port: (server.address() as AddressInfo).port,
      connections: () => connections,
      async [Symbol.asyncDispose]() {
        stranger?.kill("SIGKILL");
        server.close();
        await removeFolders();
      },
    };
  } catch (thrown) {
    stranger?.kill("SIGKILL");
    await removeFolders();
    throw thrown;
  }
}

interface BaitPlaces {
  stateDir: string | undefined;
  workspaceRoot: string | undefined;
}

/** In the system's temporary folder and the user's own. Where neither can be written to, elsewhere. */
async function layCanaries(
  { stateDir, workspaceRoot }: BaitPlaces,
  secret: string,
): Promise<readonly string[]> {
  const laid: string[] = [];
  const lay = async (parent: string): Promise<void> => {
    if (workspaceRoot !== undefined && isInside(workspaceRoot, parent)) return;
    // A full or read-only disk is not the sandbox's fault.
    const folder = await layCanary(parent, secret).catch(() => undefined);
    if (folder !== undefined) laid.push(folder);
  };
  for (const parent of [tmpdir(), ...(stateDir === undefined ? [] : [stateDir])]) await lay(parent);
  for (const parent of ["/var/tmp", "/dev/shm"]) if (laid.length === 0) await lay(parent);
  if (laid.length > 0) return laid;
  throw new AgentError(
    "storage_failed",
    `No file could be written to \`${tmpdir()}\`, so the sandbox cannot be tested. Free some space there, or set TMPDIR to another folder.`,
    { data: { path: tmpdir() } },
  );
}

/** Readable for everyone: only the sandbox may be what keeps a command from it. */
async function layCanary(parent: string, secret: string): Promise<string> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(await realpath(parent), "lmagent-canary-"));
  await chmod(folder, 0o755);
  await writeFile(join(folder, "canary"), secret, { mode: 0o644 });
  return folder;
}

/** A process of this machine, with the secret where a look at it would show it. It ends by itself should we be killed. */
async function startStranger(secret: string): Promise<ChildProcess> {
  const child = spawn("/bin/sh", ["-c", "read -r _", secret], {
    cwd: "/",
    env: { [CANARY_VARIABLE]: secret },
    stdio: ["pipe", "ignore", "ignore"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  return child;
}

async function listen(onConnection: () => void): Promise<Server> {
  const server = createServer((socket) => {
    onConnection();
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return server;
}
