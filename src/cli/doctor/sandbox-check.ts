import { AgentError, errorMessage } from "../../core/errors.ts";
import { toSandboxLabel, type Sandbox } from "../../core/sandbox.ts";
import { chooseSandbox, type ChosenSandbox, type PassedOver } from "../../sandbox/choose.ts";
import type { SandboxCheck } from "../../sandbox/self-test.ts";
import type { Settings } from "../settings.ts";
import { toChooseOptions } from "../workspace-sandbox.ts";
import type { DoctorCheck } from "./checks.ts";

/** Chooses as an agent would, and always tests. */
export async function checkSandbox(settings: Settings, root: string): Promise<readonly DoctorCheck[]> {
  const tests = new Map<string, readonly SandboxCheck[]>();
  let chosen: ChosenSandbox;
  try {
    chosen = await chooseSandbox({
      ...toChooseOptions(settings, root),
      allowUnsandboxed: settings.allowUnsandboxed,
      retest: true,
      onTested: (backend, checks) => tests.set(backend, checks),
    });
  } catch (error) {
    return [toBroken(error)];
  }
  await using sandbox = chosen.sandbox;
  const label = toSandboxLabel(sandbox);
  const checks = tests.get(sandbox.backend) ?? [];
  const passed = `${checks.filter(({ ok }) => ok).length} of ${checks.length} tests passed`;
  const said = [
    ...(sandbox.isolated ? [passed] : []),
    ...(chosen.warning === undefined ? [] : [chosen.warning]),
  ];
  const detail = [...said, ...chosen.faults].join("; ");
  return [
    { name: "sandbox", status: chosen.warning === undefined ? "ok" : "note", detail: `${label}: ${detail}` },
    ...chosen.considered.filter(isWorthKnowing).map(toNote),
    toLimits(chosen),
    ...(await checkPrograms(sandbox)),
  ];
}

/** That a backend belongs to another system is nobody's concern. */
function isWorthKnowing({ foreign }: PassedOver): boolean {
  return foreign !== true;
}

function toNote({ backend, reason, fix }: PassedOver): DoctorCheck {
  const note = { name: `sandbox ${backend}`, status: "note", detail: `not used: ${reason}` } as const;
  return fix === undefined ? note : { ...note, fix };
}

function toBroken(error: unknown): DoctorCheck {
  const considered = AgentError.is(error)
    ? (error.data["considered"] as readonly PassedOver[] | undefined)
    : undefined;
  const fixes = considered?.flatMap(({ fix }) => fix ?? []) ?? [];
  return {
    name: "sandbox",
    status: "broken",
    detail: errorMessage(error),
    fix: fixes.length === 0 ? "lmagent sandbox status" : fixes.join(", or "),
  };
}

function toLimits({ limits }: ChosenSandbox): DoctorCheck {
  const [real, missing] = [true, false].map((is) => limits.filter(({ by }) => (by !== undefined) === is));
  const texts = [
    (real ?? []).map(({ name, value }) => `${name} ${value}`).join("; "),
    ...(missing?.length ? [`not limited here: ${missing.map(({ name }) => name).join(", ")}`] : []),
  ];
  return { name: "limits", status: missing?.length ? "note" : "ok", detail: texts.join("; ") };
}

const PROGRAMS = "git --version 2>&1 || echo; rg --version 2>&1 || echo";

/** What agents run most. Without git its tools fail; searching has a program of its own. */
async function checkPrograms(sandbox: Sandbox): Promise<readonly DoctorCheck[]> {
  let said = "";
  try {
    await sandbox.run(PROGRAMS, { onOutput: (chunk) => (said += Buffer.from(chunk).toString()) });
  } catch (error) {
    return [{ name: "commands", status: "broken", detail: errorMessage(error), fix: "lmagent sandbox test" }];
  }
  const git = /^git version (\S+)/m.exec(said)?.[1];
  const rg = /^ripgrep (\S+)/m.exec(said)?.[1];
  const installer = process.platform === "darwin" ? "brew install" : "sudo apt install";
  const install = (name: string): string =>
    sandbox.backend === "docker" ? "lmagent sandbox build" : `${installer} ${name}`;
  return [
    git === undefined
      ? {
          name: "git",
          status: "broken",
          detail: "commands find no git, so its tools fail",
          fix: install("git"),
        }
      : { name: "git", status: "ok", detail: `${git} for commands` },
    rg === undefined
      ? { name: "ripgrep", status: "note", detail: "commands find no rg", fix: install("ripgrep") }
      : { name: "ripgrep", status: "ok", detail: `${rg} for commands` },
  ];
}
