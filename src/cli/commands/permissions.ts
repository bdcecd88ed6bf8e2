import { AgentError } from "../../core/errors.ts";
import { toTerminalJson, toTerminalLine } from "../../tui/terminal-text.ts";
import { openWorkspace } from "../../workspace/index.ts";
import type { TaskFlags } from "../main.ts";
import { describeRevoked, readPermissions, revokeAnswers, toPermissionLines } from "../permission-list.ts";
import { readSettings } from "../settings.ts";

export interface PermissionFlags extends TaskFlags {
  /** Of `revoke`: every remembered answer, in every workspace. */
  all?: boolean;
}

/** The rules that count in this workspace, and every remembered answer. Exit code 1 when the answers cannot be read. */
export async function listPermissions(flags: PermissionFlags): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  await using workspace = await openWorkspace(settings.workspace, {
    home: settings.userHome,
    stateDir: settings.home,
  });
  const { rows, warnings, complete } = await readPermissions(settings, workspace.root);
  if (flags.json) process.stdout.write(`${toTerminalJson(rows, 2)}\n`);
  else process.stdout.write(`${toPermissionLines(rows, workspace.root).join("\n")}\n`);
  for (const warning of warnings) process.stderr.write(`lmagent: ${toTerminalLine(warning)}\n`);
  return complete ? 0 : 1;
}

/** Exit code 1 when nothing of this id is remembered. */
export async function revokePermission(id: string | undefined, flags: PermissionFlags): Promise<number> {
  const { all = false } = flags;
  if ((id === undefined) !== all)
    throw new AgentError(
      "usage",
      "Name one remembered answer by its id, or use `--all`. `lmagent permissions list` shows them.",
    );
  const settings = await readSettings(flags, process.env, process.cwd());
  const count = await revokeAnswers(settings, id);
  if (count === 0 && id !== undefined) {
    process.stderr.write(`lmagent: Nothing with the id \`${toTerminalLine(id)}\` is remembered.\n`);
    return 1;
  }
  process.stdout.write(`${describeRevoked(count)}\n`);
  return 0;
}
