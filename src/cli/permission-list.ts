/** Rules and remembered answers, for a person to look through. */
import { join } from "node:path";
import { AgentError } from "../core/errors.ts";
import { createApprovalStore, loadRules, type ApprovalStore, type Rule } from "../permissions/index.ts";
import { toTerminalLine } from "../tui/terminal-text.ts";
import type { Settings } from "./settings.ts";

export interface PermissionRow {
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

export interface PermissionList {
  rows: readonly PermissionRow[];
  /** What does not count and why, in words for the user. */
  warnings: readonly string[];
  /** False: the remembered answers could not be read, and do not count. */
  complete: boolean;
}

type Home = Pick<Settings, "home">;

export function openApprovals({ home }: Home): ApprovalStore {
  return createApprovalStore({ file: join(home, "approvals.json"), now: () => new Date() });
}

/** The rules that count in `workspace` (absolute, links resolved), and every remembered answer. Throws like `loadRules`. */
export async function readPermissions({ home }: Home, workspace: string): Promise<PermissionList> {
  const { rules, warnings } = await loadRules({ home, workspace });
  const rows = rules.map(toRuleRow);
  try {
    const kept = openApprovals({ home }).list().map(toKeptRow);
    return { rows: [...rows, ...kept], warnings, complete: true };
  } catch (error) {
    if (!AgentError.is(error)) throw error;
    return { rows, warnings: [...warnings, error.message], complete: false };
  }
}

/** Takes away one remembered answer, or all of them for `undefined`; returns how many. Throws `AgentError` for the id of a rule. */
export async function revokeAnswers(home: Home, id: string | undefined): Promise<number> {
  if (id?.includes(":"))
    throw new AgentError(
      "usage",
      `\`${id}\` is a rule of a file; change it there. Only remembered answers are revoked.`,
    );
  return (await openApprovals(home).revoke(id)).length;
}

export function describeRevoked(count: number): string {
  return `Revoked ${count} remembered ${count === 1 ? "answer" : "answers"}.`;
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

/** A line with what stands in the columns, then one for each row. `here`: the workspace that need not be named. */
export function toPermissionLines(rows: readonly PermissionRow[], here: string): string[] {
  if (rows.length === 0) return ["There are no rules, and nothing is remembered."];
  const header = toColumns("id", "from", { decision: "does", what: "tool and match", notes: "notes" });
  return [header, ...rows.map((row) => toLine(row, here))];
}

function toLine(row: PermissionRow, here: string): string {
  const { id, layer, decision, tool, match, reason, workspace, at } = row;
  const what = [tool, match].filter((text) => text !== undefined).join(" ");
  const notes = [
    reason,
    at === undefined ? undefined : `since ${at.slice(0, 10)}`,
    workspace === undefined || workspace === here ? undefined : `in ${workspace}`,
  ].filter((text) => text !== undefined);
  return toColumns(id, layer, { decision, what, notes: notes.join(", ") });
}

function toColumns(
  id: string,
  layer: string,
  { decision, what, notes }: { decision: string; what: string; notes: string },
): string {
  const start = `${id.padEnd(14)}  ${layer.padEnd(10)}  ${decision.padEnd(5)}  ${what.padEnd(30)}`;
  return toTerminalLine(`${start}  ${notes}`.trimEnd());
}
