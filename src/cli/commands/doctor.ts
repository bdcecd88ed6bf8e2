import { join } from "node:path";
import { toTerminalLine } from "../../tui/terminal-text.ts";
import { checkNode, checkWorkspace, type DoctorCheck } from "../doctor/checks.ts";
import { checkDaemon, checkModels, checkServerSettings } from "../doctor/daemon-check.ts";
import { checkDecisions } from "../doctor/decisions-check.ts";
import { checkSandbox } from "../doctor/sandbox-check.ts";
import { checkHome } from "../doctor/home-check.ts";
import { checkEngine, checkPracticeModel, checkRunLimits } from "../doctor/runtime-check.ts";
import { checkOtherServers, checkServer } from "../doctor/server-check.ts";
import type { TaskFlags } from "../main.ts";
import { packageRoot } from "../package-root.ts";
import { readSettings } from "../settings.ts";

const MARKS = { ok: "ok      ", note: "note    ", broken: "BROKEN  " } as const;

/** Looks at all that an agent needs and names the command that repairs each fault. Exit code 1 when something is broken. */
export async function runDoctor(flags: TaskFlags): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  const checks: DoctorCheck[] = [];
  const add = (found: readonly DoctorCheck[]): void => {
    checks.push(...found);
    // As they come: the sandbox and the server take a while.
    if (!flags.json) for (const check of found) process.stdout.write(`${toLines(check).join("\n")}\n`);
  };
  add([checkNode(process.versions.node)]);
  add(await checkHome(settings.home));
  const workspace = await checkWorkspace(settings);
  add([workspace.check]);
  if (workspace.root !== undefined) {
    add(await checkDecisions(settings, workspace.root));
    add(await checkSandbox(settings, workspace.root));
  }
  add([checkRunLimits(settings)]);
  const { checks: served, embedded } = await checkServer(settings);
  add(served);
  // What is missing of our own runtime stops a run only where nothing else would serve.
  const ownFile = settings.model?.endsWith(".gguf") === true;
  add(await checkServerSettings(settings, process.env));
  add([await checkDaemon(settings)]);
  add([
    checkEngine(packageRoot(), { needed: embedded }),
    checkPracticeModel(packageRoot(), { needed: embedded && !ownFile }),
  ]);
  const packageModel = join(packageRoot(), "practice-model", "practice.gguf");
  add([await checkModels(settings, { packageModel, env: process.env })]);
  add(await checkOtherServers(settings));
  const ok = checks.every(({ status }) => status !== "broken");
  if (flags.json) process.stdout.write(`${JSON.stringify({ ok, checks }, null, 2)}\n`);
  return ok ? 0 : 1;
}

function toLines({ name, status, detail, fix }: DoctorCheck): string[] {
  const line = `${MARKS[status]} ${name.padEnd(16)} ${toTerminalLine(detail)}`;
  return fix === undefined ? [line] : [line, `${" ".repeat(26)}→ ${toTerminalLine(fix)}`];
}
