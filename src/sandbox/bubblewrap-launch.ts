/** What one start of bubblewrap takes: its arguments, and descriptors for what it reads and mounts. */
import { execFile } from "node:child_process";
import { closeSync, statSync } from "node:fs";
import { AgentError } from "../core/errors.ts";
import type { SandboxNetwork } from "../core/sandbox.ts";
import {
  toAccountFiles,
  toCommandArguments,
  toEnvironmentArguments,
  toSystemArguments,
} from "./bubblewrap-arguments.ts";
import { closePins, holdPins, type HeldPin } from "./held-pins.ts";
import { toSeccompProgram } from "./seccomp/index.ts";
import { createTextDescriptors, type TextDescriptors } from "./text-descriptors.ts";
import type { RunAs } from "./workspace-root.ts";

/** The first descriptor after the report and the environment. */
const FIRST_DESCRIPTOR = 5;

export interface LaunchOptions {
  bwrapPath: string;
  workspace: string;
  network: SandboxNetwork;
  toolchains: readonly string[];
}

export interface Launch {
  argv: string[];
  /** For descriptor 4. */
  input: string;
  /** For descriptors 5 and up. */
  descriptors: readonly number[];
  pins: readonly HeldPin[];
  /** Closes ours; call it once the child has its own. */
  close(): void;
  /** Closes those of the pins, when nobody looks at them any more. */
  closePins(): void;
}

export interface LaunchWanted {
  user: RunAs;
  /** Repositories to protect, beside that of the root. */
  repositories: readonly string[];
  cwd: string;
  environment: Readonly<Record<string, string>>;
  /** Name and value that go into the environment by way of the arguments, for the processes to be found by. */
  mark: readonly [name: string, value: string];
  /** What runs inside. */
  program: readonly string[];
}

export interface Launcher {
  /** Throws `AgentError` `workspace_invalid`, `sandbox_unavailable`. */
  prepare(wanted: LaunchWanted): Promise<Launch>;
  /** What of the host is mounted besides the workspace: the same text as long as it is the same. */
  systemState(): string;
  close(): void;
}

/** Throws `AgentError` `sandbox_unavailable` on an architecture whose system calls we do not know. */
export function createLauncher({ bwrapPath, workspace, network, toolchains }: LaunchOptions): Launcher {
  const filter = toFilter();
  const system = toSystemArguments(network, toolchains);
  const texts = new Map<string, TextDescriptors>();
  const openTexts = (user: RunAs): number[] => {
    const key = `${user.uid}:${user.gid}`;
    const made = texts.get(key) ?? createTextDescriptors([...toAccountFiles(user), filter]);
    texts.set(key, made);
    return made.open();
  };
  return {
    async prepare({ user, repositories, cwd, environment, mark, program }) {
      const canHold = await mountsDescriptors(bwrapPath);
      const opened = openTexts(user);
      const close = (): void => {
        for (const each of opened) closeSync(each);
      };
      const pins = holdOr(close, { workspace, repositories });
      const descriptors = [...opened, ...(canHold ? pins.map(({ descriptor }) => descriptor) : [])];
      const numbers = descriptors.map((_, index) => FIRST_DESCRIPTOR + index);
      const [accounts, seccomp] = [numbers.slice(0, opened.length - 1), numbers[opened.length - 1]!];
      const held = canHold ? numbers.slice(opened.length) : undefined;
      const own = toCommandArguments({
        workspace,
        pins,
        cwd,
        descriptors: { accounts, seccomp, pins: held },
      });
      return {
        argv: [bwrapPath, "--setenv", ...mark, ...system, ...own, ...program],
        input: toEnvironmentArguments(environment),
        descriptors,
        pins,
        close,
        closePins: () => closePins(pins),
      };
    },
    systemState: () => toSystemState(system),
    close() {
      for (const each of texts.values()) each.close();
      texts.clear();
    },
  };
}

/** The pins; when they cannot be held, the others are closed. */
function holdOr(
  close: () => void,
  { workspace, repositories }: { workspace: string; repositories: readonly string[] },
): HeldPin[] {
  try {
    return holdPins(workspace, repositories);
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/** A mount holds on to what was found: a file that was replaced since, such as that of name servers, is still the old one. */
function toSystemState(system: readonly string[]): string {
  const states = system.flatMap((argument, index) => {
    if (!argument.startsWith("--ro-bind")) return [];
    return [toNumbers(system[index + 1]!)];
  });
  return states.join(" ");
}

function toNumbers(path: string): string {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return "";
  }
}

function toFilter(): Uint8Array {
  const { arch } = process;
  if (arch === "x64" || arch === "arm64") return toSeccompProgram(arch);
  throw new AgentError(
    "sandbox_unavailable",
    `The system calls of \`${arch}\` are not known, so bubblewrap cannot filter them; use the sandbox \`docker\`.`,
    { data: { backend: "bubblewrap" } },
  );
}

const knownToMount = new Map<string, Promise<boolean>>();

/** Whether this bubblewrap can mount what a descriptor names. Older ones look paths up again. */
function mountsDescriptors(bwrapPath: string): Promise<boolean> {
  const known = knownToMount.get(bwrapPath);
  if (known !== undefined) return known;
  const asked = new Promise<boolean>((resolve) => {
    execFile(bwrapPath, ["--help"], { env: {}, cwd: "/", timeout: 5_000 }, (_, stdout) => {
      resolve(stdout.includes("--ro-bind-fd"));
    });
  });
  knownToMount.set(bwrapPath, asked);
  return asked;
}
