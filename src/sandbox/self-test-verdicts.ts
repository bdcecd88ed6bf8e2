/** What the findings of the self-test mean. Pure: a sandbox that says nothing has passed nothing. */
import { constants } from "node:os";
import type { SandboxBackend, SandboxNetwork, SandboxResult } from "../core/sandbox.ts";
import { MAX_PROCESSES } from "./run-limits.ts";
import { HOG_BYTES, HOG_MEMORY_MB } from "./self-test-script.ts";
import type { SandboxCheck } from "./self-test.ts";

/** A command of the test: how it ended and all that it said. */
export interface Judged {
  result: SandboxResult;
  output: string;
}

export interface TriesGround {
  secret: string;
  /** Folders of this machine in which a file of the test was found afterwards. */
  planted: readonly string[];
  /** How often a server of this machine was reached. */
  connections: number;
  backend: SandboxBackend;
  network: SandboxNetwork;
}

const MAX_DETAIL_CHARACTERS = 200;

/** How much more than the limit may be held before the limit bites. */
const MEMORY_SLACK = 1.3;

export function judgeTries({ result, output }: Judged, ground: TriesGround): readonly SandboxCheck[] {
  const sections = toSections(output);
  if (!sections.has("end")) return [failed("commands can be run", describeEnd(result, output))];
  const said = (name: string): string => sections.get(name) ?? "";
  const { secret, planted, connections, backend, network } = ground;
  const leaks = (name: string): string =>
    said(name)
      .split("\n")
      .filter((line) => line.startsWith("LEAK"))
      .join(", ");
  const shown = (name: string): string => (said(name).includes(secret) ? "it was read" : "");
  const onLinux = backend !== "seatbelt";
  return [
    written("the workspace can be written", said("workspace")),
    check("nothing outside the workspace can be written", leaks("outside") || planted.join(", ")),
    check("files of this machine cannot be read", shown("canary")),
    check("the agent's environment cannot be read", shown("environment")),
    check("other processes cannot be seen", shown("processes") || leaks("processes")),
    judgeNetwork(
      network,
      leaks("connection") ||
        said("routes") ||
        (connections > 0 ? "a server of this machine was reached" : ""),
    ),
    check("sessions and settings in `.lmagent` cannot be changed", leaks("state")),
    check("no file can be given the rights of its owner (setuid)", leaks("setuid")),
    written("the temporary folder can be written", said("temporary")),
    ...(onLinux
      ? [check("the temporary folder is bounded", leaks("bounded")), ...judgePrivileges(said("privileges"))]
      : []),
  ];
}

function judgeNetwork(network: SandboxNetwork, reached: string): SandboxCheck {
  if (network === "none") return check("there is no network", reached);
  return {
    name: "the network is as chosen",
    ok: true,
    detail: `\`${network}\`: other machines can be reached`,
  };
}

/** From `/proc/self/status`, see proc_pid_status(5). */
function judgePrivileges(status: string): readonly SandboxCheck[] {
  const fields = new Map(
    status.split("\n").map((line) => line.split(/:\s+/) as [string, string | undefined]),
  );
  const capabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].filter(
    (name) => !/^0+$/.test(fields.get(name) ?? ""),
  );
  const filtered = fields.get("Seccomp") === "2";
  return [
    check(
      "commands have no capabilities",
      capabilities.map((name) => `${name} ${fields.get(name) ?? "unknown"}`).join(", "),
    ),
    check(
      "no program can gain rights (no_new_privs)",
      fields.get("NoNewPrivs") === "1" ? "" : "NoNewPrivs is not 1",
    ),
    check("system calls are filtered (seccomp)", filtered ? "" : "Seccomp is not 2"),
  ];
}

export function judgeProcesses({ result, output }: Judged): SandboxCheck {
  const name = "the number of processes is limited";
  const lines = output.trim().split("\n");
  if (lines.includes("all")) return failed(name, `${lines.length - 1} were started`);
  const started = Number(lines.at(-1));
  if (result.stopped === "processes") return { name, ok: true, detail: "too many end the command" };
  if (!(started > 0)) return failed(name, describeEnd(result, output));
  // The shell itself and what the sandbox runs beside it count too.
  return started <= MAX_PROCESSES
    ? { name, ok: true, detail: `${started} were started` }
    : failed(name, `${started} were started, but at most ${MAX_PROCESSES} should be`);
}

export function judgeMemory({ result, output }: Judged): SandboxCheck {
  const name = "memory is limited";
  const killed = result.stopped === "memory" || result.exitCode === 128 + constants.signals.SIGKILL;
  if (killed) return { name, ok: true, detail: "too much ends the command" };
  const lines = output.trim().split("\n");
  if (lines.pop() !== "all" || lines.length !== 4) return failed(name, describeEnd(result, output));
  const held = lines.filter((line) => Number(line) >= HOG_BYTES - 1).length * HOG_BYTES;
  return held <= HOG_MEMORY_MB * 1024 * 1024 * MEMORY_SLACK
    ? { name, ok: true, detail: "too much ends the process" }
    : failed(name, `${held / 1_000_000} MB were held with a limit of ${HOG_MEMORY_MB} MB`);
}

/** `== name` and what follows it. */
function toSections(output: string): ReadonlyMap<string, string> {
  return new Map(
    output
      .split("\n== ")
      .slice(1)
      .map((part) => {
        const end = part.indexOf("\n");
        return end === -1 ? [part, ""] : [part.slice(0, end), part.slice(end + 1).trim()];
      }),
  );
}

/** `found` is what went wrong; empty when nothing did. */
function check(name: string, found: string): SandboxCheck {
  return { name, ok: found === "", detail: found.slice(0, MAX_DETAIL_CHARACTERS) };
}

function written(name: string, said: string): SandboxCheck {
  return check(name, said === "written" ? "" : "it could not be");
}

function failed(name: string, detail: string): SandboxCheck {
  return { name, ok: false, detail: detail.slice(0, MAX_DETAIL_CHARACTERS) };
}

function describeEnd({ exitCode, stopped }: SandboxResult, output: string): string {
  const how = stopped === undefined ? `exit code ${exitCode}` : `stopped (${stopped})`;
  const last = output.trim().split("\n").at(-1) ?? "";
  return last === ""
    ? `the test command ended early: ${how}`
    : `the test command ended early: ${how}, after ${last}`;
}
