import { join } from "node:path";
import { AgentError } from "../../core/errors.ts";
import { createApprovalStore, loadRules, type ApprovalStore, type Rule } from "../../permissions/index.ts";
import { toTerminalJson, toTerminalLine } from "../../tui/terminal-text.ts";
import { openWorkspace } from "../../workspace/index.ts";
import type { TaskFlags } from "../main.ts";
import { readSettings, type Settings } from "../settings.ts";

export interface PermissionFlags extends TaskFlags {
  /** Of `revoke`: every remembered answer, in every workspace. */
  all?: boolean;
}

interface PermissionRow {
  id: string;
  layer: Rule["layer"];
  decision: Rule["decision"];
  tool: string;
  match?: string;
  reason?: string;
  /** Of remembered answers: where they count, and since when. */
  workspace?: string;
  at?: string;
}

/** The rules that count in this workspace, and every remembered answer. */
export async function listPermissions(flags: PermissionFlags): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  await using workspace = await openWorkspace(settings.workspace, {
    home: settings.userHome,
    stateDir: settings.home,
  });
  const { rules, warnings } = await loadRules({ home: settings.home, workspace: workspace.root });
  const rows = [...rules.map(toRuleRow), ...openApprovals(settings).list().map(toKeptRow)];
  if (flags.json) process.stdout.write(`${toTerminalJson(rows, 2)}\n`);
  else if (rows.length === 0) process.stdout.write("There are no rules, and nothing is remembered.\n");
  else process.stdout.write(`${rows.map((row) => toLine(row, workspace.root)).join("\n")}\n`);
  for (const warning of warnings) process.stderr.write(`lmagent: ${toTerminalLine(warning)}\n`);
  return 0;
}

/** Exit code 1 when nothing of this id is remembered. */
export async function revokePermission(id: string | undefined, flags: PermissionFlags): Promise<number> {
  const { all = false } = flags;
  if ((id === undefined) !== all)
    throw new AgentError(
      "usage",
      "Name one remembered answer by its id, or use `--all`. `lmagent permissions list` shows them.",
    );
  if (id?.includes(":"))
    throw new AgentError(
      "usage",
      `\`${id}\` is a rule of a file; change it there. Only remembered answers are revoked.`,
    );
  const settings = await readSettings(flags, process.env, process.cwd());
  const taken = await openApprovals(settings).revoke(id);
  if (taken.length === 0 && id !== undefined) {
    process.stderr.write(`lmagent: Nothing with the id \`${toTerminalLine(id)}\` is remembered.\n`);
    return 1;
  }
  const answers = taken.length === 1 ? "answer" : "answers";
  process.stdout.write(`Revoked ${taken.length} remembered ${answers}.\n`);
  return 0;
}

function openApprovals({ home }: Settings): ApprovalStore {
  return createApprovalStore({ file: join(home, "approvals.json"), now: () => new Date() });
}

function toRuleRow({ id, layer, decision, tool, prefix, pattern, reason }: Rule): PermissionRow {
  const match = prefix?.join(" ") ?? pattern;
  return {
    id,
    layer,
    decision,
    tool,
    ...(match === undefined ? {} : { match }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function toKeptRow({
  id,
  tool,
  prefix,
  workspace,
  at,
}: ReturnType<ApprovalStore["list"]>[number]): PermissionRow {
  const match = prefix?.join(" ");
  return {
    id,
    layer: "remembered",
    decision: "allow",
    tool,
    ...(match === undefined ? {} : { match }),
    workspace,
    at,
  };
}

function toLine(row: PermissionRow, here: string): string {
  const { id, layer, decision, tool, match, reason, workspace, at } = row;
  const what = [tool, match].filter((text) => text !== undefined).join(" ");
  const notes = [
    reason,
    at === undefined ? undefined : `since ${at.slice(0, 10)}`,
    workspace === undefined || workspace === here ? undefined : `in ${workspace}`,
  ].filter((text) => text !== undefined);
  const start = `${id.padEnd(14)}  ${layer.padEnd(10)}  ${decision.padEnd(5)}  ${what.padEnd(30)}`;
  return toTerminalLine(`${start}  ${notes.join(", ")}`.trimEnd());
}
